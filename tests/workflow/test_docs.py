"""What the documentation says of the workflow is what the workflow says of itself."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import ROOT, copy_of_workflow


def edges(graph: str) -> set[tuple[str, str]]:
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    return {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph)}


TARGETS = {
    "all",
    "datasets",
    "trainings",
    "tables",
    "figures",
    "gallery",
    "report",
    "ablations",
    "exchange",
    "package",
    "cards",
}


def test_the_rule_graph_is_the_workflows(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "checkout")
    made = checkout.snakemake("--rulegraph", "mermaid-js", "--config", "variants=[ham, with-crf]").stdout
    assert edges((ROOT / "docs/workflow.md").read_text()) == edges(made) != set()


def test_there_is_one_spelling_of_the_command_and_it_works_after_the_set_up() -> None:
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.*")]:
        assert ".venv/bin/snakemake" not in path.read_text(), path.name
    activate = "source .venv/bin/activate"
    for page in ("README.md", "docs/own-data.md"):
        text = (ROOT / page).read_text()
        assert text.index("make install") < text.index(activate)
        assert text.index(activate) < text.index("snakemake datasets" if "own" in page else "snakemake --cores")


def test_on_every_command_line_the_target_comes_first() -> None:
    """After --resources a target is an error, after --forcerun it is swallowed and everything is trained again."""
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.*")]:
        for command in re.findall(r"snakemake ([^`\n#|]*)", path.read_text()):
            words = command.replace("--cores all", "--cores N").split()
            options = [place for place, word in enumerate(words) if word.startswith("--")]
            targets = [place for place, word in enumerate(words) if word in TARGETS or word.startswith("results/")]
            assert not targets or not options or max(targets) < min(options), f"{path.name}: snakemake {command}"
