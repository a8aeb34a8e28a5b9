"""Numbers that were computed once: a change in code that is declared as silent, and moves one, is seen here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from frozen.chain import NUMBERS, run_chain


@pytest.fixture(scope="module")
def now(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_chain(phantom, tmp_path_factory.mktemp("frozen"))


# Trained numbers agree to one part in ten thousand between processors; scores are counted.
@pytest.mark.parametrize(
    ("part", "near"),
    [
        ("history", {"rel": 1e-3, "abs": 1e-4}),
        ("predictions", {"abs": 1e-3}),
        ("maps", {"rel": 5e-3, "abs": 2e-2}),
        ("scores", {"abs": 1e-9}),
    ],
)
def test_the_numbers_are_the_frozen_ones(now: dict[str, Any], part: str, near: dict[str, float]) -> None:
    frozen: dict[str, Any] = json.loads(NUMBERS.read_text())[part]
    assert list(now[part]) == list(frozen)
    for name, value in frozen.items():
        if value is None:
            assert now[part][name] is None, name
        else:
            assert now[part][name] == pytest.approx(value, **near), name
