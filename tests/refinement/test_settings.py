from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ham.refinement.crf import kernel_of
from ham.refinement.settings import RefinementSettings


@pytest.mark.parametrize(
    ("side", "kernel"),
    [
        (1, (5, 2)),
        (44.9, (5, 2)),
        (45, (12, 5)),
        (69.9, (12, 5)),
        (70, (15, 6)),
        (140, (25, 11)),
        (210, (50, 13)),
        (379.9, (50, 13)),
        (380, (110, 26)),
        (1024, (110, 26)),
    ],
)
def test_kernels_are_the_published_ones(side: float, kernel: tuple[float, float]) -> None:
    chosen = kernel_of(side, RefinementSettings().kernels)
    assert (chosen.position, chosen.intensity) == kernel


def test_settings_survive_the_way_through_a_rule() -> None:
    settings = RefinementSettings(confidence=0.8)
    assert RefinementSettings.of(settings.plain()) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1.0},
        {"confidence": 0.5},
        {"confidence": "0.7"},
        {"iterations": 0},
        {"iteration": 5},
        {"kernels": []},
        {"kernels": [{"below": 45, "position": 5, "intensity": 2}]},
        {"kernels": [{"below": None, "position": 5, "intensity": 2}] * 2},
        {"kernels": [{"below": None, "position": 0, "intensity": 2}]},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RefinementSettings(**wrong)
