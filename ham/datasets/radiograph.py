"""One drawn chest radiograph: a patient's anatomy in a pose, with findings, on film.

Every structure is a thickness: what tissue adds to, or air takes from, the attenuation along the ray. Thicknesses are summed,
so that ribs and vessels show through a finding, and the sum goes through exp(-mu t) and a film's S-shaped curve once, at the end.
Left in the image is the patient's right (side -1), as on a real film.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ham.datasets.drawing import (
    FILM,
    HOLLOW,
    MU,
    PIXEL,
    SIDE,
    SOLID,
    WHOLE,
    XS,
    YS,
    Array,
    Draw,
    Strokes,
    ball,
    bezier,
    blurred,
    clouds,
    curve,
    rise,
    rotation,
)

SIDES = (-1, 1)
AIR = 29 * MU // 10  # what a lung's depth of air takes from the thickness of the chest


class Chest:
    """The anatomy of one patient in one pose.

    ``lung[side]`` is the share (0 to 256) of each pixel inside that lung, ``air[side]`` the thickness its air takes away,
    ``heart`` the share of the heart's depth; all int64 [SIDE, SIDE]. ``outer``, ``inner`` (by row) and ``dome`` (by column)
    are a lung's borders. ``heart_width`` is in percent of the patient's own.
    """

    def __init__(self, patient: str, image: str, heart_width: int = 100) -> None:
        self.patient, self.pose = Draw(patient), Draw(image + "-pose")
        draw, pose = self.patient, self.pose
        self.wide, self.tall = draw.between(92, 105), draw.between(94, 105)
        self.girth, self.female = draw.between(104, 134), draw.chance(45)
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
        from_wall = side * (self.outer[side][:, None] - XS)
        from_middle = side * (XS - self.inner[side][:, None])
        above = self.dome[side][None, :] - YS
        inside = np.minimum(np.minimum(from_wall, from_middle), YS - self.apex[side])
        self.lung[side] = rise(inside, 20) * rise(above, 18) // WHOLE
        # the chest is round: less air beside its wall; the apex lies behind less muscle, the base behind more tissue
        deep = 1024 - np.clip(1024 - np.maximum(from_wall, 0) * 1024 // (36 * PIXEL), 0, 1024) ** 2 // 1024
        down = np.clip((YS - self.apex[side]) * 70 // (150 * PIXEL), 0, 80)
        self.air[side] = self.lung[side] * (AIR * (620 + 404 * deep // 1024) // 1024 * (270 - down) // WHOLE) // WHOLE

    def _add_heart(self, width: int) -> None:
        own = self.patient.between(90, 108)
        low = self.breath // 2
        w = own * width // 100

        def part(side: int, x: int, y: int, a: int, b: int, tilt: int) -> Array:
            return ball(*self.at(side, x, y), self.length(a), self.length(b), tilt)

        grown = (w - 100) // 6
        ventricle = part(1, 24 + (w - 100) // 4, 152 + low, 47 * w // 100, 38 + grown, 12)
        atrium = part(-1, 8 + (w - 100) // 10, 150 + low, 25 * w // 100, 34 + grown, 0)
        root = part(1, 6, 116 + low, 24 + grown // 2, 34, 0)
        self.heart = np.maximum(np.maximum(ventricle, atrium), root * 7 // 8)
        self.body_of_heart = np.maximum(ventricle, atrium)
        knob = self.patient.between(9, 13)
        self.vessels_of_heart = np.maximum(part(1, 15, 80, knob, knob + 2, 0), part(1, 13, 104, 17, 18, 0) * 3 // 4)

    def above_diaphragm(self) -> Array:
        """Share of each pixel above both domes, 0 to 256."""
        right = XS < self.middle * PIXEL
        return rise(np.where(right, self.dome[-1][None, :], self.dome[1][None, :]) - YS, 18)

    def clear(self, side: int) -> Array:
        """bool [SIDE, SIDE]: lung that neither heart nor diaphragm covers."""
        return (self.lung[side] > 230) & (self.heart < 40) & (self.vessels_of_heart < 100)

    def soft_tissue(self) -> Array:
        """Thickness of trunk, neck, arms and breasts, before the lungs' air is taken away."""
        away = np.abs(XS - self.middle * PIXEL)[0]
        line = [(0, 8), (26, 15), (40, 27), (70, 36), (98, 45), (116, 56), (140, 74), (160, 110)]
        slope = self.patient.between(-3, 5)
        shoulder = curve([(p * PIXEL, self.y(h + slope)) for p, h in line], 5)[np.minimum(away // PIXEL, SIDE - 1)]
        under = np.maximum(YS - shoulder[None, :], 0)
        flank = curve([(self.y(0), 160), (self.y(70), 150), (self.y(96), self.girth + 8), (self.y(130), self.girth), (300 * PIXEL, self.girth + 6)], 5)
        beside = np.maximum(self.length(1) * flank[:, None] - away[None, :], 0)
        trunk = (52 + YS // (20 * PIXEL)) * MU // 10
        depth = trunk * _round(under, 34) // WHOLE * _round(beside, 26) // WHOLE
        neck = SOLID[np.minimum((away * 32 // self.length(33)) ** 2, 1024)][None, :]
        depth = np.maximum(depth, 42 * MU // 10 * neck // WHOLE * rise(40 * PIXEL - YS, 30 * PIXEL) // WHOLE)
        for side in SIDES:
            lean = curve([(self.y(50), self.girth + 4), (300 * PIXEL, self.girth + 30)], 2)
            middle = self.middle * PIXEL + side * self.length(1) * lean
            arm = SOLID[np.minimum(((XS - middle[:, None]) * 32 // self.length(21)) ** 2, 1024)]
            depth = np.maximum(depth, 33 * MU // 10 * arm // WHOLE * rise(YS - self.y(74), 20 * PIXEL) // WHOLE)
            if self.female:
                size = self.patient.between(36, 46)
                depth = depth + 7 * MU // 10 * ball(*self.at(side, 58, 150), self.length(size), self.length(size + 4)) // WHOLE
        return depth


def _round(distance: Array, reach: int) -> Array:
    """Share of the full depth at this distance from the skin: a quarter circle over ``reach`` pixels."""
    inward = np.minimum(distance * 32 // (reach * PIXEL), 32)
    return SOLID[(32 - inward) ** 2]


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
    clavicle = bezier(chest.at(side, 10, 58), chest.at(side, 42, 62), chest.at(side, 66, 38 - lift), chest.at(side, 106, 40 - lift), steps=60)
    girdle.add(clavicle, chest.length(4) + 8, 75 * MU // 100)
    joint = 112 + draw.between(0, 5)
    blade = bezier(chest.at(side, 98, 56), chest.at(side, 84, 66), chest.at(side, 86, 108), chest.at(side, 100, 132), steps=60)
    girdle.add(blade, chest.length(3), 42 * MU // 100)
    border = bezier(chest.at(side, 104, 66), chest.at(side, 108, 92), chest.at(side, 104, 116), chest.at(side, 100, 132), steps=48)
    girdle.add(border, chest.length(4), 50 * MU // 100)
    spine_of_scapula = bezier(chest.at(side, 88, 64), chest.at(side, 98, 58), chest.at(side, joint, 46), steps=30)
    girdle.add(spine_of_scapula, chest.length(4), 40 * MU // 100)
    head = np.array([chest.at(side, joint + 8, 60)], dtype=np.int64)
    girdle.add(head, chest.length(14), 80 * MU // 100)
    shaft = bezier(chest.at(side, joint + 11, 66), chest.at(side, joint + 16, 110), chest.at(side, joint + 26, 190), steps=60)
    girdle.add(shaft, chest.length(8), 90 * MU // 100)


def _spine(chest: Chest) -> Array:
    """Vertebral bodies as a column with a dark disc every fourteen pixels, pedicles beside its middle."""
    middle = chest.middle * PIXEL
    column = rise(chest.length(11) - np.abs(XS - middle), 40)
    height = (YS - chest.y(0)) * 64 // chest.length(15) % 64
    disc = rise(np.abs(height - 32) * 16 - 380, 90)
    out = 70 * MU // 100 * column // WHOLE * (WHOLE - disc // 3) // WHOLE
    pedicles = Strokes()
    rows = np.arange(17, dtype=np.int64)[:, None] * chest.length(15) + chest.y(0) + chest.length(15) // 3
    for x in (middle - chest.length(7), middle + chest.length(7), middle):
        spot = np.concatenate([np.full_like(rows, x), rows + (chest.length(5) if x == middle else 0)], axis=1)
        pedicles.add(spot, chest.length(3), 40 * MU // 100)
    return out + pedicles.drawn(HOLLOW)


def vessels(chest: Chest) -> Array:
    """Thickness of the vessels of both lungs, tapering from the hila."""
    tree = Strokes()
    for side in SIDES:
        for k in range(13):
            # from up (tilt) over outwards to down, denser towards the base
            cosine, sine = rotation(-52 + 8 * k + chest.patient.between(-3, 3))
            start = chest.at(side, 24 + chest.patient.between(-3, 5), 100 + k + (4 if side < 0 else 0))
            _branch(chest.patient, tree, start, (side * cosine, sine), 36 + 2 * (k > 7), 46 * PIXEL, 3)
    shade = tree.drawn()
    for side in SIDES:
        hilum = ball(*chest.at(side, 24, 106), chest.length(13), chest.length(22), -6 * side)
        shade = np.maximum(shade, hilum * hilum // WHOLE * 60 * MU // 100 // WHOLE)
    return shade * np.minimum(chest.lung[-1] + chest.lung[1], WHOLE) // WHOLE


def _branch(
    draw: Draw, tree: Strokes, start: tuple[int, int], way: tuple[int, int], radius: int, length: int, depth: int
) -> None:
    """A bent tube from ``start`` towards ``way``, and two thinner ones from its end."""
    bend = draw.between(-60, 60)
    middle = (start[0] + (way[0] * length - bend * way[1] * length // WHOLE) // 512, start[1] + (way[1] * length + bend * way[0] * length // WHOLE) // 512)
    end = (start[0] + way[0] * length // WHOLE, start[1] + way[1] * length // WHOLE)
    path = bezier(start, middle, end, steps=max(length // (PIXEL * 3 // 2), 2))
    taper = radius - np.arange(len(path), dtype=np.int64) * radius // (3 * len(path))
    tree.add(path, np.maximum(taper, 10), taper * MU // 55)
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
    tubes.add(bezier(chest.at(-1, shift, -10), chest.at(-1, shift, 40), chest.at(-1, shift + 1, 90), steps=60), chest.length(6), 85 * MU // 100)
    for side, x, y in ((-1, 26, 108), (1, 30, 112)):
        tubes.add(bezier(chest.at(-1, shift + 1, 88), chest.at(side, 8, 95), chest.at(side, x, y), steps=24), chest.length(4), 55 * MU // 100)
    bubble = ball(*chest.at(1, chest.patient.between(40, 58), 205 + chest.breath), chest.length(chest.patient.between(13, 24)), chest.length(10), chest.patient.between(-8, 8))
    size = 130 * MU // 100 * chest.pose.chance(75)
    return tubes.drawn() + bubble * size // WHOLE


def film(thickness: Array, grain: Draw) -> Array:
    """Grey values uint8 [SIDE, SIDE] of a thickness: detector blur, exposure, film curve, grain."""
    noisy = thickness + grain.field(-40, 40, (SIDE, SIDE)) + grain.field(-40, 40, (SIDE, SIDE))
    return FILM[np.clip(noisy // 4, 0, len(FILM) - 1)]


def radiograph(patient: str, image: str, findings: Sequence[str] = ()) -> tuple[Array, dict[str, list[int]]]:
    chest = Chest(patient, image, 100)
    thickness = chest.soft_tissue() - chest.air[-1] - chest.air[1]
    lungs = np.minimum(chest.lung[-1] + chest.lung[1], WHOLE)
    heart = np.maximum(chest.heart, chest.vessels_of_heart)
    filled = (chest.air[-1] + chest.air[1]) * np.minimum(heart * 3 // 2, WHOLE) // WHOLE * 4 // 5
    thickness += filled + heart * 30 * MU // 100 // WHOLE
    thickness += bones(chest) + vessels(chest) - airways(chest)
    draw = Draw(image)
    thickness += clouds(chest.patient, 6, 3) * (20 + lungs // 2) // 190 + clouds(chest.patient, 24, 12) * 3 // 4
    return film(thickness, draw), {}
