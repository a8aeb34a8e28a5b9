"""Boxes: the one place that knows in which order and frame a box's numbers come.

The published release reads every box as x, y, w, h on a 1024 grid; fed with corner coordinates, or with images of
another size, it draws them in the wrong place. Here a box is one type with one frame, and outside orders are named at
the door.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A rectangle from (x0, y0) to (x1, y1), float, in pixels of the original image; x to the right, y down."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def from_xywh(cls, numbers: Sequence[float]) -> Box:
        """From left, top, width, height, as in NIH's BBox_List and the release's BBoxes.json."""
        x, y, w, h = (float(number) for number in numbers)
        return cls(x, y, x + w, y + h)

    @classmethod
    def from_corners(cls, numbers: Sequence[float]) -> Box:
        """From left, top, right, bottom, as in the authors' CheXpert boxes."""
        return cls(*(float(number) for number in numbers))

    def xywh(self) -> list[float]:
        """Left, top, width, height."""
        return [self.x0, self.y0, self.x1 - self.x0, self.y1 - self.y0]

    def pixels(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns covered in an image of ``width`` x ``height``: the release's int(y):int(y+h),
        int(x):int(x+w)."""
        x0, x1 = (min(max(int(x), 0), width) for x in (self.x0, self.x1))
        y0, y1 = (min(max(int(y), 0), height) for y in (self.y0, self.y1))
        return slice(y0, y1), slice(x0, x1)


def mask(boxes: Iterable[Box], width: int, height: int) -> np.ndarray:
    """Union of ``boxes`` as bool [height, width], in original pixels (method, section 3)."""
    out = np.zeros((height, width), dtype=bool)
    for box in boxes:
        out[box.pixels(width, height)] = True
    return out


def nearest(length: int, side: int) -> np.ndarray:
    """Source index of each of ``side`` samples along an axis of ``length``, as Pillow's nearest resampling picks
    them.

    Like Pillow, by adding up the step: where a sample falls between two pixels, the rounding of the sum decides.
    """
    steps = np.full(side, length / side)
    steps[0] *= 0.5
    return np.cumsum(steps).astype(np.int64).clip(max=length - 1)


def resized_mask(
    boxes: Iterable[Box],
    width: int,
    height: int,
    side: int,
    left: int = 0,
    top: int = 0,
    size: int | None = None,
) -> np.ndarray:
    """Union of ``boxes``, resized to ``side`` x ``side`` (nearest), cut to ``size`` at (left, top).

    bool [size, size]; equal to resizing the full mask with Pillow, in closed form: the mask is a union of rectangles,
    so each axis is sampled alone. ``width`` and ``height`` are the original image's, whose pixels the boxes are in.
    """
    size = side if size is None else size
    rows = nearest(height, side)[top : top + size]
    columns = nearest(width, side)[left : left + size]
    out = np.zeros((size, size), dtype=bool)
    for box in boxes:
        ys, xs = box.pixels(width, height)
        inside_y = slice(*np.searchsorted(rows, (ys.start, ys.stop)))
        inside_x = slice(*np.searchsorted(columns, (xs.start, xs.stop)))
        out[inside_y, inside_x] = True
    return out
