"""Boxes and regions with a score, of anyone's detector: a CSV, or COCO results with ``bbox`` or run lengths.

They are read as maps: a pixel has the highest score of what covers it, in the whole image, and 0 where nothing does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as run_lengths

from ham.boxes import Box, nearest, resized_mask
from ham.datasets.description import explain_unsafe
from ham.datasets.sources.box_checks import are_numbers, four_numbers, read_json
from ham.datasets.sources.csv_text import LARGEST_TABLE
from ham.errors import DataError
from ham.scoring.benchmark.arrays import LARGEST
from ham.scoring.benchmark.maps import MapsDescription, names_of
from ham.scoring.benchmark.tables import read_rows

COLUMNS = ("image", "finding", "x", "y", "w", "h", "score")
REMEDY = "write it again as COCO's JSON"


class Region(NamedTuple):
    """A box in pixels of the original, or run lengths of the original's size; ``score`` above 0."""

    score: float
    box: Box | None
    rle: dict[str, Any] | None


class OutsideRegions:
    """Regions of a file by image and finding (our name)."""

    def __init__(self, folder: Path, description: MapsDescription) -> None:
        self.folder = folder
        self.description = description
        self._ours = description.ours
        path = folder / str(description.results)
        self._found: dict[tuple[str, str], list[Region]] = defaultdict(list)
        read = _read_csv(path) if path.suffix in (".csv", ".gz") else _read_coco(path, folder, description)
        for where, image, finding, region in read:
            if reason := explain_unsafe(image):
                raise DataError(f"{where}: the image name {image[:100]!r} {reason}.")
            if finding not in self._ours:
                raise DataError(f"{where}: {finding[:100]} is not among the findings of maps.yaml.")
            if not (math.isfinite(region.score) and region.score > 0):
                raise DataError(f"{where}: the score {region.score:g} is not above 0.")
            if ours := self._ours[finding]:
                self._found[image, ours].append(region)
        self.images = frozenset(image for image, _ in self._found)

    @property
    def findings(self) -> frozenset[str]:
        """Findings that are looked for, by our names."""
        return frozenset(name for name in self._ours.values() if name)

    def read(self, image: str, finding: str, size: tuple[int, int], side: int) -> np.ndarray:
        """Highest score of what covers each pixel of the whole image, resized by nearest: float32 [side, side].

        ``size`` is the image's width and height. An image and finding without regions gives 0 everywhere.
        """
        out = np.zeros((side, side), dtype=np.float32)
        for name in names_of(image):
            for region in self._found.get((name, finding), ()):
                covered = _mask(region, image, size, side)
                out[covered] = np.maximum(out[covered], np.float32(region.score))
        return out

    def boxes(self, image: str, finding: str) -> list[tuple[Box, float]]:
        """Boxes in pixels of the original and their scores; of a region the box around it."""
        found = [region for name in names_of(image) for region in self._found.get((name, finding), ())]
        return [(region.box or Box.from_xywh(run_lengths.toBbox(region.rle)), region.score) for region in found]


def _mask(region: Region, image: str, size: tuple[int, int], side: int) -> np.ndarray:
    width, height = size
    if region.box is not None:
        return resized_mask([region.box], width, height, side)
    rle = region.rle or {}
    if rle["size"] != [height, width]:
        raise DataError(f"a region of {image} has the size {rle['size']}, its image {[height, width]} (height, width).")
    try:
        whole = run_lengths.decode(rle).astype(bool)
    except (ValueError, TypeError, IndexError) as problem:
        raise DataError(f"a region of {image} has no run lengths that can be read ({problem}): {REMEDY}.") from None
    return whole[np.ix_(nearest(height, side), nearest(width, side))]


Read = Iterator[tuple[str, str, str, Region]]  # where it stands, image, finding, region


def _read_csv(path: Path) -> Read:
    for line, row in read_rows(path, COLUMNS):
        where = f"{path}, line {line}"
        numbers = four_numbers(where, [row[name] for name in "xywh"], "x, y, w, h")
        yield where, row["image"], row["finding"], Region(_score(where, row["score"]), Box.from_xywh(numbers), None)


def _read_coco(path: Path, folder: Path, description: MapsDescription) -> Read:
    results = read_json(path, LARGEST_TABLE, REMEDY)
    if not isinstance(results, list):
        raise DataError(f"{path} is no list of COCO results: {REMEDY}.")
    images, findings = _read_ids(folder, description)
    for number, entry in enumerate(results):
        where = f"{path}, result {number}"
        if not isinstance(entry, dict):
            raise DataError(f"{where} is no object: {REMEDY}.")
        image, finding = entry.get("image_id"), entry.get("category_id")
        if description.coco:
            image = images.get(str(image))
        if not isinstance(image, str):
            raise DataError(f"{where}: image_id is of no image: name the COCO file with its ids as coco: in maps.yaml.")
        name = findings.get(str(finding))
        if name is None:
            raise DataError(f"{where}: category_id {str(finding)[:100]} is of no finding of maps.yaml.")
        yield where, image, name, _read_region(where, entry)


def _read_ids(folder: Path, description: MapsDescription) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Images and findings by their ids as text; without a COCO file findings are counted from 1, or named."""
    if description.coco is None:
        counted = {str(number): name for number, name in enumerate(description.findings, 1)}
        return {}, counted | {name: name for name in description.findings}
    path = folder / description.coco
    read = read_json(path, LARGEST_TABLE, REMEDY)
    try:
        images = {str(entry["id"]): str(entry["file_name"]) for entry in read["images"]}
        return images, {str(entry["id"]): str(entry["name"]) for entry in read["categories"]}
    except (KeyError, TypeError):
        raise DataError(f"{path} has no images and categories with ids: {REMEDY}.") from None


def _read_region(where: str, entry: Mapping[str, Any]) -> Region:
    score = _score(where, entry.get("score"))
    mask = entry.get("segmentation")
    if mask is None:
        if not are_numbers(entry.get("bbox")):
            raise DataError(f"{where} has no segmentation and no bbox of four numbers: {REMEDY}.")
        return Region(score, Box.from_xywh(entry["bbox"]), None)
    size = mask.get("size") if isinstance(mask, dict) else None
    sides = isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    if not (isinstance(mask, dict) and isinstance(size, list) and sides and isinstance(mask.get("counts"), str)):
        raise DataError(f"{where} has a segmentation that is no compressed run lengths with its size: {REMEDY}.")
    if max(size) > 2 * LARGEST:
        raise DataError(f"{where} is of an image of {size[1]} x {size[0]}: up to {2 * LARGEST} a side can be read.")
    return Region(score, None, {"size": size, "counts": mask["counts"]})


def _score(where: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"{where}: {str(value)[:100]!r} is no score.") from None
