"""The method's documentation names functions and settings that exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def sections(root: Path) -> dict[str, list[list[str]]]:
    """Rows of the tables of docs/method.md by the title of their section, cells as text, header rows left out."""
    text = (root / "docs/method.md").read_text()
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {
        part.splitlines()[0]: [
            [cell.strip() for cell in line.strip("|").split("|")]
            for block in re.findall(r"(?:^\|.*\n)+", part, flags=re.MULTILINE)
            for line in block.splitlines()[2:]
        ]
        for part in parts
    }


def defined(root: Path) -> set[str]:
    """Every function, class, method, attribute and constant of the package."""
    names: set[str] = set()
    for path in (root / "ham").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def test_every_equation_names_a_function_that_exists(root: Path) -> None:
    known = defined(root)
    named = [
        name
        for title, rows in sections(root).items()
        if title[0] in "1235"
        for row in rows
        for name in re.findall(r"`([^`]+)`", row[1])
    ]
    assert len(named) > 25
    for name in named:
        if name.startswith("ham/"):
            assert (root / name).exists(), name
        else:
            assert set(name.split(".")) <= known, name


def test_every_quirk_names_a_setting_column_or_experiment_that_exists(root: Path) -> None:
    paper: dict[str, Any] = yaml.safe_load((root / "config/config.yaml").read_text())
    source = "".join(path.read_text() for path in (root / "ham").rglob("*.py"))
    (quirks,) = [rows for title, rows in sections(root).items() if title.startswith("4")]
    published = [row for row in quirks if len(row) == 3]
    assert len(published) > 10
    for row in published:
        names = re.findall(r"`([^`]+)`", row[2])
        assert names or row[2].startswith("none"), row
        for name in names:
            value: Any = paper
            key = name.split(":")[0]
            if "." in key and not key.endswith(".csv"):
                for part in key.split("."):
                    value = value[part]  # a setting, by its path
            elif key.startswith("…"):
                assert any(experiment.endswith(key[1:]) for experiment in paper["define"]["experiments"]), key
            else:
                stem = key.removeprefix("tables/").removesuffix("_published")
                assert stem in source, key


def test_the_reference_is_what_the_docstrings_say(root: Path) -> None:
    """Written again by ``python docs/write_api.py``."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, 'docs'); import write_api; print(write_api.write(), end='')",
    ]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert (root / "docs/api.md").read_text(encoding="utf-8") == said


def test_what_troubleshooting_quotes_is_said_somewhere(root: Path) -> None:
    """Messages in its first column stand in the code, so that a search for them finds the page."""
    source = " ".join(re.sub(r'"\s*f?"', "", path.read_text()) for path in (root / "ham").rglob("*.py"))
    rows = [line for line in (root / "docs/troubleshooting.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) >= 8
    for row in rows:
        quoted = row.split("`")[1]
        assert quoted in source, quoted
