"""A training can be stopped anywhere and ends with the same bits."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import torchvision

from ham.errors import DataError, ResumeError
from ham.model import weights
from ham.model.card import Card
from ham.runtime import locks
from ham.runtime.jobs import job
from ham.settings import NetworkSettings
from ham.training.batches import Lists, Sources
from ham.training.run import train
from ham.training.settings import TrainingSettings
from ham.training.state import Resume

LISTS = Lists("Main/fold1/train_0.5_0.8", "bbox/fold1/train_0.8", "Main/fold1/test_0_0.2", "bbox/fold1/test")
SETTINGS = TrainingSettings(
    image_size=32,
    batch_size=8,
    epochs=3,
    checkpoint="last",
    precision="bfloat16",
    network=NetworkSettings(architecture="resnet18", pretrained=None),
)


def output(base: Path) -> Path:
    return base / "results/phantom/experiment/ham/fold1"


def run(phantom: Path, base: Path, settings: TrainingSettings = SETTINGS, code: str = "code") -> None:
    torch.set_num_threads(1)
    train(Sources(phantom, LISTS), settings, output(base), {"ham.model.losses": code})


def resume_folder(output: Path) -> Path:
    return Resume.of_output(output).folder


def wait_until(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted."""
    base = tmp_path_factory.mktemp("whole")
    run(phantom, base)
    return base


def test_it_writes_what_the_contract_says(whole: Path) -> None:
    folder = output(whole)
    names = {path.name for path in (folder / "checkpoints").iterdir()}
    assert names == {f"{name}.safetensors" for name in ("last", "best-auc", "best-t-iou", "best-t-ior")}
    assert Card.read(folder / "model.safetensors").epoch == 3
    assert len(weights.load(folder / "model.safetensors")) > 100
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 3
    for name, column in (("auc", "auc"), ("t-iou", "t_iou"), ("t-ior", "t_ior")):
        values = history[f"validation_{column}"].tolist()
        epoch = max(number for number, value in enumerate(values, 1) if value == max(values))
        assert Card.read(folder / f"checkpoints/best-{name}.safetensors").epoch == epoch, name
    assert json.loads((folder / "run.json").read_text())["epochs"] == 3


@pytest.mark.parametrize("stopped_after", ["epoch 1", "epoch 2"])
def test_a_killed_training_ends_with_the_same_weights(
    phantom: Path, whole: Path, tmp_path: Path, stopped_after: str
) -> None:
    child = multiprocessing.get_context("spawn").Process(target=run, args=(phantom, tmp_path))
    child.start()
    state = resume_folder(output(tmp_path)) / "history.csv"
    wanted = int(stopped_after.split()[1]) + 1
    wait_until(lambda: state.exists() and len(state.read_text().splitlines()) >= wanted, stopped_after)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    assert not output(tmp_path).exists() or not (output(tmp_path) / "model.safetensors").exists()
    run(phantom, tmp_path)
    one, other = (weights.load(output(base) / "model.safetensors") for base in (whole, tmp_path))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_training_is_not_repeated(phantom: Path, whole: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = (output(whole) / "model.safetensors").read_bytes()
    history = (output(whole) / "history.csv").read_bytes()
    (output(whole) / "model.safetensors").unlink()
    with caplog.at_level(logging.INFO, "ham"):
        run(phantom, whole)
    assert "already trained" in caplog.text
    assert "epoch 1 of" not in caplog.text
    assert (output(whole) / "model.safetensors").read_bytes() == before
    assert (output(whole) / "history.csv").read_bytes() == history


@pytest.mark.parametrize("change", ["settings", "code"])
def test_state_of_another_run_is_not_continued(
    phantom: Path, tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    short = SETTINGS.model_copy(update={"epochs": 1})
    run(phantom, tmp_path, short)
    with caplog.at_level(logging.INFO, "ham"):
        if change == "settings":
            run(phantom, tmp_path, short.model_copy(update={"seed": 1}))
        else:
            run(phantom, tmp_path, short, code="other")
    assert {"settings": "settings: training.seed 0 -> 1", "code": "code: ham.model.losses"}[change] in caplog.text
    assert "epoch 1 of 1" in caplog.text


def test_other_weights_in_the_file_to_start_from_are_another_training(
    phantom: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "resnet18.pth"
    network = SETTINGS.network.model_copy(update={"pretrained": str(file)})
    short = SETTINGS.model_copy(update={"epochs": 1, "network": network})
    for seed, said in ((0, "epoch 1 of 1"), (0, "already trained"), (1, "epoch 1 of 1")):
        torch.manual_seed(seed)
        torch.save(torchvision.models.resnet18().state_dict(), file)
        caplog.clear()
        with caplog.at_level(logging.INFO, "ham"):
            run(phantom, tmp_path, short)
        assert said in caplog.text


def test_a_damaged_state_is_started_again(phantom: Path, whole: Path, tmp_path: Path) -> None:
    folder = resume_folder(output(tmp_path)) / "current"
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(b'{"form": 1, "epoch": 3')
    run(phantom, tmp_path)
    one, other = (weights.load(output(base) / "model.safetensors") for base in (whole, tmp_path))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_rate_that_explodes_within_one_step_is_one_sentence(phantom: Path, tmp_path: Path) -> None:
    """One batch an epoch: its loss is taken before the step, so the first to see what became of it is validation."""
    exploding = SETTINGS.optimizer.model_copy(update={"name": "sgd", "learning_rate": 1e30})
    settings = SETTINGS.model_copy(update={"batch_size": 64, "optimizer": exploding, "precision": "float32"})
    said = r"nan of validation images.* after epoch 1: .* lower training\.optimizer\.learning_rate \(now 1e\+30\)"
    with pytest.raises(DataError, match=said):
        run(phantom, tmp_path, settings)


def test_a_second_training_of_the_same_split_waits_for_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "POLL", 0.01)
    entered = threading.Event()

    def second() -> None:
        with Resume(tmp_path).locked():
            entered.set()

    with caplog.at_level(logging.INFO, "ham"):
        with Resume(tmp_path).locked():
            waiting = threading.Thread(target=second)
            waiting.start()
            assert not entered.wait(0.3)
            with pytest.raises(
                ResumeError, match=r"in use by another training \(host .*, process \d+\); wait for it or"
            ):
                Resume(tmp_path).locked(wait=False).__enter__()
        assert entered.wait(60)
    waiting.join()
    said = (
        f"{tmp_path} is in use by another training (host {socket.gethostname()}, process {os.getpid()}): waiting for it"
    )
    assert caplog.text.count(said) == 1


def run_as_job(phantom: Path, base: Path) -> None:
    """A training under the frame of a job, with a loader process; in a process group of its own."""
    os.setsid()
    snakemake = SimpleNamespace(log=[base / "train.log"], rule="train", wildcards={}, output=[])
    with job(snakemake):
        train(Sources(phantom, LISTS), SETTINGS, output(base), {"ham.model.losses": "code"}, threads=2)


def test_a_training_that_is_asked_to_end_says_from_where_it_goes_on(phantom: Path, tmp_path: Path) -> None:
    """As a scheduler asks: SIGTERM to all processes of the job, twice."""
    child = multiprocessing.get_context("spawn").Process(target=run_as_job, args=(phantom, tmp_path))
    child.start()
    folder = resume_folder(output(tmp_path))
    wait_until(lambda: (folder / "history.csv").exists(), "the first epoch")
    for _ in range(2):
        os.killpg(child.pid or 0, signal.SIGTERM)
    child.join()
    epoch = json.loads((folder / "current/state.json").read_text())["epoch"]
    assert child.exitcode == 143
    text = (tmp_path / "train.log").read_text()
    assert text.endswith(f" ERROR stopped by SIGTERM; the same command goes on after epoch {epoch} of 3\n")
    assert "Traceback" not in text
