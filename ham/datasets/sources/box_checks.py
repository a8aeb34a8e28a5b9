"""Boxes as sources give them: whose they are, whether they are numbers, whether they stand there once."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ham.boxes import Box
from ham.datasets.dataset import BoxesByImage
from ham.datasets.description import Description
from ham.errors import DataError

LARGEST = 1e6  # pixels; no image is as wide
SMALLEST = 1.0  # pixels across; what is smaller covers nothing
ROUNDING = 1.0  # pixels that programs for drawing boxes round to either side
ONE_IMAGE = 1.001  # where shares of an image end, give or take their rounding


class GivenBox(NamedTuple):
    """A box as it stands in its file: ``numbers`` are left, top, then right, bottom or, unless ``corners``, width,
    height.
    """

    where: str
    image: str
    finding: str
    numbers: list[float]
    corners: bool

    @property
    def box(self) -> Box:
        """The same as a box, in the frame of the file."""
        return Box.from_corners(self.numbers) if self.corners else Box.from_xywh(self.numbers)


def check_owner(
    where: str, image: str, finding: str, description: Description, labels: pd.DataFrame, table: str
) -> None:
    """Raise DataError unless ``image`` stands in ``labels`` (called ``table``) with ``finding``, one that has boxes."""
    if finding not in description.boxed_findings:
        raise DataError(f"{where}: a box of {finding[:200]!r}, which is not among the description's boxed_findings")
    if image not in labels.index:
        raise DataError(f"{where}: a box for {image[:200]}, an image that {table} does not have")
    if labels.at[image, finding] != 1:
        raise DataError(f"{where}: a box of {finding} in {image}, which does not have that finding in {table}")


def four_numbers(where: str, fields: Sequence[str], order: str) -> list[float]:
    """The numbers of a box, in the ``order`` that the message names; DataError where they are none."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        numbers = []
    if not are_numbers(numbers):
        raise DataError(f"{where}: {', '.join(fields)[:200]} are not four numbers ({order})")
    return numbers


def are_numbers(values: Any) -> bool:
    """Whether ``values`` is a list of four finite numbers of a size that pixels may have."""
    return (
        isinstance(values, list)
        and len(values) == 4
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        and all(abs(value) < LARGEST for value in values)  # which nan is not
    )


def add_once(where: str, boxes: BoxesByImage, image: str, finding: str, box: list[float]) -> None:
    """Add ``box`` to ``boxes``; DataError where it stands there already."""
    found = boxes.setdefault(image, {}).setdefault(finding, [])
    if box in found:
        raise DataError(f"{where}: the same box of {finding} in {image} stands there twice")
    found.append(box)


def place_in_image(where: str, said: str, box: Box, size: tuple[int, int] | None, remedy: str) -> tuple[Box, float]:
    """``box`` cut at the edge of its image of ``size``, and by how many pixels it left it (0 where it did not).

    One policy for all boxes that people draw: what leaves its image is cut while more than half of it is inside, else
    DataError, which calls the box ``said`` and ends in ``remedy``. A box that is under a pixel wide or high is none. An
    image of unknown size (None: it is missing) has an edge on the left and on top only.
    """
    width, height = size or (math.inf, math.inf)
    inside = Box(max(box.x0, 0), max(box.y0, 0), min(box.x1, width), min(box.y1, height))
    if 2 * _area(inside) <= _area(box):
        image = f"the image of {width} x {height}" if size else "its image"
        raise DataError(f"{where}: {said} lies mostly outside {image}: {remedy}")
    _, _, wide, high = inside.xywh()
    if wide < SMALLEST or high < SMALLEST:
        raise DataError(
            f"{where}: {said} is {wide:.3g} x {high:.3g} pixels: under a pixel, it covers nothing of its image; "
            "correct it, or leave it out"
        )
    return inside, max(inside.x0 - box.x0, inside.y0 - box.y0, box.x1 - inside.x1, box.y1 - inside.y1)


def are_shares(boxes: Sequence[Box]) -> bool:
    """Whether all ``boxes`` of a file that have an area lie within 1 x 1: shares of the image, not pixels."""
    having = [box for box in boxes if _area(box) > 0]
    return bool(having) and all(min(box.x0, box.y0) >= 0 and max(box.x1, box.y1) <= ONE_IMAGE for box in having)


def refuse_other_frame(path: Path, left_by: Sequence[float], remedy: str) -> None:
    """Raise DataError where more than a third of a file's boxes leave their images by more than a pixel.

    ``left_by``: by how many pixels each does. Each could be cut alone; so many are in another order or frame.
    """
    leaving = sum(pixels > ROUNDING for pixels in left_by)
    if 3 * leaving > len(left_by):
        raise DataError(
            f"{path}: {leaving} of {len(left_by)} boxes are not inside their images, by more than a pixel: {remedy}"
        )


def _area(box: Box) -> float:
    return max(box.x1 - box.x0, 0) * max(box.y1 - box.y0, 0)


def read_json(path: Path, largest: int, remedy: str) -> Any:
    """A JSON file from elsewhere, with a byte order mark or without; DataError, which ends in ``remedy``, for none.

    Nor for one of more than ``largest`` bytes, or with a key twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands there twice")
        return dict(pairs)

    try:
        if path.stat().st_size > largest:
            raise DataError(f"{path} has more than {largest >> 20} MiB: it is no file of boxes")
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=once)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}): {remedy}") from None
