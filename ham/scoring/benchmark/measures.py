"""What the benchmark measures of a map and a pair: overlap at every cut, the pointing game, boxes, pixels.

All are arrays a pair, from which every score and its interval follows; a map is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ham.boxes import Box
from ham.model.metrics import overlap_of_areas
from ham.scoring.cuts import CUTS

BINS = 100  # of pixels by their value, for PxAP
EIGHT = np.ones((3, 3), dtype=int)  # pixels that touch at a corner hang together, as in OpenCV's contours


@dataclass(frozen=True)
class Measured:
    """Of P pairs and K cuts, ascending; a missing map predicts nothing and points nowhere.

    ``iou``, ``ior``, ``box_iou`` float64 [P, K]: of regions, and of the boxes around their parts, the best of them;
    ``area`` int64 [P, K] of regions; ``pointing`` float64 [P]: share of the map's highest pixels that are in the mask;
    ``pixels`` int32 [P, 2, BINS]: pixels outside and inside the mask by the map's value; ``missing`` bool [P].
    """

    cuts: np.ndarray
    published: int  # which cut is
    iou: np.ndarray
    ior: np.ndarray
    box_iou: np.ndarray
    area: np.ndarray
    pointing: np.ndarray
    pixels: np.ndarray
    missing: np.ndarray
    rule: str = "published"  # what the published cut is called

    @classmethod
    def empty(cls, pairs: int, published: float, rule: str = "published") -> Measured:
        """For ``pairs`` that are all missing so far."""
        cuts = np.array(sorted({*CUTS, published}))
        of_cuts = (pairs, len(cuts))
        return cls(
            cuts, int(np.searchsorted(cuts, published)), np.zeros(of_cuts), np.zeros(of_cuts), np.zeros(of_cuts),
            np.zeros(of_cuts, dtype=np.int64), np.zeros(pairs), np.zeros((pairs, 2, BINS), dtype=np.int32),
            np.ones(pairs, dtype=bool), rule,
        )  # fmt: skip

    def measure(self, row: int, scaled: np.ndarray | None, mask: np.ndarray, boxes: Sequence[Box]) -> None:
        """Fill the row of a pair: its map [S, S] in [0, 1], its ``mask`` bool [S, S], its ``boxes`` in pixels of S."""
        if scaled is None:
            self.pixels[row, :, 0] = (~mask).sum(), mask.sum()
            return
        self.missing[row] = False
        levels = self.cuts.astype(np.float32)
        reached = np.searchsorted(levels, scaled.ravel(), side="right")
        area, both = (_at_least(given, len(levels)) for given in (reached, reached[mask.ravel()]))
        found = overlap_of_areas(both, area, np.full(len(levels), int(mask.sum()), dtype=np.int64))
        self.iou[row], self.ior[row], self.area[row] = found.iou, found.ior, area
        self.box_iou[row] = best_box_ious(reached.reshape(scaled.shape), len(levels), boxes)
        self.pointing[row] = float(mask[scaled == scaled.max()].mean())
        binned = np.minimum((scaled * BINS).astype(int), BINS - 1)
        for inside, pixels in enumerate((~mask, mask)):
            self.pixels[row, inside] = np.bincount(binned[pixels], minlength=BINS)


def _at_least(reached: np.ndarray, cuts: int) -> np.ndarray:
    """Pixels int64 [K] at or above each cut, of the number of cuts that each pixel reaches."""
    counts = np.bincount(reached, minlength=cuts + 1)[1:]
    return counts[::-1].cumsum()[::-1]


def best_box_ious(reached: np.ndarray, cuts: int, boxes: Sequence[Box]) -> np.ndarray:
    """Best IoU float64 [K] of a box around a connected part of the region of each cut with one of ``boxes``; 0 where
    there is no region. ``reached`` [S, S]: how many cuts a pixel reaches."""
    out = np.zeros(cuts)
    true = np.array([[box.x0, box.y0, box.x1, box.y1] for box in boxes])
    left, top, shown = 0, 0, reached.astype(np.uint8)  # of higher cuts, whose regions lie in those of lower ones
    for cut in range(cuts):
        region = shown > cut
        rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
        if not len(rows) or not len(true):
            break
        inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        left, top, shown, region = left + int(columns[0]), top + int(rows[0]), shown[inside], region[inside]
        parts = ndimage.find_objects(ndimage.label(region, EIGHT)[0])
        hulls = np.array([[x.start, y.start, x.stop, y.stop] for y, x in parts], dtype=float)
        out[cut] = _ious(np.add(hulls, [left, top, left, top]), true).max()
    return out


def _ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU [A, B] of boxes [A, 4] and [B, 4], corners."""
    low, high = np.maximum(first[:, None, :2], second[None, :, :2]), np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    either = areas[0][:, None] + areas[1][None] - both
    return np.divide(both, either, out=np.zeros(both.shape), where=either > 0)


def pixel_average_precision(pixels: np.ndarray) -> np.ndarray:
    """PxAP float64 [N] of pixels [N, 2, BINS] outside and inside masks by value: precision at each value on times the
    gain in recall; nan where no pixel is inside."""
    outside, inside = (pixels[:, place, ::-1].astype(float).cumsum(axis=1) for place in (0, 1))
    called = outside + inside
    precision = np.divide(inside, called, out=np.zeros(called.shape), where=called > 0)
    gained = np.diff(inside, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = (precision * gained).sum(axis=1) / inside[:, -1]
    return found
