"""Imports point one way, and what the workflow imports is light."""

from __future__ import annotations

import ast
from pathlib import Path

from ham.runtime.provenance import imports_of

# From the ground up: each may import what stands below it, and its own floor. No exemptions.
FLOORS = [
    ("ham", "ham.errors", "ham.protocol", "ham.settings", "ham.boxes"),
    ("ham.runtime",),
    ("ham.images",),
    ("ham.datasets",),
    ("ham.phantom", "ham.refinement"),
    ("ham.samples",),
    ("ham.model",),
    ("ham.training", "ham.predicting"),
    ("ham.scoring",),
    ("ham.reporting",),
    ("ham.precedence",),
    ("ham.config",),
    ("ham.upgrade",),
    ("ham.cli",),
]
MOST_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 400, 50, 7


def modules(root: Path) -> dict[str, Path]:
    paths = sorted((root / "ham").rglob("*.py"))
    return {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def floor(module: str) -> int:
    for number, names in enumerate(FLOORS):
        if module in names or (number and module.startswith(tuple(f"{name}." for name in names))):
            return number
    raise AssertionError(f"{module} has no place in the house: give it one in FLOORS and in docs/architecture.md")


def test_imports_point_one_way(root: Path) -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules(root)
        for imported in imports_of(module)
        if floor(imported) > floor(module)
    ]
    assert wrong == []


def test_nothing_in_ham_knows_the_workflow(root: Path) -> None:
    for path in (root / "ham").rglob("*.py"):
        text = path.read_text()
        assert "import snakemake" not in text, path
        assert "from snakemake" not in text, path


def test_files_stay_short(root: Path) -> None:
    assert {path.name for path in modules(root).values() if len(path.read_text().splitlines()) > MOST_LINES} == set()


def test_functions_stay_short_and_take_few_parameters(root: Path) -> None:
    wrong = []
    for module, path in modules(root).items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            parameters = len([name for name in names if name not in ("self", "cls")])
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES or parameters > MOST_PARAMETERS:
                wrong.append(f"{module}.{node.name}: {lines} lines, {parameters} parameters")
    assert wrong == []
