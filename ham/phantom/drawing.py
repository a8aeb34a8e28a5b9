"""Shapes in whole numbers: balls, tubes, curves and clouds as thicknesses, and the film that shows them.

Pixels made from these are the same on every machine: int64, floor division and tables built from whole numbers;
random numbers come from numpy's legacy stream, which is frozen.

Units: lengths and positions are sixteenths of a pixel (``PIXEL``), thicknesses 1/1024 of mu t (``MU``), shares 1/256
(``WHOLE``).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import numpy as np

SIDE = 256
PIXEL = 16
MU = 1024
WHOLE = 256
MARGIN = 24  # pixels around the canvas of a stroke, so that its ends need no clipping
xs = (np.arange(SIDE, dtype=np.int64) * PIXEL + PIXEL // 2)[None, :]
ys = xs.T

Array = np.ndarray


class NamedRandom:
    """Whole random numbers that belong to a name."""

    def __init__(self, name: str) -> None:
        self.state = np.random.RandomState(zlib.crc32(name.encode()))

    def between(self, low: int, high: int) -> int:
        """A whole number, low <= n <= high."""
        return int(self.state.randint(low, high + 1, dtype=np.int64))

    def field(self, low: int, high: int, shape: tuple[int, int]) -> Array:
        """int64 ``shape``, each low <= n <= high."""
        return self.state.randint(low, high + 1, size=shape, dtype=np.int64)

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of a hundred draws."""
        return self.between(1, 100) <= percent

    def order(self, count: int) -> list[int]:
        """The numbers below ``count`` in random order (Fisher and Yates)."""
        out = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.between(0, last)
            out[last], out[other] = out[other], out[last]
        return out


def _film() -> Array:
    """Grey value of a thickness of i/128, uint8 [1536]: 255 k / (k + exp(-g t)), k = exp(-g 3.7), g = 11/16.

    Film density follows x / (x + k) of the exposure x, shown inverted; g is the film's contrast. The step's
    exponential is a Taylor sum in whole numbers.
    """
    one = 1 << 60
    step, term = one, one
    for power in range(1, 12):
        term = -term * 11 // (128 * 16 * power)
        step += term
    exposure = [one]
    for _ in range(1535):
        exposure.append(exposure[-1] * step >> 60)
    k = exposure[37 * 128 // 10]
    return np.array([255 * k // (k + x) for x in exposure], dtype=np.uint8)


FILM = _film()
# length of the ray within a ball, by squared distance from its middle (1024 = its edge); a hollow one is cortical bone
SOLID = np.array([math.isqrt((1024 - q) * 64) for q in range(1025)], dtype=np.int64)
HOLLOW = np.array([SOLID[q] - (5 * SOLID[2 * q] // 9 if q < 512 else 0) for q in range(1025)], dtype=np.int64)


def rise(distance: Array, width: int) -> Array:
    """0 to 256 as ``distance`` goes from -width to width, eased at both ends."""
    t = np.clip(distance + width, 0, 2 * width) * 64 // (2 * width)
    return t * t * (192 - 2 * t) >> 10


def rotation(tilt: int) -> tuple[int, int]:
    """256 times cosine and sine of twice the angle whose tangent is tilt/64: a rational point of the circle."""
    return 256 * (4096 - tilt * tilt) // (4096 + tilt * tilt), 256 * 128 * tilt // (4096 + tilt * tilt)


def ball(x: int, y: int, a: int, b: int, tilt: int = 0) -> Array:
    """Thickness share, 0 to 256, [SIDE, SIDE], of an ellipsoid at (x, y) with half axes a and b, turned by ``tilt``."""
    cosine, sine = rotation(tilt)
    dx, dy = xs - x, ys - y
    u = dx * cosine + dy * sine
    v = dy * cosine - dx * sine
    q = ((u // a) ** 2 + (v // b) ** 2) >> 6
    return SOLID[np.minimum(q, 1024)]


def curve(points: Sequence[tuple[int, int]], smooth: int = 6) -> Array:
    """Values at an axis' 256 pixel centres, through ``points`` (position, value), twice a mean over 2 x ``smooth`` +
    1 pixels.
    """
    at = xs[0]
    out = np.full(SIDE, points[0][1], dtype=np.int64)
    for (p0, v0), (p1, v1) in pairwise(points):
        part = (at >= p0) & (at < p1)
        out[part] = v0 + (at[part] - p0) * (v1 - v0) // max(p1 - p0, 1)
    out[at >= points[-1][0]] = points[-1][1]
    for _ in range(2):
        out = blurred(out[None, :], smooth)[0]
    return out


def blurred(values: Array, reach: int) -> Array:
    """Mean over 2 x ``reach`` + 1 pixels along the last axis, borders repeated."""
    padded = np.pad(values, ((0, 0), (reach + 1, reach)), mode="edge").cumsum(axis=1)
    size = 2 * reach + 1
    return (padded[:, size:] - padded[:, :-size]) // size


def clouds(draw: NamedRandom, grain: int, reach: int) -> Array:
    """Smooth noise [SIDE, SIDE] in about -256 to 256, made of cells of ``grain`` pixels."""
    cells = SIDE // grain + 1
    out = draw.field(-WHOLE, WHOLE, (cells, cells)).repeat(grain, axis=0).repeat(grain, axis=1)[:SIDE, :SIDE]
    for _ in range(2):
        out = blurred(blurred(out, reach).T, reach).T
    return out


@cache
def _bernstein(order: int, steps: int) -> Array:
    t = np.arange(steps + 1, dtype=np.int64)
    return np.column_stack([math.comb(order, k) * t**k * (steps - t) ** (order - k) for k in range(order + 1)])


def bezier(*points: tuple[int, int], steps: int) -> Array:
    """Positions [steps + 1, 2] along the Bezier curve of the control points."""
    order = len(points) - 1
    return _bernstein(order, steps) @ np.array(points, dtype=np.int64) // steps**order


@dataclass
class Strokes:
    """Tubes collected point by point and drawn at once; where they cross, the thicker one counts."""

    points: list[Array] = field(default_factory=list)

    def add(self, path: Array, radius: Array | int, depth: Array | int) -> None:
        """A tube along ``path`` [n, 2]; radius and depth may vary along it."""
        rows = np.empty((len(path), 4), dtype=np.int64)
        rows[:, :2], rows[:, 2], rows[:, 3] = path, radius, depth
        self.points.append(rows)

    def drawn(self, profile: Array = SOLID) -> Array:
        """Thickness [SIDE, SIDE] of all tubes with this cross-section."""
        canvas = np.zeros((SIDE + 2 * MARGIN) ** 2, dtype=np.int64)
        table = np.concatenate(self.points) if self.points else np.zeros((0, 4), dtype=np.int64)
        reaches = table[:, 2] // PIXEL + 1
        for reach in np.unique(reaches):
            x, y, radius, depth = (column[:, None] for column in table[reaches == reach].T)
            steps = np.arange(-reach, reach + 1, dtype=np.int64)
            px, py = (np.clip(c // PIXEL, reach - MARGIN, SIDE + MARGIN - 1 - reach) + steps for c in (x, y))
            square_x, square_y = (((p * PIXEL + PIXEL // 2 - c) * 128 // radius) ** 2 for p, c in ((px, x), (py, y)))
            q = np.minimum((square_x[:, None, :] + square_y[:, :, None]) >> 4, 1024)
            index = ((py + MARGIN) * (SIDE + 2 * MARGIN))[:, :, None] + (px + MARGIN)[:, None, :]
            np.maximum.at(canvas, index.ravel(), (profile[q] * depth[:, :, None] >> 8).ravel())
        return canvas.reshape(SIDE + 2 * MARGIN, -1)[MARGIN:-MARGIN, MARGIN:-MARGIN]
