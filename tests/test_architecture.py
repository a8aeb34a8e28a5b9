"""Imports point one way, and what the workflow imports is light."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ham.runtime.provenance import imports_of

MOST_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 400, 50, 7


@pytest.fixture
def house(root: Path) -> ModuleType:
    """docs/draw_architecture.py, which has the floors."""
    spec = importlib.util.spec_from_file_location("draw_architecture", root / "docs/draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_imports_point_one_way(house: ModuleType) -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in house.modules()
        for imported in imports_of(module)
        if house.floor_of(imported) > house.floor_of(module)
    ]
    assert wrong == []


def test_no_room_imports_itself_through_others(house: ModuleType) -> None:
    imports = house.imports_between_rooms()
    assert [room for room in imports if room in house.reached(room, imports)] == []


def test_every_room_of_the_house_is_there(house: ModuleType) -> None:
    assert {house.room_of(module) for module in house.modules()} == set(house.ROOMS)


def test_a_module_without_a_place_is_refused(house: ModuleType) -> None:
    with pytest.raises(LookupError, match="give it one in docs"):
        house.floor_of("ham.cellar")


def test_the_picture_is_what_the_imports_are(house: ModuleType) -> None:
    assert house.PICTURE.read_text(encoding="utf-8") == house.draw(), f"draw it again: {house.COMMAND}"


def test_no_arrow_is_drawn_that_others_say_already(house: ModuleType) -> None:
    imports = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert house.reduced(imports) == [("a", "b"), ("b", "c"), ("c", "d")]


def test_the_rooms_are_listed_from_the_ground_up(house: ModuleType, root: Path) -> None:
    """One row a room in docs/architecture.md, a package's own packages below it."""
    wanted = [
        path.relative_to(root).as_posix() + ("/" if path.is_dir() else "")
        for room in house.ROOMS
        for path in _files_of_room(root / Path(*room.split(".")))
    ]
    listed = re.findall(r"^\| `(ham/[^`]*)` \|", (root / "docs/architecture.md").read_text(), flags=re.MULTILINE)
    assert listed == wanted, "list the rooms in docs/architecture.md, in the order of docs/draw_architecture.py"


def _files_of_room(path: Path) -> list[Path]:
    if path.name == "ham":
        return [path / "__init__.py"]
    if not path.is_dir():
        return [path.with_suffix(".py")]
    return [path, *sorted(inner.parent for inner in path.glob("*/__init__.py"))]


def test_every_path_that_the_docs_name_is_there(root: Path) -> None:
    paths = re.compile(r"`((?:ham|workflow|config|tests|docs|benchmarks|envs|profiles)/[\w./-]*)`")
    for file in [*root.glob("*.md"), *root.glob("docs/*.md"), root / "config/README.md"]:
        named = paths.findall(file.read_text(encoding="utf-8"))
        assert [name for name in named if not (root / name).exists()] == [], file.name


def test_nothing_in_ham_knows_the_workflow(root: Path) -> None:
    for path in (root / "ham").rglob("*.py"):
        text = path.read_text()
        assert "import snakemake" not in text, path
        assert "from snakemake" not in text, path


def test_files_stay_short(house: ModuleType) -> None:
    assert {path.name for path in house.modules().values() if len(path.read_text().splitlines()) > MOST_LINES} == set()


def test_functions_stay_short_and_take_few_parameters(house: ModuleType) -> None:
    wrong = []
    for module, path in house.modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            parameters = len([name for name in names if name not in ("self", "cls")])
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES or parameters > MOST_PARAMETERS:
                wrong.append(f"{module}.{node.name}: {lines} lines, {parameters} parameters")
    assert wrong == []
