"""Imports point one way, and what the workflow imports is light."""

from __future__ import annotations

from pathlib import Path

from ham.runtime import provenance

# Each may import what stands before it, and its own row.
ORDER = [
    ("ham", "ham.errors", "ham.protocol", "ham.settings", "ham.boxes"),
    ("ham.runtime",),
    ("ham.images",),
    ("ham.datasets",),
    ("ham.phantom", "ham.refinement"),
    ("ham.samples",),
    ("ham.model",),
    ("ham.predicting",),
    ("ham.training",),
    ("ham.scoring",),
    ("ham.reporting",),
    ("ham.precedence",),
    ("ham.config",),
    ("ham.upgrade",),
    ("ham.cli",),
]


def row(module: str) -> int:
    for number, names in enumerate(ORDER):
        if module in names or (number and module.startswith(tuple(f"{name}." for name in names))):
            return number
    raise AssertionError(f"{module} has no place in the order of imports")


def test_imports_point_one_way(root: Path) -> None:
    wrong = []
    for path in sorted((root / "ham").rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for imported in provenance._imports(path):
            # settings are leaves: every stage may read those of any other
            if not imported.endswith(".settings") and imported != "ham.training" and row(imported) > row(module):
                wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_nothing_in_ham_knows_the_workflow(root: Path) -> None:
    for path in (root / "ham").rglob("*.py"):
        text = path.read_text()
        assert "import snakemake" not in text, path
        assert "from snakemake" not in text, path


def test_files_stay_short(root: Path) -> None:
    assert {path.name for path in (root / "ham").rglob("*.py") if len(path.read_text().splitlines()) > 400} == set()
