"""What the benchmark compares: maps and boxes of anyone's method, and maps that never look at the image.

Each gives one map a pair, scaled to [0, 1] on the square that is scored, and where it is cut as published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
from torch.nn import functional as F

from ham.boxes import Box
from ham.datasets.dataset import Dataset
from ham.model.maps import RegionRule, normalised_maps
from ham.scoring import floors
from ham.scoring.benchmark.detections import hull
from ham.scoring.benchmark.maps import MapsDescription, OutsideMaps, names_of
from ham.scoring.benchmark.regions import OutsideRegions
from ham.scoring.truth import Pair, masks_of

ANY_SCORE = 1e-6  # of the highest score of an image: every box that is given
HALF = 0.5
PRIOR = "location prior"
PUBLISHED = RegionRule(0).cut  # of a map of 0 to 1


class Method(Protocol):
    """A row of the benchmark."""

    name: str
    floor: bool  # whether it never looks at the image
    cut: float  # of its maps, where it has not been chosen on boxes
    rule: str  # what that cut is called

    def scaled(self, pair: Pair) -> np.ndarray | None:
        """The map of a pair in [0, 1], float32 [S, S]; None where it is missing."""

    def looks_for(self, finding: str) -> bool:
        """Whether it has maps of this finding of the truth."""


class _Outside:
    """Anyone's ``results``; ``parts`` are the truth's findings and ours that say them."""

    floor = False

    def __init__(self, results: OutsideMaps | OutsideRegions, parts: Mapping[str, Sequence[str]], size: int) -> None:
        self.name, self._findings = results.description.method, results.findings
        self._parts, self._size = parts, size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def looks_for(self, finding: str) -> bool:
        """Whether it looks for this finding, or for one that says it."""
        return bool(self._own(finding))

    def _own(self, finding: str) -> list[str]:
        if finding in self._findings:
            return [finding]
        return [name for name in self._parts.get(finding, ()) if name in self._findings]


class OutsideMethod(_Outside):
    """Anyone's maps."""

    cut, rule = PUBLISHED, "published"

    def __init__(self, maps: OutsideMaps, parts: Mapping[str, Sequence[str]], size: int) -> None:
        super().__init__(maps, parts, size)
        self._maps = maps

    def __exit__(self, *_: object) -> None:
        self._maps.__exit__()

    def scaled(self, pair: Pair) -> np.ndarray | None:
        """Resized and scaled as published maps are; of several findings the highest raw value of each pixel."""
        found = [raw for name in self._own(pair.finding) if (raw := self._maps.read(pair.image, name)) is not None]
        if not found:
            return None
        maps = [torch.from_numpy(raw)[None] for raw in found]
        if len(maps) > 1:
            shape = (self._size, self._size)
            maps = [F.interpolate(raw[None], shape, mode="bilinear", align_corners=True)[0] for raw in maps]
        highest = torch.cat(maps).amax(dim=0, keepdim=True)
        scaled: np.ndarray = normalised_maps(highest, self._size)[0].numpy()
        return scaled

    def detections(self, pair: Pair, probability: float | None) -> list[tuple[Box, float]]:
        """The box around the region as published, in pixels of the square, with the finding's probability."""
        scaled = None if probability is None else self.scaled(pair)
        box = None if scaled is None else hull(scaled >= np.float32(self.cut))
        return [] if box is None or probability is None else [(box, probability)]


class OutsideDetector(_Outside):
    """Anyone's boxes or regions, as shares of the highest score in their image; all that are given are predicted."""

    cut, rule = ANY_SCORE, "every box"

    def __init__(
        self, regions: OutsideRegions, parts: Mapping[str, Sequence[str]], size: int, dataset: Dataset
    ) -> None:
        super().__init__(regions, parts, size)
        self._regions, self._dataset = regions, dataset

    def scaled(self, pair: Pair) -> np.ndarray | None:
        """0 where nothing is predicted: no box of a pair is no missing map, but one of an image without any is."""
        if not self._regions.images.intersection(names_of(pair.image)):
            return None
        size = self._dataset.size(pair.image)
        own = [self._regions.read(pair.image, name, size, self._size) for name in self._own(pair.finding)]
        painted: np.ndarray = np.max(own, axis=0)
        return painted / max(float(painted.max()), np.finfo(np.float32).tiny)

    def detections(self, pair: Pair, probability: float | None) -> list[tuple[Box, float]]:
        """The boxes that are given, in pixels of the square, with their scores; ``probability`` plays no part."""
        width, height = self._dataset.size(pair.image)
        across, down = self._size / width, self._size / height
        return [
            (Box(box.x0 * across, box.y0 * down, box.x1 * across, box.y1 * down), score)
            for name in self._own(pair.finding)
            for box, score in self._regions.boxes(pair.image, name)
        ]


class LocationPrior:
    """Where a finding's boxes lie in all other patients of the truth, cut where that does best on them."""

    name, floor, cut, rule = PRIOR, True, HALF, "best on other patients' boxes"

    def __init__(self, pairs: Sequence[Pair], size: int) -> None:
        self._size = size
        self._boxes: dict[str, floors.BoxPixels] = {}
        self._patients: dict[str, np.ndarray] = {}
        for finding in dict.fromkeys(pair.finding for pair in pairs):
            own = [pair for pair in pairs if pair.finding == finding]
            self._boxes[finding] = floors.BoxPixels(masks_of(own, floors.GRID))
            self._patients[finding] = np.array([pair.patient for pair in own])

    def looks_for(self, finding: str) -> bool:
        """Of every finding that anyone drew."""
        return finding in self._boxes

    def scaled(self, pair: Pair) -> np.ndarray:
        """The mean mask, spread so that its best cut is at a half: what is above stays above."""
        boxes, others = self._boxes[pair.finding], self._patients[pair.finding] != pair.patient
        if not others.any():
            return np.zeros((self._size, self._size), dtype=np.float32)
        mean = (boxes.total - boxes.masks[~others].sum(axis=0)) / others.sum()
        spread = mean / max(mean.max(), 1e-9) * HALF * 0.999 + HALF * boxes.best_cut(others)
        return floors.resized(spread.astype(np.float32), self._size)


class _Floor:
    floor = True

    def __init__(self, size: int) -> None:
        self._size = size

    def looks_for(self, finding: str) -> bool:
        """Of every finding."""
        return True


class RandomMap(_Floor):
    """Smooth noise, the same for a pair whenever it is scored, read as published maps are."""

    name, cut, rule = "random map", PUBLISHED, "published"

    def scaled(self, pair: Pair) -> np.ndarray:
        """As :func:`ham.scoring.floors.random_map`."""
        noise = torch.from_numpy(floors.smooth_noise(pair.image, pair.finding))
        scaled: np.ndarray = normalised_maps(noise[None], self._size)[0].numpy()
        return scaled


class WholeImage(_Floor):
    """Every pixel is predicted."""

    name, cut, rule = "whole image", HALF, "everything"

    def scaled(self, pair: Pair) -> np.ndarray:
        """1 everywhere."""
        return np.ones((self._size, self._size), dtype=np.float32)


class ImageCentre(_Floor):
    """A map that falls evenly from the middle of the image to its corners."""

    name, cut, rule = "image centre", HALF, "half"

    def scaled(self, pair: Pair) -> np.ndarray:
        """1 in the middle, 0 in the corners."""
        across = np.linspace(-1, 1, self._size)
        distance = np.hypot(*np.meshgrid(across, across)) / math.sqrt(2)
        return (1 - distance).astype(np.float32)


def make_floors(pairs: Sequence[Pair], size: int) -> list[Method]:
    """All maps that never look at the image, of the pairs of one truth."""
    return [LocationPrior(pairs, size), ImageCentre(size), RandomMap(size), WholeImage(size)]


def open_method(
    folder: Path, description: MapsDescription, parts: Mapping[str, Sequence[str]], size: int, dataset: Dataset
) -> OutsideMethod | OutsideDetector:
    """Anyone's method from its folder."""
    if description.kind == "boxes":
        return OutsideDetector(OutsideRegions(folder, description), parts, size, dataset)
    return OutsideMethod(OutsideMaps(folder, description), parts, size)
