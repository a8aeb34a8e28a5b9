"""Weights do not depend on who loads images, where an epoch was stopped, or how the work is divided."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import LISTS, SMALL

from ham.model import weights
from ham.training import run as run_module
from ham.training import step as step_module
from ham.training.batches import Sources
from ham.training.run import train
from ham.training.settings import OptimizerSettings, TrainingSettings

SETTINGS = SMALL.model_copy(update={"network": SMALL.network.model_copy(update={"batch_norm_images": 4})})
CODE = {"ham.model.losses": "code"}


def output(base: Path) -> Path:
    return base / "results/phantom/experiment/ham/fold1"


def run(
    phantom: Path, base: Path, settings: TrainingSettings = SETTINGS, processes: int = 1
) -> dict[str, torch.Tensor]:
    """The last weights of a training."""
    torch.set_num_threads(1)
    train(Sources(phantom, LISTS), settings, output(base), CODE, threads=processes, processes=processes)
    return weights.load(output(base) / "model.safetensors")


def run_saving_each_step(phantom: Path, base: Path, workers: int) -> None:
    step_module.READ_EVERY = 1
    run_module.loader_workers = lambda *_: workers  # type: ignore[assignment]
    run(phantom, base, SETTINGS.model_copy(update={"save_minutes": 1e-9}))


@pytest.fixture(scope="module")
def whole(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a training without loader processes that nothing interrupted."""
    return run(phantom, tmp_path_factory.mktemp("whole"))


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_loader_processes_changes_no_bit(
    phantom: Path, whole: dict[str, torch.Tensor], tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "loader_workers", lambda *_: workers)
    assert_same(run(phantom, tmp_path), whole)


@pytest.mark.parametrize(("epoch", "workers"), [(1, 0), (2, 2)])
def test_a_training_that_is_killed_inside_an_epoch_goes_on_inside_and_ends_with_the_same_bits(
    phantom: Path,
    whole: dict[str, torch.Tensor],
    tmp_path: Path,
    epoch: int,
    workers: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    child = multiprocessing.get_context("spawn").Process(target=run_saving_each_step, args=(phantom, tmp_path, workers))
    child.start()
    current = tmp_path / "results/.resume/phantom/experiment/ham/fold1/current"
    deadline = time.monotonic() + 300
    while not list(current.glob(f"inside-{epoch}-*.pt")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    with caplog.at_level(logging.INFO, "ham"):
        found = run(phantom, tmp_path)
    assert f"of epoch {epoch}" in caplog.text
    assert "going on after step" in caplog.text
    assert_same(found, whole)
    assert not list(current.glob("inside*"))


def test_a_damaged_state_inside_an_epoch_starts_the_epoch_again(
    phantom: Path, whole: dict[str, torch.Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    class StoppedError(Exception):
        pass

    steps = iter(range(2))
    real = step_module.train_step

    def stop_after_two(*given: Any) -> torch.Tensor:
        if next(steps, None) is None:
            raise StoppedError
        return real(*given)

    monkeypatch.setattr(step_module, "READ_EVERY", 1)
    monkeypatch.setattr(step_module, "train_step", stop_after_two)
    with pytest.raises(StoppedError):
        run(phantom, tmp_path, SETTINGS.model_copy(update={"save_minutes": 1e-9}))
    (inside,) = (tmp_path / "results/.resume/phantom/experiment/ham/fold1/current").glob("inside-1-*.pt")
    content = bytearray(inside.read_bytes())
    content[len(content) // 2] ^= 1
    inside.write_bytes(content)
    monkeypatch.undo()
    assert_same(run(phantom, tmp_path), whole)
    assert f"{inside} is damaged or was changed: its epoch starts again" in caplog.text


# Plain descent in small steps: the first steps of Adam are the signs of gradients, of which rounding decides the
# smallest, and the steep slopes of the maps blow rounding up a thousand times in a step of 0.01.
DIVIDED = SETTINGS.model_copy(
    update={"epochs": 1, "optimizer": OptimizerSettings(name="sgd", learning_rate=1e-4, weight_decay=1e-4)}
)


@pytest.fixture(scope="module")
def undivided(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a training by one process with whole batches."""
    return run(phantom, tmp_path_factory.mktemp("undivided"), DIVIDED)


def assert_close(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_two_processes_end_with_the_weights_of_one(
    phantom: Path, undivided: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    assert_close(run(phantom, tmp_path, DIVIDED, processes=2), undivided)


def test_two_processes_with_a_batch_in_parts_end_with_the_weights_of_one(phantom: Path, tmp_path: Path) -> None:
    network = DIVIDED.network.model_copy(update={"batch_norm_images": 2})
    optimizer = DIVIDED.optimizer.model_copy(
        update={"learning_rate": 1e-5}
    )  # statistics over two images: more rounding
    settings = DIVIDED.model_copy(update={"network": network, "optimizer": optimizer})
    whole = run(phantom, tmp_path / "whole", settings)
    assert_close(run(phantom, tmp_path / "parts", settings.model_copy(update={"accumulation": 2}), processes=2), whole)


def test_a_batch_in_parts_of_whole_groups_ends_with_the_weights_of_the_whole_batch(
    phantom: Path, undivided: dict[str, torch.Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_two = run(phantom, tmp_path / "two", DIVIDED.model_copy(update={"accumulation": 2}))
    assert "accumulation" not in caplog.text
    assert_close(in_two, undivided)
    in_four = run(phantom, tmp_path / "four", DIVIDED.model_copy(update={"accumulation": 4}))
    assert "finer than batch norm's groups of 4 images" in caplog.text
    name = "model.bn1.running_mean"
    assert not torch.allclose(in_four[name], undivided[name], rtol=1e-5, atol=1e-6)
