"""One drawn chest radiograph: a patient's anatomy in a pose, with findings, on film.

Every structure is a thickness: what tissue adds to, or air takes from, the attenuation along the ray. Thicknesses are
summed, so that ribs and vessels show through a finding, and the sum goes through exp(-mu t) and a film's S-shaped
curve once, at the end. Left in the image is the patient's right (side -1), as on a real film.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ham.phantom.abnormalities import DRAWN
from ham.phantom.anatomy import SIDES, Chest, airways, bones, vessels
from ham.phantom.drawing import FILM, MU, SIDE, WHOLE, Array, NamedRandom, clouds, ys

FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")


def film(thickness: Array, grain: NamedRandom) -> Array:
    """Grey values uint8 [SIDE, SIDE] of a thickness: grain, exposure and film curve."""
    noisy = thickness + grain.field(-40, 40, (SIDE, SIDE)) + grain.field(-40, 40, (SIDE, SIDE))
    return FILM[np.clip(noisy // 8, 0, len(FILM) - 1)]


def radiograph(patient: str, image: str, findings: Sequence[str] = ()) -> tuple[Array, dict[str, list[int]]]:
    """Grey values uint8 [SIDE, SIDE] of an image with ``findings``, and the box x, y, w, h (pixels) of each.

    The anatomy comes from the name ``patient``; pose, findings and grain from the name ``image``. Two findings lie in
    different lungs; Cardiomegaly, in the middle, may go with any.
    """
    draw = NamedRandom(image)
    chest = Chest(patient, image, draw.between(128, 148) if "Cardiomegaly" in findings else 100)
    body = chest.soft_tissue()
    air = {side: np.minimum(chest.air[side], body * 6 // 10) for side in SIDES}
    for side in SIDES:
        air[side] -= air[side] * np.minimum(chest.heart * 3 // 2, WHOLE) // WHOLE * 3 // 4
    lungs = np.minimum(chest.lung[-1] + chest.lung[1], WHOLE)
    thickness = body - air[-1] - air[1] + chest.heart * 40 * MU // 100 // WHOLE
    thickness += bones(chest) * np.minimum(body * 128 // MU, WHOLE) // WHOLE - airways(chest)
    fine, coarse = _texture(patient)
    thickness += fine * (20 + lungs // 2) // 190 + coarse
    vascular = vessels(chest)
    boxes: dict[str, list[int]] = {}
    side = SIDES[draw.between(0, 1)]
    for finding in findings:
        if finding == "Cardiomegaly":
            boxes[finding] = extent((chest.heart > 30) & (ys >= chest.y(108)) & (ys <= chest.y(190)))
            continue
        change, collapsed = DRAWN[finding](chest, side, air[side], draw)
        vascular -= vascular * collapsed // WHOLE
        thickness += change
        boxes[finding] = extent(np.abs(change) > np.abs(change).max() * 3 // 10)
        side = -side
    grain = NamedRandom(f"{image}-grain")
    return film(thickness + vascular + grain.between(-180, 180), grain), boxes


@lru_cache(maxsize=1)  # a patient's images are drawn one after the other
def _texture(patient: str) -> tuple[Array, Array]:
    draw = NamedRandom(f"{patient}-texture")
    return clouds(draw, 6, 3), clouds(draw, 24, 12) * 3 // 4


def extent(mask: Array) -> list[int]:
    """Left, top, width, height of the true pixels of ``mask``."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]
