"""After an upgrade it is said what differs, and a training whose difference does not matter is taken over.

``training/released/ham-0.1.tar.xz`` is what ham 0.1 left of the first fold of ``settings.yaml`` (its own form of state,
cards and run.json, weights set to 0 to be small).
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ham import cli, dataset_fit, precedence, upgrade
from ham.config import Configuration
from ham.datasets.description import Description
from ham.errors import DataError, ResumeError
from ham.model import weights
from ham.refinement.masks import write_masks
from ham.runtime.stages import code_of
from ham.training.batches import Lists, Sources
from ham.training.run import train
from ham.training.state import Resume, State, read_state

RELEASED = Path(__file__).parent / "training/released"
FOLD = Path("results/phantom/localization-5fold/ham/fold1")


@pytest.fixture
def planned() -> tuple[Configuration, Description]:
    given = precedence.layers([RELEASED / "settings.yaml"], {})
    return dataset_fit.planned(precedence.composed(given), precedence.DESCRIPTIONS)


@pytest.fixture
def released(phantom: Path, tmp_path: Path) -> Path:
    """A folder with a data set, and a training of ham 0.1."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/Phantom").symlink_to(phantom)
    kept = Resume.of_output(tmp_path / FOLD).folder
    kept.mkdir(parents=True)
    with tarfile.open(RELEASED / "ham-0.1.tar.xz") as archive:
        archive.extractall(kept, filter="data")
    (tmp_path / FOLD).mkdir(parents=True)
    (kept / "run.json").replace(tmp_path / FOLD / "run.json")
    write_masks(tmp_path / "results/phantom/refined.npz", [])
    return tmp_path


def train_again(folder: Path, planned: tuple[Configuration, Description]) -> None:
    torch.set_num_threads(1)
    (first, _) = upgrade.runs_of(planned[0], folder)
    lists = {
        role: planned[0].define.experiments[first.experiment].list_of(role, "fold1") for role in upgrade.LIST_ROLES
    }
    train(
        Sources(folder / "datasets/Phantom", Lists(**lists), folder / "results/phantom/refined.npz"),  # type: ignore[arg-type]
        planned[0].training_settings(first.experiment, "ham"),
        first.output,
        code_of("train"),
    )


def edit_state(folder: Path, **changes: object) -> State:
    resume = Resume.of_output(folder / FOLD)
    state = read_state(resume.current)
    assert state is not None
    return resume.keep(replace(state, **changes))  # type: ignore[arg-type]


def test_a_training_of_ham_0_1_is_adopted_and_not_trained_again(
    released: Path, planned: tuple[Configuration, Description], caplog: pytest.LogCaptureFixture
) -> None:
    runs = upgrade.runs_of(planned[0], released)
    told = list(upgrade.explain(*planned, released, runs))
    assert told[0] == (
        "localization-5fold ham fold1: trained to epoch 2 by commit 445f621ec96d, with other ingredients:"
    )
    assert told[1:3] == [
        "  code: not recorded by the ham that trained it",
        "  data: not recorded by the ham that trained it",
    ]
    assert told[3:] == ["localization-5fold ham fold2: not trained yet"]
    lines = list(upgrade.adopt(*planned, released, runs))
    assert "adopted as trained by commit 445f621ec96d" in lines[1]
    with caplog.at_level("INFO", "ham"):
        train_again(released, planned)
    assert "already trained" in caplog.text
    assert "epoch 1 of" not in caplog.text
    run = json.loads((released / FOLD / "run.json").read_text())
    assert run["git"]["commit"].startswith("445f621")
    assert run["adopted"][0]["differences"] == [
        "code: not recorded by the ham that trained it",
        "data: not recorded by the ham that trained it",
    ]
    assert all(not value.any() for value in weights.load(released / FOLD / "model.safetensors").values())
    assert next(iter(upgrade.explain(*planned, released, runs))).endswith("trained, nothing differs")


def test_without_adopting_the_former_state_is_kept_aside(
    released: Path, planned: tuple[Configuration, Description]
) -> None:
    resume = Resume.of_output(released / FOLD)
    (first, _) = upgrade.runs_of(planned[0], released)
    with resume.locked():
        assert resume.find(upgrade.ingredients_wanted(*planned, released, first)) is None
    assert {path.name for path in resume.former.iterdir()} >= {"state.pt", "last.safetensors"}
    assert upgrade.kept_state(first) is not None  # and can still be adopted
    assert "adopted" in next(iter(upgrade.adopt(*planned, released, [first])))


def test_what_is_being_trained_is_not_adopted(released: Path, planned: tuple[Configuration, Description]) -> None:
    (first, _) = upgrade.runs_of(planned[0], released)
    with Resume.of_output(first.output).locked(), pytest.raises(ResumeError, match="in use by another training"):
        list(upgrade.adopt(*planned, released, [first]))


def test_each_difference_is_named(released: Path, planned: tuple[Configuration, Description]) -> None:
    runs = upgrade.runs_of(planned[0], released, [FOLD])
    list(upgrade.adopt(*planned, released, runs))
    state = edit_state(released)
    made = state.ingredients
    settings = {**made.settings, "seed": 7, "optimizer": {**made.settings["optimizer"], "learning_rate": 0.5}}
    data = {**made.data, "labels": "0" * 64, "list for train": "1" * 64}
    edit_state(released, ingredients=replace(made, settings=settings, code={**made.code, "ham.boxes": "f"}, data=data))
    told = list(upgrade.explain(*planned, released, runs))
    assert [line.strip() for line in told[1:]] == [
        "settings: training.seed 7 -> 0",
        "settings: training.optimizer.learning_rate 0.5 -> 0.001",
        "code: ham.boxes",
        "data: labels",
        "data: list for train",
    ]
    with pytest.raises(ResumeError, match=r"another training: settings: training\.seed 7 -> 0"):
        list(upgrade.adopt(*planned, released, runs))


def test_code_alone_is_adopted_and_said(released: Path, planned: tuple[Configuration, Description]) -> None:
    runs = upgrade.runs_of(planned[0], released, [FOLD / "model.safetensors"])
    list(upgrade.adopt(*planned, released, runs))
    made = edit_state(released).ingredients
    edit_state(released, ingredients=replace(made, code={**made.code, "ham.boxes": "f"}))
    (line,) = upgrade.adopt(*planned, released, runs)
    assert line.endswith("said not to matter: code: ham.boxes")
    assert [record["differences"] for record in edit_state(released).adopted][1] == ["code: ham.boxes"]
    assert list(upgrade.adopt(*planned, released, runs)) == [
        "localization-5fold ham fold1: nothing differs, nothing to adopt"
    ]


def test_a_target_of_no_training_is_one_sentence(released: Path, planned: tuple[Configuration, Description]) -> None:
    with pytest.raises(DataError, match="belongs to no training"):
        upgrade.runs_of(planned[0], released, [Path("results/nih")])


def test_the_verbs_say_it_at_the_terminal(released: Path) -> None:
    words = ["--configfile", str(RELEASED / "settings.yaml"), "--directory", str(released)]
    told = CliRunner().invoke(cli.app, ["why", str(FOLD), *words])
    assert told.exit_code == 0, told.output
    assert "with other ingredients" in told.output
    adopted = CliRunner().invoke(cli.app, ["adopt", str(FOLD), *words])
    assert "adopted as trained by commit" in adopted.output
    assert "nothing differs" in CliRunner().invoke(cli.app, ["why", str(FOLD), *words]).output
