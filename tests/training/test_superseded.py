"""Nothing finished is trained twice or thrown away: states are set aside, come back, and go on."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ham.model import weights
from ham.settings import NetworkSettings
from ham.training.batches import Lists, Sources
from ham.training.run import train
from ham.training.settings import ScheduleSettings, TrainingSettings
from ham.training.state import Resume, State, read_state

LISTS = Lists("Main/fold1/train_0.5_0.8", "bbox/fold1/train_0.8", "Main/fold1/test_0_0.2", "bbox/fold1/test")
SETTINGS = TrainingSettings(
    image_size=32,
    batch_size=16,
    epochs=1,
    checkpoint="last",
    network=NetworkSettings(architecture="resnet18", pretrained=None),
)
CODE = {"ham.model.losses": "1"}


class Trainer:
    """Trains one split in ``base`` and notes which epochs were computed."""

    def __init__(self, phantom: Path, base: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.sources, self.caplog = Sources(phantom, LISTS), caplog
        self.output = base / "results/phantom/experiment/ham/fold1"
        self.resume = Resume.of_output(self.output)

    def __call__(self, epochs: int, code: dict[str, str] = CODE, **changes: object) -> list[int]:
        torch.set_num_threads(1)
        self.caplog.clear()
        with self.caplog.at_level(logging.INFO, "ham"):
            train(self.sources, SETTINGS.model_copy(update={"epochs": epochs, **changes}), self.output, code)
        said = (record.getMessage() for record in self.caplog.records)
        return [int(text.split()[1]) for text in said if text.startswith("epoch ") and "loss" in text]

    def model(self) -> dict[str, torch.Tensor]:
        return weights.load(self.output / "model.safetensors")

    def state(self) -> State:
        state = read_state(self.resume.current)
        assert state is not None
        return state


@pytest.fixture
def trainer(phantom: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Trainer:
    return Trainer(phantom, tmp_path, caplog)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_more_epochs_go_on_and_fewer_are_still_there(phantom: Path, trainer: Trainer, tmp_path: Path) -> None:
    assert trainer(1) == [1]
    assert trainer(2) == [2]
    second, history = trainer.model(), (trainer.output / "history.csv").read_text()
    assert trainer(3) == [3]
    assert not equal(trainer.model(), second)
    assert trainer(2) == []
    assert equal(trainer.model(), second)
    assert (trainer.output / "history.csv").read_text() == history
    assert trainer(3) == []
    assert trainer(1) == []
    assert json.loads((trainer.output / "run.json").read_text())["epochs"] == 1
    # what went on from a finished state is what was never interrupted
    alone = Trainer(phantom, tmp_path / "alone", trainer.caplog)
    assert alone(2) == [1, 2]
    assert equal(alone.model(), second)


@pytest.mark.parametrize("change", ["code", "settings"])
def test_what_was_finished_comes_back_when_the_ingredients_do(trainer: Trainer, change: str) -> None:
    assert trainer(1) == [1]
    first = trainer.model()
    other = {"code": {"ham.model.losses": "2"}} if change == "code" else {"seed": 1}
    assert trainer(1, **other) == [1]  # type: ignore[arg-type]
    assert not equal(trainer.model(), first) or change == "code"
    assert trainer(1) == []
    assert "1 earlier state of this training in" in trainer.caplog.text
    assert equal(trainer.model(), first)
    assert trainer(1, **other) == []  # type: ignore[arg-type]


def test_a_module_that_moved_changes_nothing(trainer: Trainer) -> None:
    assert trainer(1) == [1]
    assert trainer(1, code={"ham.elsewhere.losses": "1"}) == []


def test_under_poly_other_epochs_are_another_training_and_that_is_said(trainer: Trainer) -> None:
    poly = {"schedule": ScheduleSettings(name="poly")}
    assert trainer(1, **poly) == [1]  # type: ignore[arg-type]
    assert not trainer.resume.optimizer(trainer.state()).exists()  # nothing could go on with it
    assert trainer(2, **poly) == [1, 2]  # type: ignore[arg-type]
    assert "under schedule poly the learning rate depends on epochs" in trainer.caplog.text
    assert trainer(1, **poly) == []  # type: ignore[arg-type]


def test_without_the_optimizer_no_epoch_follows_and_that_is_said(trainer: Trainer) -> None:
    assert trainer(1, keep_optimizer=False) == [1]
    assert [path.name for path in trainer.resume.current.iterdir() if path.suffix == ".pt"] == []
    assert trainer(1) == []  # whether it is kept decides no weights
    assert trainer(2) == [1, 2]
    assert "without its optimizer" in trainer.caplog.text


def test_checkpoints_of_one_epoch_are_one_file(trainer: Trainer) -> None:
    trainer(1)
    (epoch,) = trainer.resume.current.glob("epoch-*.safetensors")
    outputs = [trainer.output / "model.safetensors", *(trainer.output / "checkpoints").iterdir()]
    assert len(outputs) == 5
    assert all(os.path.samefile(path, epoch) for path in outputs)
    trainer(3)
    state = trainer.state()
    kept = {path.name for path in trainer.resume.current.iterdir()}
    named = {f"epoch-{number}.safetensors" for number in {*state.checkpoints.values()}}
    assert kept == {"state.json", "optimizer-3.pt", *named}


def test_where_a_file_system_has_no_links_outputs_are_copies(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    trainer(1)
    model = trainer.output / "model.safetensors"
    assert model.stat().st_nlink == 1
    assert model.read_bytes() == trainer.resume.weights(1).read_bytes()


@pytest.mark.parametrize("file", ["epoch-1.safetensors", "state.json"])
def test_a_changed_file_of_a_finished_state_is_not_used(trainer: Trainer, file: str) -> None:
    trainer(1)
    whole = trainer.model()
    path = trainer.resume.current / file
    content = bytearray(path.read_bytes())
    path.unlink()  # its links keep the old content
    content[len(content) // 2] ^= 1
    path.write_bytes(content if file != "state.json" else content[:100])
    assert trainer(1) == [1]
    assert equal(trainer.model(), whole)


def test_a_damaged_state_does_not_take_the_whole_one_beside_it_along(trainer: Trainer) -> None:
    trainer(2)
    whole = trainer.model()
    wanted = trainer.state().ingredients
    more = replace(wanted, settings={**wanted.settings, "epochs": 3})
    assert trainer.resume.find(more) is not None  # killed before the third epoch: a copy of the finished state is aside
    path = trainer.resume.weights(2)
    path.unlink()
    path.write_bytes(b"damaged")
    assert trainer(2) == []
    assert equal(trainer.model(), whole)


def test_a_half_finished_state_of_other_settings_is_set_aside_too(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Resume.keep

    def stop(self: Resume, state: State) -> State:
        kept = keep(self, state)
        if state.epoch == 1:
            raise KeyboardInterrupt
        return kept

    monkeypatch.setattr(Resume, "keep", stop)
    with pytest.raises(KeyboardInterrupt):
        trainer(2)
    monkeypatch.setattr(Resume, "keep", keep)
    assert trainer(1, seed=1) == [1]
    assert trainer(2) == [2]
