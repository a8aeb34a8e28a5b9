"""Fixtures: result folders of splits, and the data set they are of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .fake_results import IMAGES, write_dataset, write_split


@pytest.fixture
def make_split(tmp_path: Path) -> Callable[..., Path]:
    """Writes results/phantom/<experiment>/<variant>/<split> and gives its folder."""

    def make(
        split: str = "fold1", variant: str = "ham", experiment: str = "localization-5fold", **options: Any
    ) -> Path:
        folder = tmp_path / "results" / options.get("dataset", "phantom") / experiment / variant / split
        return write_split(folder, options.pop("images", IMAGES), **options)

    return make


@pytest.fixture
def five_folds(make_split: Callable[..., Path]) -> list[Path]:
    """Five splits of localization-5fold."""
    return [make_split(f"fold{i}", seed=i) for i in range(1, 6)]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A data set folder with the images of the splits."""
    return write_dataset(tmp_path / "datasets" / "Phantom", IMAGES)
