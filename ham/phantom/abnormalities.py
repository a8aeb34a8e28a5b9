"""Seven of the eight drawn findings as the thickness each adds to a chest (the eighth is a wide heart: anatomy.py).

Each function takes the chest, the side, the thickness of that lung's air and the image's random numbers, and returns
what is added (negative: taken away), int64 [SIDE, SIDE], and the share (0 to 256) of the vessels that vanish.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ham.phantom.anatomy import Chest
from ham.phantom.drawing import (
    MU,
    PIXEL,
    SIDE,
    SOLID,
    WHOLE,
    Array,
    NamedRandom,
    Strokes,
    ball,
    blurred,
    clouds,
    rise,
    rotation,
    xs,
    ys,
)

Change = tuple[Array, Array]


def spot(chest: Chest, side: int, draw: NamedRandom, reach_x: int, reach_y: int) -> tuple[int, int]:
    """A point with clear lung around it for ``reach_x`` by ``reach_y`` (sixteenths of a pixel), or nearly so."""
    clear = chest.clear(side)
    rows, columns = np.nonzero(clear)
    best, most = (0, 0), -1
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for _ in range(60):
        pick = draw.between(0, len(rows) - 1)
        x, y = int(columns[pick]), int(rows[pick])
        inside = 0
        for i, j in around:
            # corners of an ellipse, not of its rectangle
            part = 70 if i and j else 100
            column, row = x + i * reach_x * part // (100 * PIXEL), y + j * reach_y * part // (100 * PIXEL)
            inside += bool(0 <= row < SIDE and 0 <= column < SIDE and clear[row, column])
        if inside > most:
            best, most = (x * PIXEL, y * PIXEL), inside
        if most == len(around):
            break
    return best


def _nothing() -> Array:
    return np.zeros((SIDE, SIDE), dtype=np.int64)


def effusion(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """Fluid over the lung's base, its surface rising towards the wall."""
    level = chest.y(190 + chest.breath - draw.between(6, 78))
    climb = draw.between(12, 30) * PIXEL
    inner, outer = (int(border[level // PIXEL]) for border in (chest.inner[side], chest.outer[side]))
    across = (xs - inner) * side * WHOLE // max(abs(outer - inner), 1)
    surface = level - climb * ((across - 90) ** 2 // 256) // 108
    fluid = rise(ys - surface, 40) * chest.lung[side] // WHOLE
    return air * fluid // WHOLE * 9 // 10, fluid


def pneumothorax(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """Air between the chest wall and the retracted lung, whose edge is a fine line."""
    top = chest.apex[side] // PIXEL
    bottom = int(chest.dome[side].min()) // PIXEL + 14
    half = draw.between(30, 62)
    middle = draw.between(top + half - 26, max(bottom - half, top + half - 25))
    deep = chest.length(draw.between(16, 32))
    rows = np.arange(SIDE, dtype=np.int64)
    gap = deep * np.minimum(SOLID[np.minimum(((rows - middle) * 32 // half) ** 2, 1024)] * 5 // 4, WHOLE) // WHOLE
    gap = blurred(blurred(gap[None, :], 3), 3)[0]
    edge = chest.outer[side] - side * gap
    free = rise((xs - edge[:, None]) * side, 14) * chest.lung[side] // WHOLE
    line = Strokes()
    shown = (gap[:-1] > 3 * PIXEL // 2) & (rows[:-1] >= top + 1)
    for part in range(4):  # quarters of a row, as the edge's ends lie flat
        between = (edge[:-1] * (4 - part) + edge[1:] * part) // 4
        path = np.column_stack([between, ys[:-1, 0] + part * PIXEL // 4])
        line.add(path[shown], 22, 80 * MU // 100)
    beyond = line.drawn() * chest.lung[side] // WHOLE
    return beyond - free * (120 * MU // 100) // WHOLE, free


def atelectasis(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """A band of collapsed lung, tilted and slightly bent."""
    long, thick = chest.length(draw.between(17, 34)), chest.length(draw.between(9, 14)) // 2
    cosine, sine = rotation(draw.between(-16, 16))
    x, y = spot(chest, side, draw, long, thick)
    along = ((xs - x) * cosine + (ys - y) * sine) // WHOLE
    bend = along * along // (draw.between(150, 400) * PIXEL) * (1 - 2 * draw.between(0, 1))
    across = ((ys - y) * cosine - (xs - x) * sine) // WHOLE + bend
    band = rise(long - np.abs(along), 48) * rise(thick - np.abs(across), 24) // WHOLE * chest.lung[side] // WHOLE
    return band * (19 * MU // 10) // WHOLE, band // 2


def _disc(chest: Chest, side: int, draw: NamedRandom, reach: int, lobes: int, depth: int) -> Change:
    x, y = spot(chest, side, draw, reach, reach)
    disc = ball(x, y, reach, reach * draw.between(86, 114) // 100, draw.between(-30, 30))
    for _ in range(lobes):
        cosine, sine = rotation(draw.between(-60, 60))
        part = reach * draw.between(25, 45) // 100
        lobe = ball(x + cosine * part // WHOLE, y + sine * part // WHOLE, reach * 75 // 100, reach * 70 // 100)
        disc = np.maximum(disc, lobe)
    disc = np.minimum(disc * 5 // 4, WHOLE) * chest.lung[side] // WHOLE
    return disc * (depth * MU // 10) // WHOLE, _nothing()


def mass(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """A lobed disc of about 32 to 54 pixels."""
    return _disc(chest, side, draw, chest.length(draw.between(16, 27)), 2, 21)


def nodule(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """A disc of about 15 to 22 pixels."""
    return _disc(chest, side, draw, draw.between(15, 22) * PIXEL // 2, 0, 25)


def infiltration(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """Many small ill-defined patches within a part of the lung."""
    a, b = chest.length(draw.between(19, 34)), chest.length(draw.between(22, 42))
    x, y = spot(chest, side, draw, a, b)
    area = np.minimum(ball(x, y, a, b, draw.between(-10, 10)) * 3 // 2, WHOLE)
    patches = rise(clouds(draw, 5, 3) + 12, 80)
    share = area * patches // WHOLE * chest.lung[side] // WHOLE
    return share * (18 * MU // 10) // WHOLE, share // 2


def pneumonia(chest: Chest, side: int, air: Array, draw: NamedRandom) -> Change:
    """Soft consolidation, densest in its middle."""
    a, b = chest.length(draw.between(22, 38)), chest.length(draw.between(22, 40))
    x, y = spot(chest, side, draw, a * 3 // 4, b * 3 // 4)
    core = ball(x, y, a, b, draw.between(-20, 20))
    soft = core * core // WHOLE * (WHOLE + clouds(draw, 8, 4) // 2) // WHOLE * chest.lung[side] // WHOLE
    return soft * (21 * MU // 10) // WHOLE, soft // 2


DRAWN: dict[str, Callable[[Chest, int, Array, NamedRandom], Change]] = {
    "Atelectasis": atelectasis,
    "Effusion": effusion,
    "Infiltration": infiltration,
    "Mass": mass,
    "Nodule": nodule,
    "Pneumonia": pneumonia,
    "Pneumothorax": pneumothorax,
}
