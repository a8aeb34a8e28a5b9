"""Writes requirements.lock and environment.yaml from pyproject.toml; ``make lock`` calls it.

Present pins are kept where pyproject.toml still allows them; ``--upgrade`` (handed on to uv) takes the newest of
everything. Both files carry the digest of pyproject's requirements, so that a test can say offline when they are old.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent / "pyproject.toml"
LOCK = FOLDER / "requirements.lock"
CONDA = FOLDER / "environment.yaml"

LOCK_HEADER = """\
# Every package that ham and its extras need, pinned, for Python 3.11 to 3.13.
# Made by `make lock` from pyproject.toml; do not edit.
# requirements {digest}
"""
CONDA_HEADER = """\
# The pins of requirements.lock that Python 3.12 on Linux takes, for `snakemake --sdm conda`.
# Made by `make lock` from pyproject.toml; do not edit.
# requirements {digest}
name: ham
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python =3.12
  - pip >=24
  - cxx-compiler >=1.7 # pydensecrf2 compiles
  - pip:
"""


def requirements(project: dict[str, Any]) -> dict[str, Any]:
    """The parts of pyproject.toml that decide what is installed."""
    return {
        "python": project["project"]["requires-python"],
        "dependencies": project["project"]["dependencies"],
        "extras": project["project"]["optional-dependencies"],
        "groups": project["dependency-groups"],
        "build": project["build-system"]["requires"],
    }


def digest(project: dict[str, Any]) -> str:
    """Digest of `requirements`, as both headers state it."""
    return "sha256:" + hashlib.sha256(json.dumps(requirements(project), sort_keys=True).encode()).hexdigest()


def marker_environment(python: str) -> dict[str, str]:
    """What markers see under Python ``python`` ("3.12") on Linux x86_64."""
    return {key: str(value) for key, value in default_environment().items()} | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def pins(lines: list[str], python: str) -> list[str]:
    """The ``name==version`` of those lock lines that apply to Python ``python`` on Linux x86_64."""
    environment = marker_environment(python)
    chosen = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [f"{r.name}{r.specifier}" for r in chosen if r.marker is None or r.marker.evaluate(environment)]


def compile_lock(upgrade: list[str]) -> list[str]:
    """All pins, with markers where Pythons or platforms differ, as uv resolves them."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "requirements.lock"
        if LOCK.exists():
            output.write_bytes(LOCK.read_bytes())
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", str(PROJECT)]
        command += ["--output-file", str(output)]
        command += ["--universal", "--python-version", "3.11", "--all-extras", "--group", f"{PROJECT}:build"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
        subprocess.run([*command, *upgrade], check=True)
        return output.read_text().splitlines()


def main() -> None:
    project = tomllib.loads(PROJECT.read_text())
    lines = compile_lock(sys.argv[1:])
    LOCK.write_text(LOCK_HEADER.format(digest=digest(project)) + "".join(f"{line}\n" for line in lines))
    conda = "".join(f"      - {pin}\n" for pin in pins(lines, "3.12"))
    CONDA.write_text(CONDA_HEADER.format(digest=digest(project)) + conda)
    print(f"{LOCK.name} and {CONDA.name}: {len(lines)} and {conda.count('==')} packages")


if __name__ == "__main__":
    main()
