"""Where a result came from: digests of source, files and settings, versions, the state of git.

The digest of a stage's source is a parameter of its rule, so that a changed equation reruns what used it while a
changed comment reruns nothing. Light to import: the workflow takes digests before the first job.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
# modules whose change alters no result: what a user sees while it runs
SILENT = frozenset({"ham", "ham.errors", "ham.mistakes", "ham.runtime.progress", "ham.runtime.provenance"})


def settings_digest(settings: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def source_digest(*modules: str) -> str:
    """SHA-256 over the syntax of ``modules`` and of every ham module they import, docstrings and comments left out.

    The same under every supported Python: only node types, names and constants count.
    """
    hashed = hashlib.sha256()
    for module in sorted(_reached(modules)):
        hashed.update(f"{module}:{_syntax(_path(module))}\n".encode())
    return hashed.hexdigest()[:16]


def files_digest(*paths: Path) -> str:
    """SHA-256 over the content of files that are read beside the source: templates, shipped tables."""
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).hexdigest()[:16]


def _reached(modules: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    waiting = [*modules]
    while waiting:
        module = waiting.pop()
        if module not in reached and module not in SILENT:
            reached.add(module)
            waiting.extend(_imports(_path(module)))
    return reached


def _path(module: str) -> Path:
    base = PACKAGE.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if name.split(".")[0] == "ham" and _path(name).exists()))


@functools.cache
def _syntax(path: Path) -> str:
    return _form(_tree(path))


def _form(node: Any) -> str:
    """A node as text; empty fields are left out, because Pythons differ in which of them exist."""
    if isinstance(node, ast.AST):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_docstring(item)]
        elif isinstance(node, ast.JoinedStr):  # Python 3.12 ends some format specifications with an empty constant
            node.values = [item for item in node.values if not (isinstance(item, ast.Constant) and item.value == "")]
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        kept = (
            f"{name}={_form(value)}" for name, value in sorted(fields) if name not in ("ctx", "kind", "type_comment")
        )
        return f"{type(node).__name__}({','.join(kept)})"
    if isinstance(node, list):
        return f"[{','.join(map(_form, node))}]"
    return repr(node)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def check_source(expected: str, *modules: str) -> None:
    """Stop when the ``ham`` that runs is not the one the workflow planned with."""
    from ham.errors import EnvironmentProblem

    if source_digest(*modules) != expected:
        raise EnvironmentProblem(
            f"{PACKAGE} differs from the source this job was planned with: either it changed meanwhile (start again) "
            "or another copy of ham is installed (pip uninstall ham, or pip install -e the checkout)."
        )


def versions() -> dict[str, str]:
    """Python and the packages that decide numbers."""
    names = ("ham", "torch", "torchvision", "numpy", "pillow", "scikit-learn", "pandas", "snakemake")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any]:
    """Commit of the checkout and whether files differ from it; empty outside a repository."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(PACKAGE.parent), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {}
