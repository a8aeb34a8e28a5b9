"""The anatomy of a drawn chest: lungs, heart and soft tissue, bones, vessels and airways as thicknesses.

Left in the image is the patient's right (side -1), as on a real film. Heights and offsets in the code are pixels of a
standard chest of 256 x 256, which patient and pose scale and shift.
"""

from __future__ import annotations

import numpy as np

from ham.phantom.drawing import (
    HOLLOW,
    MU,
    PIXEL,
    SIDE,
    SOLID,
    WHOLE,
    Array,
    NamedRandom,
    Strokes,
    ball,
    bezier,
    curve,
    rise,
    rotation,
    xs,
    ys,
)

SIDES = (-1, 1)
AIR = 32 * MU // 10  # what a lung's depth of air takes from the thickness of the chest


class Chest:
    """The anatomy of one patient in one pose.

    ``lung[side]`` is the share (0 to 256) of each pixel inside that lung, ``air[side]`` the thickness its air takes
    away, ``heart`` the share of the heart's depth; all int64 [SIDE, SIDE]. ``outer``, ``inner`` (by row) and ``dome``
    (by column) are a lung's borders. ``heart_width`` is in percent of the patient's own. What is the patient's comes
    from one stream in the order of the calls: lungs and heart, soft_tissue, bones, vessels, airways.
    """

    def __init__(self, patient: str, image: str, heart_width: int = 100) -> None:
        self.patient, self.pose = NamedRandom(patient), NamedRandom(image + "-pose")
        draw, pose = self.patient, self.pose
        self.wide, self.tall = draw.between(92, 105), draw.between(94, 105)
        self.girth, self.female = draw.between(108, 138), draw.chance(45)
        self.turn, self.breath = pose.between(-4, 4), pose.between(-7, 7)
        zoom = pose.between(93, 106)
        self.scale_x, self.scale_y = self.wide * zoom // 10, self.tall * zoom // 10
        self.middle, self.top = 128 + pose.between(-8, 8), pose.between(-7, 9)
        self.lung: dict[int, Array] = {}
        self.air: dict[int, Array] = {}
        self.outer: dict[int, Array] = {}
        self.inner: dict[int, Array] = {}
        self.dome: dict[int, Array] = {}
        self.apex: dict[int, int] = {}
        for side in SIDES:
            self._add_lung(side)
        self._add_heart(heart_width)

    def x(self, side: int, offset: int) -> int:
        """Position ``offset`` pixels of the standard chest to ``side`` of the midline, in sixteenths of a pixel."""
        width = 100 + side * self.turn  # a patient turned a little shows one lung wider
        return self.middle * PIXEL + side * offset * self.scale_x * width * PIXEL // 100_000

    def y(self, height: int) -> int:
        """Position of a height of the standard chest (0 top, 256 bottom of the image), in sixteenths of a pixel."""
        return (self.top + 8) * PIXEL // 2 + height * self.scale_y * PIXEL // 1000

    def at(self, side: int, offset: int, height: int) -> tuple[int, int]:
        """``x`` and ``y`` of a point of the standard chest."""
        return self.x(side, offset), self.y(height)

    def length(self, pixels: int) -> int:
        """A length of the standard chest, in sixteenths of a pixel, at least one."""
        return max(pixels * self.scale_x * PIXEL // 1000, 1)

    def _add_lung(self, side: int) -> None:
        draw = self.patient
        apex, base = 30 + draw.between(-3, 3), 176 + draw.between(-5, 5) + self.breath + (6 if side > 0 else 0)
        broad = draw.between(-3, 3)
        wall = [(0, 34), (2, 43), (6, 51), (14, 60), (28, 69), (50, 79), (80, 88), (112, 94), (150, 97), (220, 98)]
        hilum = [(0, 34), (2, 27), (6, 22), (16, 18), (34, 15), (60, 16), (90, 14), (220, 12)]
        self.apex[side] = self.y(apex)
        self.outer[side] = curve([(self.y(apex + h), self.x(side, w + broad)) for h, w in wall], 2)
        self.inner[side] = curve([(self.y(apex + h), self.x(side, w)) for h, w in hilum], 2)
        dome = [(0, 6), (12, 3), (40, 0), (66, 6), (84, 17), (96, 31), (112, 52)]
        points = sorted((self.x(side, w), self.y(base + drop)) for w, drop in dome)
        self.dome[side] = curve(points, 4)
        from_wall = side * (self.outer[side][:, None] - xs)
        from_middle = side * (xs - self.inner[side][:, None])
        above = self.dome[side][None, :] - ys
        inside = np.minimum(from_wall, ys - self.apex[side])
        self.lung[side] = rise(inside, 22) * rise(from_middle, 34) // WHOLE * rise(above, 20) // WHOLE
        # the chest is round: less air beside its wall; the apex lies behind less muscle, the base behind more tissue
        deep = 1024 - np.clip(1024 - np.maximum(from_wall, 0) * 1024 // (36 * PIXEL), 0, 1024) ** 2 // 1024
        down = np.clip((ys - self.apex[side]) * 70 // (150 * PIXEL), 0, 80)
        self.air[side] = self.lung[side] * (AIR * (620 + 404 * deep // 1024) // 1024 * (270 - down) // WHOLE) // WHOLE

    def _add_heart(self, width: int) -> None:
        """Heart and great vessels by their two borders; below the pulmonary trunk ``width`` percent wide."""
        own = self.patient.between(90, 106) * width // 100
        knob, low = self.patient.between(-2, 4), self.breath // 2
        right = [(64, 11), (92, 14), (112, 18), (124, 26), (140, 31), (156, 32), (174, 28), (192, 18)]
        left = [
            *((64, 10), (72, 16 + knob), (82, 22 + knob), (93, 17), (104, 23)),
            *((116, 29), (132, 39), (150, 51), (166, 58), (182, 57), (198, 46)),
        ]
        reach = np.zeros((2, SIDE), dtype=np.int64)
        for row, (side, border) in enumerate(((-1, right), (1, left))):
            points = []
            for height, offset in border:
                grown = 100 + (own - 100) * min(max(height - 100, 0), 32) // 32
                width_here = abs(self.x(side, offset * grown // 100) - self.middle * PIXEL)
                points.append((self.y(height + low * (height > 100)), width_here))
            reach[row] = curve(points, 3)
        away = xs - self.middle * PIXEL
        inside = np.where(away < 0, reach[0][:, None], reach[1][:, None]) - np.abs(away)
        ends = np.minimum(ys - self.y(62), self.y(202 + low) - ys)
        self.heart = _round(np.maximum(np.minimum(inside, ends), 0), 26) * rise(inside, 22) // WHOLE

    def above_diaphragm(self) -> Array:
        """Share of each pixel above both domes, 0 to 256."""
        right = xs < self.middle * PIXEL
        return rise(np.where(right, self.dome[-1][None, :], self.dome[1][None, :]) - ys, 18)

    def clear(self, side: int) -> Array:
        """bool [SIDE, SIDE]: lung that neither heart nor diaphragm covers."""
        return (self.lung[side] > 230) & (self.heart < 40)

    def soft_tissue(self) -> Array:
        """Thickness of trunk, neck, arms and breasts, before the lungs' air is taken away."""
        middle = self.middle * PIXEL
        away = np.abs(xs - middle)[0]
        line = [(0, -30), (24, -10), (32, 8), (44, 20), (70, 29), (100, 37), (126, 47), (150, 62), (170, 110)]
        slope = self.patient.between(-3, 5)
        mirrored = [(-1, *point) for point in line[:0:-1]] + [(1, *point) for point in line]
        shoulder = curve([(middle + side * p * PIXEL, self.y(h + slope)) for side, p, h in mirrored], 4)
        under = np.maximum(ys - shoulder[None, :], 0)
        sides = [(0, 160), (70, 150), (100, self.girth + 10), (140, self.girth), (300, self.girth + 6)]
        flank = curve([(self.y(h), self.length(w)) for h, w in sides], 5)
        beside = np.maximum(flank[:, None] - away[None, :], 0)
        trunk = 50 * MU // 10 + ys // 3
        depth = trunk * _round(under, 34) // WHOLE * _round(beside, 26) // WHOLE
        neck = _tube(away, self.length(33))[None, :]
        depth = np.maximum(depth, 40 * MU // 10 * neck // WHOLE * rise(40 * PIXEL - ys, 30 * PIXEL) // WHOLE)
        for side in SIDES:
            lean = curve([(self.y(50), self.length(self.girth + 8)), (self.y(300), self.length(self.girth + 26))], 2)
            arm = _tube(xs - middle - side * lean[:, None], self.length(21))
            depth = np.maximum(depth, 33 * MU // 10 * arm // WHOLE * rise(ys - self.y(74), 20 * PIXEL) // WHOLE)
            if self.female:
                size = self.patient.between(36, 46)
                breast = ball(*self.at(side, 58, 150), self.length(size), self.length(size + 4))
                depth = depth + 7 * MU // 10 * breast // WHOLE
        return depth


def _round(distance: Array, reach: int) -> Array:
    """Share of the full depth at this distance from the skin: a quarter circle over ``reach`` pixels."""
    inward = np.minimum(distance * 1024 // (reach * PIXEL), 1024)
    return SOLID[(1024 - inward) ** 2 >> 10]


def _tube(distance: Array, radius: int) -> Array:
    """Share of a tube's depth at this distance from its axis."""
    return SOLID[np.minimum(np.abs(distance) * 1024 // radius, 1024) ** 2 >> 10]


def bones(chest: Chest) -> Array:
    """Thickness of spine, ribs, clavicles, scapulae and upper arms."""
    lungs = chest.lung[-1] + chest.lung[1]
    back, front, girdle = Strokes(), Strokes(), Strokes()
    for side in SIDES:
        for rib in range(11):
            _add_rib(chest, side, rib, back, front)
        _add_girdle(chest, side, girdle)
    ribs = back.drawn(HOLLOW) + front.drawn(HOLLOW)
    fade = 70 + 186 * chest.above_diaphragm() // WHOLE
    ribs = ribs * fade // WHOLE * (150 + 106 * np.minimum(lungs, WHOLE) // WHOLE) // WHOLE
    return ribs + girdle.drawn(HOLLOW) + _spine(chest)


def _add_rib(chest: Chest, side: int, rib: int, back: Strokes, front: Strokes) -> None:
    head = 30 + 15 * rib + rib * rib // 12
    turn = head + 9 + 4 * rib
    reach = int(abs(chest.outer[side][min(max(chest.y(turn) // PIXEL, 0), SIDE - 1)] - chest.middle * PIXEL)) * 1000
    wide = reach // (chest.scale_x * PIXEL * (100 + side * chest.turn) // 100) + 2
    if rib == 0:
        wide -= 8
    width = chest.length(1) * (34 + min(rib, 5)) // 10
    steps = 48
    path = bezier(
        chest.at(side, 5, head), chest.at(side, wide * 6 // 10, head - 11), chest.at(side, wide + 1, head + 2),
        chest.at(side, wide, turn), steps=steps,
    )  # fmt: skip
    back.add(path, width, 62 * MU // 100)
    if rib > 8:
        return
    path = bezier(
        chest.at(side, wide, turn), chest.at(side, wide + 2, turn + 12), chest.at(side, wide * 8 // 10, turn + 25),
        chest.at(side, wide * 45 // 100, turn + 33 + rib), steps=36,
    )  # fmt: skip
    fading = np.minimum(np.arange(37, dtype=np.int64)[::-1] * 24, WHOLE)
    front.add(path, width + PIXEL // 2, 46 * MU // 100 * fading // WHOLE)


def _add_girdle(chest: Chest, side: int, girdle: Strokes) -> None:
    draw = chest.patient
    lift = draw.between(-4, 5)
    bend, end = chest.at(side, 66, 38 - lift), chest.at(side, 106, 40 - lift)
    clavicle = bezier(chest.at(side, 10, 58), chest.at(side, 42, 62), bend, end, steps=60)
    girdle.add(clavicle, chest.length(4) + 8, 75 * MU // 100)
    joint = 112 + draw.between(0, 5)
    blade = bezier(
        chest.at(side, 98, 56), chest.at(side, 84, 66), chest.at(side, 86, 108), chest.at(side, 100, 132), steps=60
    )
    girdle.add(blade, chest.length(3), 42 * MU // 100)
    border = bezier(
        chest.at(side, 104, 66), chest.at(side, 108, 92), chest.at(side, 104, 116), chest.at(side, 100, 132), steps=48
    )
    girdle.add(border, chest.length(4), 50 * MU // 100)
    spine_of_scapula = bezier(chest.at(side, 88, 64), chest.at(side, 98, 58), chest.at(side, joint, 46), steps=30)
    girdle.add(spine_of_scapula, chest.length(4), 40 * MU // 100)
    head = np.array([chest.at(side, joint + 8, 60)], dtype=np.int64)
    girdle.add(head, chest.length(14), 80 * MU // 100)
    shaft = bezier(
        chest.at(side, joint + 11, 66), chest.at(side, joint + 16, 110), chest.at(side, joint + 26, 190), steps=60
    )
    girdle.add(shaft, chest.length(8), 90 * MU // 100)


def _spine(chest: Chest) -> Array:
    """Vertebral bodies as a column with a dark disc every fourteen pixels, pedicles beside its middle."""
    middle = chest.middle * PIXEL
    column = rise(chest.length(11) - np.abs(xs - middle), 70)
    height = (ys - chest.y(0)) * 64 // chest.length(15) % 64
    disc = rise(np.abs(height - 32) * 16 - 380, 90)
    out = 45 * MU // 100 * column // WHOLE * (WHOLE - disc // 3) // WHOLE
    pedicles = Strokes()
    rows = np.arange(17, dtype=np.int64)[:, None] * chest.length(15) + chest.y(0) + chest.length(15) // 3
    for x in (middle - chest.length(7), middle + chest.length(7), middle):
        spot = np.concatenate([np.full_like(rows, x), rows + (chest.length(5) if x == middle else 0)], axis=1)
        pedicles.add(spot, chest.length(3), 28 * MU // 100)
    return out + pedicles.drawn(HOLLOW)


def vessels(chest: Chest) -> Array:
    """Thickness of the vessels of both lungs, tapering from the hila."""
    tree = Strokes()
    for side in SIDES:
        for k in range(9):
            cosine, sine = rotation(-50 + 12 * k + chest.patient.between(-5, 5))  # from up over outwards to down
            start = chest.at(side, 20 + chest.patient.between(-2, 7), 98 + 2 * k + chest.patient.between(0, 5))
            length = chest.patient.between(24, 44) * PIXEL
            _branch(chest.patient, tree, start, (side * cosine, sine), 30 + 4 * (k > 4), length, 3)
    shade = tree.drawn()
    for side in SIDES:
        hilum = ball(*chest.at(side, 24, 106), chest.length(13), chest.length(22), -6 * side)
        shade = np.maximum(shade, hilum * hilum // WHOLE * 60 * MU // 100 // WHOLE)
    uncovered = np.minimum(chest.lung[-1] + chest.lung[1], WHOLE) * (WHOLE - chest.heart * 3 // 4) // WHOLE
    return shade * uncovered // WHOLE


def _branch(
    draw: NamedRandom, tree: Strokes, start: tuple[int, int], way: tuple[int, int], radius: int, length: int, depth: int
) -> None:
    """A bent tube from ``start`` towards ``way``, and two thinner ones from its end."""
    bend = draw.between(-110, 110)
    middle = (
        start[0] + (way[0] - bend * way[1] // WHOLE) * length // (2 * WHOLE),
        start[1] + (way[1] + bend * way[0] // WHOLE) * length // (2 * WHOLE),
    )
    end = (start[0] + way[0] * length // WHOLE, start[1] + way[1] * length // WHOLE)
    path = bezier(start, middle, end, steps=max(length // (PIXEL * 3 // 2), 2))
    taper = radius - np.arange(len(path), dtype=np.int64) * radius // (3 * len(path))
    tree.add(path, np.maximum(taper, 9), taper * MU // 70)
    if not depth:
        return
    for turn in (-draw.between(6, 14), draw.between(6, 14)):
        cosine, sine = rotation(turn)
        turned = (way[0] * cosine - way[1] * sine) // WHOLE, (way[1] * cosine + way[0] * sine) // WHOLE
        _branch(draw, tree, end, turned, radius * 66 // 100, length * draw.between(60, 80) // 100, depth - 1)


def airways(chest: Chest) -> Array:
    """Thickness that trachea, main bronchi and the stomach's bubble take away."""
    tubes = Strokes()
    shift = chest.patient.between(-1, 3)
    trachea = bezier(chest.at(-1, shift, -10), chest.at(-1, shift, 40), chest.at(-1, shift + 1, 94), steps=60)
    fading = np.minimum(np.arange(61, dtype=np.int64)[::-1] * 12 + 20, WHOLE)
    tubes.add(trachea, chest.length(6), fading * 75 * MU // 100 // WHOLE)
    for side, x, y in ((-1, 26, 108), (1, 30, 112)):
        bronchus = bezier(chest.at(-1, shift + 1, 88), chest.at(side, 8, 95), chest.at(side, x, y), steps=24)
        tubes.add(bronchus, chest.length(4), 55 * MU // 100)
    draw = chest.patient
    place = chest.at(1, draw.between(40, 58), 205 + chest.breath)
    bubble = ball(*place, chest.length(draw.between(13, 24)), chest.length(10), draw.between(-8, 8))
    size = 130 * MU // 100 * chest.pose.chance(75)
    return tubes.drawn() + bubble * size // WHOLE
