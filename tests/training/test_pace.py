"""How long trainings take without a GPU: what is made of a measured step, by hand, and that one is measured."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ham.training import pace
from ham.training.pace import Planned, foretell
from ham.training.settings import TrainingSettings

SMALL: dict[str, Any] = {"image_size": 64, "epochs": 3, "network": {"architecture": "resnet18", "pretrained": None}}
LARGE = SMALL | {"image_size": 128, "epochs": 10}


def planned(name: str, values: dict[str, Any], images: int | None) -> Planned:
    return Planned(f"nih/{name}", TrainingSettings.of(values), images)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Half a second an image at 64 pixels, two at 128; the sides that were measured."""
    sides: list[int] = []

    def measured(settings: TrainingSettings, threads: int) -> float:
        sides.append(settings.image_size)
        return {64: 0.5, 128: 2.0}[settings.image_size]

    monkeypatch.setattr(pace, "_measured", measured)
    return sides


def test_the_longest_and_all_are_told(steps: list[int]) -> None:
    trainings = [planned("a", SMALL, 100), planned("b", SMALL, 200), planned("c", LARGE, 360)]
    told = foretell(trainings, cores=8, threads=4)
    assert told is not None
    # 360 x 10 x 2 s = 2 h; (100 + 200) x 3 x .5 s = 450 s more; two at a time, but none shorter than the longest
    assert "resnet18 at 128 pixels takes 2 s an image here (measured just now, threads: 4)" in told
    assert "; c, 360 images x 10 epochs, takes about 2.0 h; all 3 trainings, 2 at a time, about 2.0 h. config/" in told
    assert steps == [64, 128]  # each once


def test_one_after_another_where_cores_are_few(steps: list[int]) -> None:
    told = foretell([planned("a", SMALL, 1000), planned("b", SMALL, 1000)], cores=2, threads=4)
    assert told is not None
    assert "threads: 2" in told  # 1,000 x 3 x .5 s = 25 min each
    assert "takes about 25 min; all 2 trainings, 1 at a time, about 50 min." in told


def test_days_are_told_as_days(steps: list[int]) -> None:
    assert "takes about 20 days." in str(foretell([planned("a", LARGE, 86524)], cores=2, threads=2))  # 1,730,480 s


def test_before_the_lists_are_known_it_is_for_a_thousand_images(steps: list[int]) -> None:
    told = foretell([planned("a", SMALL, None), planned("b", SMALL, None)], cores=2, threads=2)
    assert "; a, each epoch of 1,000 images takes about 8 min." in str(told)  # 500 s


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_is_measured(threads: int) -> None:
    told = foretell([planned("a", SMALL, 10)], cores=2, threads=threads)
    if torch.cuda.is_available():
        assert told is None
    else:
        assert told is not None
        assert f"threads: {threads}" in told


def test_what_cannot_be_measured_is_not_told() -> None:
    assert pace._measured(TrainingSettings.of(SMALL).model_copy(update={"image_size": -1}), 1) is None
