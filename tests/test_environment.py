from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import ham

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
MAKE = shutil.which("make")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "envs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load("generate")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock() -> list[str]:
    return (ROOT / "envs/requirements.lock").read_text().splitlines()


@pytest.fixture(scope="module")
def conda() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "envs/environment.yaml").read_text())


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def make(*arguments: str) -> str:
    """What make prints, as if no other make had called the tests."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = [str(MAKE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment).stdout


def wanted(project: dict[str, Any]) -> list[Requirement]:
    """Every requirement that stands anywhere in pyproject.toml."""
    found = generate.requirements(project)
    groups = [found["dependencies"], found["build"], *found["extras"].values(), *found["groups"].values()]
    return [Requirement(text) for group in groups for text in group]


def test_lock_and_conda_file_were_made_from_the_present_requirements(project: dict[str, Any]) -> None:
    line = f"# requirements {generate.digest(project)}"
    for name in ("requirements.lock", "environment.yaml"):
        assert line in (ROOT / "envs" / name).read_text().splitlines(), f"{name} is out of date: make lock"


def test_a_changed_requirement_changes_the_digest(project: dict[str, Any]) -> None:
    before = generate.digest(project)
    changed = {**project, "project": {**project["project"], "dependencies": project["project"]["dependencies"][1:]}}
    assert generate.digest(changed) != before


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_within_its_range(project: dict[str, Any], lock: list[str], python: str) -> None:
    pins = {canonical(name): version for name, version in (pin.split("==") for pin in generate.pins(lock, python))}
    for requirement in wanted(project):
        assert requirement.name in pins, f"{requirement} is not in the lock for Python {python}"
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_the_supported_pythons_are_those_of_the_lock(project: dict[str, Any]) -> None:
    supported = SpecifierSet(project["project"]["requires-python"])
    assert [minor for minor in range(8, 20) if supported.contains(f"3.{minor}")] == [11, 12, 13]


def test_the_lock_holds_pins_and_nothing_else(lock: list[str]) -> None:
    lines = [line for line in lock if not line.startswith("#")]
    assert len(lines) > 100
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9A-Za-z.]*( ; [^@#/\\]+)?", line), line
    header = "\n".join(line for line in lock if line.startswith("#"))
    assert "://" not in header
    assert str(Path.home()) not in header


def test_the_conda_file_has_the_pins_of_the_lock(lock: list[str], conda: dict[str, Any]) -> None:
    *plain, pip = conda["dependencies"]
    assert pip == {"pip": generate.pins(lock, "3.12")}
    assert [spec.split()[0] for spec in plain] == ["python", "pip", "cxx-compiler"]
    assert "python =3.12" in plain
    assert conda["channels"] == ["conda-forge", "nodefaults"]


def test_the_conda_file_is_whole_when_copied_away(conda: dict[str, Any]) -> None:
    for pin in conda["dependencies"][-1]["pip"]:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9A-Za-z.]*", pin), pin


def test_importing_ham_imports_no_torch() -> None:
    code = (
        "import sys, ham; assert ham.__version__; print([m for m in sys.modules if m in ('torch', 'numpy', 'pandas')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_same_everywhere(project: dict[str, Any]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["project"]["version"] == ham.__version__ == citation["version"]
    assert f"## [{ham.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_paper_can_be_cited() -> None:
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text())["preferred-citation"]
    assert paper["doi"] == "10.1109/TMI.2020.3042773"
    assert len(paper["authors"]) == 8


def test_the_default_profile_has_what_a_bare_command_needs() -> None:
    profile = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert profile["cores"] == "all"
    assert profile["rerun-incomplete"] is True


@pytest.mark.skipif(MAKE is None, reason="needs make")
def test_every_make_target_has_a_line_of_help() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert phony is not None
    assert [line.split()[1] for line in make("help").splitlines()] == phony[1].split()


@pytest.mark.skipif(MAKE is None, reason="needs make")
def test_the_demo_ends_with_commands_that_name_the_target_first() -> None:
    printed = make("-n", "demo")
    commands = re.findall(r"snakemake (all .*)", printed)
    assert len(commands) == 3
    assert all(command.startswith("all --configfile config/demo.yaml") for command in commands)
    assert "results/phantom/report.html" in printed


def test_cleaning_spares_what_was_downloaded() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\nclean:")[1].split("\n\n")[0]
    removed = [word for line in recipe.splitlines() if "rm -rf" in line for word in line.split()]
    assert {word for word in removed if word.startswith(("datasets", "results", ".venv"))} == {
        "datasets/Phantom",
        "results/phantom",
        "results/.resume/phantom",
    }


def check_build(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "envs/check_build.py")]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def test_a_machine_that_can_compile_is_told_nothing() -> None:
    done = check_build()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_compiler_is_said_in_one_sentence_with_its_package() -> None:
    done = check_build(CC="no-such-cc", CXX="no-such-c++")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no compiler no-such-cc and no no-such-c++" in done.stderr
    assert "apt install build-essential" in done.stderr


def test_a_missing_header_is_said_in_one_sentence_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("check_build")
    monkeypatch.setattr(module, "python_header", lambda: "/nowhere/Python.h")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert "there is no header /nowhere/Python.h" in module.problem()
    assert f"apt install python{version}-dev" in module.problem()


def test_an_unsuitable_python_is_said_in_one_sentence() -> None:
    script = ["sh", str(ROOT / "envs/install.sh")]
    done = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHON": "/bin/false"})
    assert done.returncode == 1
    assert done.stderr.startswith("No Python 3.11, 3.12 or 3.13 among: /bin/false.")
    assert done.stderr.count("\n") == 1


FAKE_PYTHON = """\
#!/bin/sh
# Answers as Python would, writes down what pip is asked, and ends as PIP_RESULT says.
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >> calls ;;
    *" pip "*) echo "${*#*--disable-pip-version-check }" >> calls; exit "${PIP_RESULT:-0}" ;;
esac
"""


@pytest.fixture
def install(tmp_path: Path) -> Any:
    """Runs envs/install.sh in an empty project with a stand-in for Python; gives exit status and calls."""
    shutil.copytree(ROOT / "envs", tmp_path / "envs")
    python = tmp_path / "fake-python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)

    def run(pip_result: int = 0) -> tuple[int, list[str]]:
        (tmp_path / "calls").write_text("")
        environment = os.environ | {"PYTHON": str(python), "PIP_RESULT": str(pip_result)}
        done = subprocess.run(["sh", "envs/install.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, (tmp_path / "calls").read_text().splitlines()

    return run


def test_an_installation_compiles_pydensecrf_after_its_build_tools(install: Any) -> None:
    status, calls = install()
    assert status == 0
    assert calls == [
        "venv",
        "install -q -r /dev/stdin",  # setuptools, wheel, cython
        "install -q -r /dev/stdin",  # all the rest
        "install -q --no-build-isolation -r /dev/stdin",
        "install -q --no-deps --no-build-isolation --editable .",
    ]


def test_an_interrupted_installation_starts_afresh_and_a_whole_one_is_updated(install: Any, tmp_path: Path) -> None:
    assert install(pip_result=1)[0] != 0
    assert not (tmp_path / ".venv/.installed").exists()
    (tmp_path / ".venv/half-installed").touch()
    status, calls = install()
    assert (status, calls[0]) == (0, "venv")
    assert not (tmp_path / ".venv/half-installed").exists()
    assert (tmp_path / ".venv/.installed").exists()
    status, calls = install()
    assert (status, calls[0]) == (0, "install -q -r /dev/stdin")
