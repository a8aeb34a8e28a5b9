"""Where a result came from: digests of source, files and settings, versions, the state of git.

The digest of the code that decides a stage's numbers is a parameter of its rule, so that a changed equation reruns what
used it, while a changed comment, message or progress bar reruns nothing. Which code that is, each stage declares in
:mod:`ham.runtime.stages`. Light to import: the workflow takes digests before the first job.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
LOGGING = frozenset({"debug", "info", "warning", "error", "exception"})


def settings_digest(settings: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def files_digest(*paths: Path) -> str:
    """SHA-256 over the content of files that are read beside the source: templates, shipped tables."""
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).hexdigest()[:16]


def module_digests(modules: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """Module to the SHA-256 of what it computes: its syntax without what only talks.

    Left out are comments, docstrings, the text of raised errors, log lines, descriptions of settings and imports from
    ham itself (a moved module is the same module). Equal under every supported Python: only node types, names and
    constants count. ``package`` is the folder of ham.
    """
    return {
        module: hashlib.sha256(_syntax(module_path(module, package)).encode()).hexdigest()[:16]
        for module in sorted(modules)
    }


def code_digest(modules: Mapping[str, str]) -> str:
    """One digest of several modules' (:func:`module_digests`), whatever they are called and wherever they lie."""
    return hashlib.sha256("\n".join(sorted(modules.values())).encode()).hexdigest()[:16]


def module_path(module: str, package: Path = PACKAGE) -> Path:
    """The file of a module of ham."""
    base = package.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def imports_of(module: str, package: Path = PACKAGE) -> tuple[str, ...]:
    """The modules of ham that ``module`` imports, wherever in it, in alphabetical order.

    Of the package itself none: it is the public face, imports what stands above it only when that is asked for, and is
    imported by whoever imports anything of ham.
    """
    if module == PACKAGE.name:
        return ()
    found: set[str] = set()
    for node in ast.walk(_tree(module_path(module, package))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if _is_ham(name) and module_path(name, package).exists()))


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _syntax(path: Path) -> str:
    return _form(_tree(path))


def _form(node: Any) -> str:
    """A node as text; empty fields are left out, because Pythons differ in which of them exist."""
    if isinstance(node, list):
        return f"[{','.join(_form(item) for item in node if not _talks(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise):
        return "Raise()"  # what is said, and as which class of error, reaches no result
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some format specifications with an empty constant
        fields["values"] = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value == "")]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "track":
        fields["args"] = node.args[:1]  # the rest is what the progress bar says
    kept = (f"{name}={_form(value)}" for name, value in sorted(fields.items()) if name not in UNUSED)
    return f"{type(node).__name__}({','.join(kept)})"


UNUSED = frozenset({"ctx", "kind", "type_comment"})


def _talks(node: Any) -> bool:
    """Whether an item of a body or an argument says something and computes nothing."""
    if isinstance(node, ast.Expr):
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return True  # a docstring
        call = value.func if isinstance(value, ast.Call) else None
        return (
            isinstance(call, ast.Attribute)
            and call.attr in LOGGING
            and isinstance(call.value, ast.Name)
            and call.value.id == "log"
        )
    if isinstance(node, ast.keyword):
        return node.arg == "description"
    if isinstance(node, ast.ImportFrom):
        return bool(node.module) and _is_ham(str(node.module))
    return isinstance(node, ast.Import) and all(_is_ham(alias.name) for alias in node.names)


def _is_ham(name: str) -> bool:
    return name.split(".")[0] == "ham"


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
