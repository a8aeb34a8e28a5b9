"""Trainings on a real SLURM: a job that is cancelled goes on, and copies of a job wait for each other."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .one_node import ask, missing, running_slurm, wait_until

ROOT = Path(__file__).resolve().parents[2]
LACKING = [*missing(), *([] if importlib.util.find_spec("snakemake_executor_plugin_slurm") else ["the extra slurm"])]
SMALL = """
dataset: phantom
experiments: [localization-5fold]
data:
  phantom: {seed: 0, images: 60, patients: 30}
training:
  image_size: 64
  batch_size: 8
  checkpoint: last
  network: {architecture: resnet18, pretrained: null}
define:
  experiments:
    localization-5fold:
      splits: [fold1, fold2]
      training: {epochs: 4, checkpoint: last}
"""
ONE_THREAD = ["--set-threads", "train=1", "predict=1"]  # the same bits on every number of cores
CLUSTER = ["--workflow-profile", "profiles/slurm", "--default-resources", "slurm_partition=gpu"]
# no accounting database; ask soon
TEST = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "20"]
FOLD = "phantom/localization-5fold/ham/fold1"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"apt install slurmctld slurmd slurm-client munge (no {LACKING})"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with running_slurm() as environment:
        yield environment


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose two trainings were made without a cluster."""
    folder = tmp_path_factory.mktemp("local")
    for name in ("Snakefile", "workflow", "config", "ham", "envs", "profiles"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "small.yaml").write_text(SMALL)
    command = snakemake("trainings", "--configfile", "small.yaml", "--cores", "2", *ONE_THREAD)
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return folder


def snakemake(*words: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", *words]


class Workflow:
    """Tables, asked for by the profile in a folder; what Snakemake says is in said.txt."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        command = snakemake("tables", "--configfile", "small.yaml", *CLUSTER, *TEST, *ONE_THREAD)
        with open(folder / "said.txt", "wb") as said:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)

    def wait_until_log_has(self, text: str) -> str:
        """The log of the first fold's training once ``text``, a regular expression, is found in it; what was found."""
        log = self.folder / "results" / FOLD / "logs/train.log"
        found: list[re.Match[str]] = []

        def look() -> bool:
            assert self.process.poll() is None, (self.folder / "said.txt").read_text()
            found.extend(re.finditer(text, log.read_text(errors="replace")) if log.exists() else [])
            return bool(found)

        wait_until(look, text)
        return found[-1][0]

    def training_process(self) -> int:
        """The process that trains the first fold."""
        return int((self.folder / "results/.resume" / FOLD / "lock").read_text().split()[-1])

    def job(self) -> str:
        """SLURM's number of the first fold's training."""
        jobs = dict(line.split()[::-1] for line in ask(self.environment, "squeue", "-h", "-o", "%A %k").splitlines())
        return jobs["rule_train_wildcards_phantom_localization-5fold_ham_fold1"]


@pytest.fixture
def start(cluster: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], Workflow]]:
    """Starts the workflow in tmp_path / "checkout"; none outlives the test."""
    started: list[Workflow] = []

    def begin() -> Workflow:
        started.append(Workflow(tmp_path / "checkout", cluster))
        return started[-1]

    yield begin
    for workflow in started:
        workflow.process.kill()
        workflow.process.wait()


def test_a_cancelled_training_goes_on_and_copies_of_it_wait(
    cluster: dict[str, str], start: Callable[[], Workflow], local: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkout"
    subprocess.run(["cp", "-a", str(local), str(folder)], check=True)
    for trained in ("results/phantom/localization-5fold", "results/.resume"):
        shutil.rmtree(folder / trained)

    first = start()
    first.wait_until_log_has("epoch 1 of 4: loss")
    os.kill(first.training_process(), signal.SIGSTOP)  # that it does not end before it is cancelled, which wakes it
    ask(cluster, "scancel", first.job())
    told = first.wait_until_log_has(r"stopped by SIGTERM; the same command goes on after epoch \d of 4")
    first.wait_until_log_has(f"going on after {told.split('after ')[1]}")

    os.kill(training := first.training_process(), signal.SIGSTOP)
    first.process.kill()
    first.process.wait()
    subprocess.run(snakemake("--unlock", "--configfile", "small.yaml"), cwd=folder, check=True)
    second = start()
    second.wait_until_log_has(rf"in use by another training \(host .*, process {training}\): waiting for it to end")
    os.kill(training, signal.SIGCONT)
    assert second.process.wait(600) == 0, (folder / "said.txt").read_text()

    assert "already trained with these settings" in (folder / "results" / FOLD / "logs/train.log").read_text()
    assert (folder / "results/phantom/tables/localization-5fold.csv").is_file()
    for split in ("fold1", "fold2"):
        model = f"results/{FOLD.replace('fold1', split)}/model.safetensors"
        assert (folder / model).read_bytes() == (local / model).read_bytes()
