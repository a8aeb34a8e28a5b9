"""A copy of the workflow and a small phantom run, made once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
dataset: phantom
experiments: [localization-5fold]
data:
  phantom: {seed: 0, images: 60, patients: 30}
training:
  image_size: 64
  batch_size: 8
  checkpoint: last
  refined_boxes: true
  network: {architecture: resnet18, pretrained: null}
  optimizer: {learning_rate: 1.0e-3}
define:
  experiments:
    localization-5fold:
      splits: [fold1, fold2]
      training: {epochs: 2, checkpoint: last}
"""


@dataclass
class Checkout:
    """A copy of the workflow and the package in ``folder``, and a folder to work in."""

    folder: Path
    work: Path
    config: list[str] = field(default_factory=list)

    def snakemake(
        self, *words: str, env: dict[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the work folder; output and errors in one text."""
        command = [sys.executable, "-m", "snakemake", *words]
        done = subprocess.run(
            command,
            cwd=self.work,
            env={**os.environ, **(env or {})},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done

    def run(self, *words: str, **options: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Really run targets on two cores."""
        return self.snakemake(*words, *self.config, "--cores", "2", **options)

    def planned(self, *words: str) -> dict[str, int]:
        """What a dry run would do: number of jobs a rule, target rules left out."""
        return jobs(self.snakemake(*words, *self.config, "-n").stdout)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text in a file of the copy."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))


def jobs(text: str) -> dict[str, int]:
    """The job table that Snakemake prints."""
    table = text.split("Job stats:")[1] if "Job stats:" in text else ""
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    for target in ("total", "all", "report", "tables", "trainings", "gallery"):
        counts.pop(target, None)
    return counts


def copy_of_workflow(folder: Path) -> Checkout:
    """The files that a user has, without results or data."""
    for name in ("Snakefile", "workflow", "config", "ham", "envs", "profiles"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    (folder / "small.yaml").write_text(SMALL)
    return Checkout(folder, folder, ["--configfile", str(folder / "small.yaml")])


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the small run has been made."""
    checkout = copy_of_workflow(tmp_path_factory.mktemp("finished") / "checkout")
    checkout.run()
    return checkout


@pytest.fixture
def changed(finished: Checkout, tmp_path: Path) -> Checkout:
    """The finished run again, free to be changed; times are kept."""
    # weights are several names of one file each, and stay so in the copy
    subprocess.run(["cp", "-a", str(finished.folder), str(tmp_path / "checkout")], check=True)
    folder = tmp_path / "checkout"
    return Checkout(folder, folder, ["--configfile", str(folder / "small.yaml")])
