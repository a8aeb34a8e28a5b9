"""Shapes in whole numbers: balls, tubes, curves and clouds as thicknesses, and the film that shows them.

Pixels made from these are the same on every machine: int64, floor division and tables built from whole numbers; random
numbers come from numpy's legacy stream, which is frozen.

Units: lengths and positions are sixteenths of a pixel (``PIXEL``), thicknesses 1/1024 of mu t (``MU``), shares 1/256 (``WHOLE``).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SIDE = 256
PIXEL = 16
MU = 1024
WHOLE = 256
MARGIN = 24  # pixels around the canvas of a stroke, so that its ends need no clipping
XS = (np.arange(SIDE, dtype=np.int64) * PIXEL + PIXEL // 2)[None, :]
YS = XS.T

Array = np.ndarray


class Draw:
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


def _film(centre: int) -> Array:
    """Grey value of a thickness of i/256, uint8 [2560]: 255 k / (k + exp(-i/256)) with k = exp(-centre/256).

    Film density follows x / (x + k) of the exposure x, shown inverted. exp(-1/256) is a Taylor sum in whole numbers.
    """
    one = 1 << 60
    step, term = one, one
    for power in range(1, 12):
        term = -term // (256 * power)
        step += term
    exposure = [one]
    for _ in range(2559):
        exposure.append(exposure[-1] * step >> 60)
    k = exposure[centre]
    return np.array([255 * k // (k + x) for x in exposure], dtype=np.uint8)


FILM = _film(3 * 256)
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
    dx, dy = XS - x, YS - y
    u = dx * cosine + dy * sine
    v = dy * cosine - dx * sine
    q = ((u // a) ** 2 + (v // b) ** 2) >> 6
    return SOLID[np.minimum(q, 1024)]


def curve(points: Sequence[tuple[int, int]], smooth: int = 6) -> Array:
    """Values at the 256 pixel centres of an axis through ``points`` (position, value), smoothed over 2 x ``smooth`` + 1 pixels twice."""
    at = XS[0]
    out = np.full(SIDE, points[0][1], dtype=np.int64)
    for (p0, v0), (p1, v1) in zip(points, points[1:], strict=False):
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


def clouds(draw: Draw, grain: int, reach: int) -> Array:
    """Smooth noise [SIDE, SIDE] in about -256 to 256, made of cells of ``grain`` pixels."""
    cells = SIDE // grain + 1
    out = draw.field(-WHOLE, WHOLE, (cells, cells)).repeat(grain, axis=0).repeat(grain, axis=1)[:SIDE, :SIDE]
    for _ in range(2):
        out = blurred(blurred(out, reach).T, reach).T
    return out


def bezier(*points: tuple[int, int], steps: int) -> Array:
    """Positions [steps + 1, 2] along the Bezier curve of the control points."""
    t = np.arange(steps + 1, dtype=np.int64)
    order = len(points) - 1
    out = np.zeros((steps + 1, 2), dtype=np.int64)
    for k, point in enumerate(points):
        out += (math.comb(order, k) * t**k * (steps - t) ** (order - k))[:, None] * np.array(point, dtype=np.int64)
    return out // steps**order


@dataclass
class Strokes:
    """Tubes collected point by point and drawn at once; where they cross, the thicker one counts."""

    points: list[Array] = field(default_factory=list)

    def add(self, path: Array, radius: Array | int, depth: Array | int) -> None:
        """A tube along ``path`` [n, 2]; radius and depth may vary along it."""
        columns = [np.broadcast_to(np.asarray(value, dtype=np.int64), len(path)) for value in (radius, depth)]
        self.points.append(np.column_stack([path, *columns]))

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
