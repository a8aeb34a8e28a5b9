"""A golden test that does not run is a failure where HAM_NO_SKIPS=1, which ``make test`` sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HIDE = "import sys\nsys.modules['pydensecrf'] = None\n"  # a plugin: as if the extra crf were not installed
CRF = "tests/refinement/test_crf.py"
FILES = {
    "test_marked.py": "@pytest.mark.skip\ndef test_it(): pass\n",
    "test_empty.py": "@pytest.mark.parametrize('key', [])\ndef test_it(key): pass\n",
    "test_whole.py": "pytest.skip('not today', allow_module_level=True)\n",
    "test_inside.py": "def test_it(): pytest.skip('not today')\n",
}


def run(root: Path, folder: Path, *words: str, no_skips: str) -> int:
    """Exit status of pytest with the suite's conftest."""
    (folder / "hide.py").write_text(HIDE)
    env = {**os.environ, "HAM_NO_SKIPS": no_skips, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "hide", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=root, env=env, capture_output=True).returncode


@pytest.mark.parametrize(("no_skips", "status"), [("0", 0), ("1", 1)])
def test_goldens_of_the_crf_that_are_skipped_fail(root: Path, tmp_path: Path, no_skips: str, status: int) -> None:
    assert run(root, tmp_path, CRF, "-k", "equal_the_published_ones", no_skips=no_skips) == status


@pytest.mark.parametrize("name", FILES)
def test_every_way_to_skip_a_golden_test_fails(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "conftest.py").write_text((root / "tests/conftest.py").read_text())
    for head, expected in (("from golden.files import golden\n", (1, 2)), ("", (0, 5))):
        (tmp_path / name).write_text(f"import sys\nsys.path.append({str(root / 'tests')!r})\nimport pytest\n")
        with open(tmp_path / name, "a") as file:
            file.write(head + FILES[name])
        assert run(root, tmp_path, str(tmp_path / name), "--rootdir", str(tmp_path), no_skips="1") in expected


def test_make_test_sets_it(root: Path) -> None:
    recipe = (root / "Makefile").read_text().split("\ntest: ")[1].split("\n\n")[0]
    assert "HAM_NO_SKIPS=1" in recipe
