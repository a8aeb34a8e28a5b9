"""Digests of source: comments count for nothing, constants and equations do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from ham.runtime import provenance


def digest(text: str, tmp_path: Path) -> str:
    path = tmp_path / f"{abs(hash(text))}.py"
    path.write_text(text)
    return provenance._syntax(path)


def test_comments_docstrings_and_layout_do_not_change_a_digest(tmp_path: Path) -> None:
    plain = digest("def f(x):\n    return x + 1\n", tmp_path)
    assert (
        digest('"""Doc."""\n# why\ndef f( x ):\n    """Doc."""\n    return (x\n        + 1)  # why\n', tmp_path)
        == plain
    )
    assert digest("def f(x):\n    return x + 2\n", tmp_path) != plain
    assert digest("def f(x, y=1):\n    return x + 1\n", tmp_path) != plain


FROZEN = """
import os
from ham.boxes import Box
A, B = 1, 2.5
def f(x: int, *rest, y="a", **more) -> str:
    '''Doc.'''
    match x:
        case 1: return f"{x!r:>{A}} and {'quoted'}" "joined"
        case _: pass
    return [i async for i in x] if (n := A) else {**more}
class C(Box):
    z: int = 3
    try:
        pass
    except* ValueError as error:
        raise
"""


def test_a_digest_is_the_same_under_every_python(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "frozen.py"
    path.write_text(FROZEN)
    here = provenance._syntax(path)
    import hashlib

    assert hashlib.sha256(here.encode()).hexdigest()[:16] == "a76e36b2809470fc"
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from ham.runtime import provenance; from pathlib import Path; "
    )
    code += f"print(provenance._syntax(Path({str(path)!r})))"
    others = [shutil.which(f"python{version}") for version in ("3.11", "3.12", "3.13")]
    for python in (found for found in others if found and not subprocess.run([found, "-c", ""]).returncode):
        assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == here


def test_the_workflow_reads_the_configuration_without_torch_or_pandas(root: Path) -> None:
    code = (
        "import sys, yaml; from ham import config; from ham.runtime import stages; "
        "config.load(yaml.safe_load(open('config/config.yaml'))); stages.digest('train'); "
        "print(sorted({'torch', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
