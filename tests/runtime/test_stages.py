"""Every module that a stage reaches is accounted for; what decides moves its digest, what talks does not."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from ham.runtime import provenance, stages
from ham.runtime.provenance import PACKAGE, imports_of, module_digests

# What each stage's script calls: where the walk over its imports begins.
ENTRY = {
    "draw_phantom": "ham.phantom.nih_distribution",
    "draw_chexpert_phantom": "ham.phantom.chexpert_distribution",
    "check_images": "ham.datasets.acquire.check",
    "convert_nih": "ham.datasets.sources.nih",
    "convert_table": "ham.datasets.sources.table",
    "convert_chexpert": "ham.datasets.sources.chexpert",
    "summarize": "ham.datasets.summary",
    "store": "ham.datasets.image_store",
    "refine": "ham.refinement.crf",
    "train": "ham.training.run",
    "import_weights": "ham.model.published_weights",
    "predict": "ham.predicting.run",
    "score": "ham.scoring.run",
    "exchange": "ham.scoring.exchange",
    "leakage": "ham.scoring.leakage",
    "table": "ham.reporting.tables",
    "figures": "ham.reporting.experiment_figures",
    "differences_figure": "ham.reporting.forest",
    "leakage_figure": "ham.reporting.leakage_figure",
    "subgroups_figure": "ham.reporting.subgroups_figure",
    "gallery": "ham.reporting.gallery",
    "gallery_page": "ham.reporting.gallery_page",
    "package": "ham.packaging.archive",
    "model_card": "ham.reporting.model_card",
    "report_page": "ham.reporting.page",
}
ALL = sorted({module for declared in stages.DECIDING.values() for module in declared})


def reached(entry: str) -> set[str]:
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(imports_of(module))
    return found


def computes(module: str) -> bool:
    """Whether there is anything in a module; most packages only have a name."""
    tree = ast.parse(provenance.module_path(module).read_text())
    return any(isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign) for node in tree.body)


@pytest.mark.parametrize("stage", stages.DECIDING)
def test_every_module_that_a_stage_reaches_is_declared(stage: str) -> None:
    modules = reached(ENTRY[stage])
    declared = {*stages.DECIDING[stage], *stages.SILENT, *stages.SHOWN.get(stage, ())}
    computing = {module for module in modules if computes(module)}
    assert computing - declared == set(), "declare them in ham/runtime/stages.py, as deciding or as silent"


@pytest.mark.parametrize("stage", stages.DECIDING)
def test_nothing_is_declared_that_a_stage_does_not_reach(stage: str) -> None:
    modules = reached(ENTRY[stage])
    assert {*stages.DECIDING[stage]} - modules == set()


def test_nothing_is_declared_as_both() -> None:
    assert not stages.SILENT & set(ALL)
    assert not [stage for stage, shown in stages.SHOWN.items() if shown & set(stages.DECIDING[stage])]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, free to be changed."""
    target = tmp_path / "ham"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def changed_constant(path: Path) -> str:
    """The source with one constant changed that takes part in a computation."""
    lines = path.read_text().splitlines(keepends=True)
    talking: set[tuple[int, int]] = set()
    tree = ast.parse("".join(lines))
    for node in ast.walk(tree):
        speech = isinstance(node, ast.Raise | ast.JoinedStr) or provenance._talks(node)
        if speech or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "track"):
            talking |= {(n.lineno, n.col_offset) for n in ast.walk(node) if isinstance(n, ast.Constant)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or (node.lineno, node.col_offset) in talking or node.value is None:
            continue
        line = lines[node.lineno - 1]
        # columns are bytes, and only a constant on one line is changed
        if node.end_lineno != node.lineno or not line.isascii() or "# " in line[: node.col_offset]:
            continue
        if isinstance(node.value, bool):
            new = repr(not node.value)
        elif isinstance(node.value, int | float):
            new = repr(node.value + 1)
        elif isinstance(node.value, str) and line[node.col_offset] in "\"'":
            new = repr(node.value + "x")
        else:
            continue
        lines[node.lineno - 1] = line[: node.col_offset] + new + line[node.end_col_offset :]
        return "".join(lines)
    raise AssertionError(f"{path} has no constant to change")


@pytest.mark.parametrize("module", ALL)
def test_a_constant_of_a_deciding_module_moves_its_digest(module: str, copy: Path) -> None:
    path = provenance.module_path(module, copy)
    before = module_digests([module], copy)
    path.write_text(changed_constant(path))
    provenance._tree.cache_clear()
    provenance._syntax.cache_clear()
    assert module_digests([module], copy) != before


@pytest.mark.parametrize("module", ALL)
def test_words_of_a_deciding_module_move_nothing(module: str, copy: Path) -> None:
    """Another docstring, comment, log line, message of an error: the same digest."""
    path = provenance.module_path(module, copy)
    before = module_digests([module], copy)
    tree = ast.parse(path.read_text())
    tree.body[0] = ast.Expr(ast.Constant("Other words."))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            node.exc.args[0] = ast.Constant("another sentence")
        if isinstance(node, ast.FunctionDef):
            node.body.append(ast.parse("log.info('said')").body[0])
    path.write_text("# a comment\n" + ast.unparse(ast.fix_missing_locations(tree)) + "\n")
    provenance._tree.cache_clear()
    provenance._syntax.cache_clear()
    assert module_digests([module], copy) == before


def test_a_message_of_a_silent_module_moves_no_stage(copy: Path) -> None:
    before = {stage: module_digests(declared, copy) for stage, declared in stages.DECIDING.items()}
    for module in stages.SILENT:
        path = provenance.module_path(module, copy)
        path.write_text(path.read_text() + "\nMESSAGE = 'other words'\n")
    provenance._tree.cache_clear()
    provenance._syntax.cache_clear()
    assert {stage: module_digests(declared, copy) for stage, declared in stages.DECIDING.items()} == before


def test_a_module_that_only_moved_is_the_same_code() -> None:
    digests = module_digests(["ham.model.losses", "ham.boxes"])
    moved = {f"ham.elsewhere.{module}": digest for module, digest in digests.items()}
    assert provenance.code_digest(moved) == provenance.code_digest(digests)


def test_a_job_stops_when_the_source_is_not_what_was_planned() -> None:
    from ham.errors import EnvironmentProblem

    stages.check_source(stages.digest("train"), "train")
    with pytest.raises(EnvironmentProblem, match="pip uninstall ham"):
        stages.check_source("0" * 16, "train")
