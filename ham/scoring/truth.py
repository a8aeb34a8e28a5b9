"""The pairs that localization is scored on, and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ham.boxes import resized_mask
from ham.datasets.dataset import Dataset


class Pair(NamedTuple):
    """An image and a finding that has boxes in it."""

    image: str
    finding: str


def pairs(dataset: Dataset, images: Sequence[str]) -> list[Pair]:
    """Every (image, finding) with boxes, in the order of ``images`` and of the data set's findings."""
    return [
        Pair(image, finding)
        for image in images
        for finding in dataset.findings
        if finding in dataset.boxes.get(image, {})
    ]


def masks(dataset: Dataset, wanted: Sequence[Pair], size: int) -> np.ndarray:
    """Box masks of pairs, never refined: bool [P, size, size], the whole image resized to ``size`` by nearest."""
    out = np.zeros((len(wanted), size, size), dtype=bool)
    for row, (image, finding) in enumerate(wanted):
        out[row] = resized_mask(dataset.boxes[image][finding], *dataset.size(image), side=size)
    return out
