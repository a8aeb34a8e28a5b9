"""The best map of h x w cells that a search finds for a true region: an IoU that a map reaches, beside the one that no
map exceeds (:mod:`ham.scoring.ceilings`). What can be reached at best lies between the two.

The search starts from the distance to the region's edge, whose map has straight edges where they belong, and moves one
cell after another to where IoU is highest. With the other cells held, each pixel is predicted from one value of the
cell on: after one count the IoU of every value is known. One cell stays the map's largest, since the cut is a share of
it; several are tried where that matters. The IoU told is that of what ``predicted_regions`` makes of the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_cdt, map_coordinates
from torch.nn import functional as F

from ham.model.map_file import MapReader
from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import overlap
from ham.scoring.truth import Pair

PEAKS = 9  # cells tried as the map's largest, those deepest in the region or nearest to it
STEPS = 1000  # of a cell's value
LOWS = 4  # cells tried as the lowest, those farthest outside, where all cells lie near the region
SWEEPS = 6  # of all cells, at most
MARGIN = 2  # lines of cells beyond those that have a part in the region; farther ones are 0
AT_ONCE = 16  # maps resized together


def reached_ious(maps: MapReader, pairs: Sequence[Pair], masks: np.ndarray, rule: RegionRule) -> np.ndarray:
    """IoU float64 [P] of the best map found for each of ``masks``, bool [P, size, size], of the shape that the pair's
    own map has; nan where the truth has no pixel."""
    shapes = [maps.read(pair.image, pair.finding).shape for pair in pairs]
    out = np.full(len(pairs), math.nan)
    for shape in dict.fromkeys(shapes):
        own = [place for place, mask in enumerate(masks) if shapes[place] == shape and mask.any()]
        lines = lines_of(shape, rule.size)
        for start in range(0, len(own), AT_ONCE):
            places = own[start : start + AT_ONCE]
            found = np.stack([best_map(masks[place], lines, rule) for place in places])
            out[places] = overlap(predicted_regions(torch.from_numpy(found), *rule).numpy(), masks[places]).iou
    return out


class Lines(NamedTuple):
    """Along one side: what each pixel takes from each cell, ``weights`` float64 [size, n], the pixels that each cell
    has a part in, and where the cells lie, in pixels [n]."""

    weights: np.ndarray
    spans: list[slice]
    places: np.ndarray

    def cells_near(self, pixels: slice) -> slice:
        """Cells that have a part in ``pixels``, and :data:`MARGIN` more on either side."""
        near = [n for n, span in enumerate(self.spans) if span.start < pixels.stop and span.stop > pixels.start]
        return slice(max(near[0] - MARGIN, 0), min(near[-1] + 1 + MARGIN, len(self.spans)))

    def part(self, cells: slice) -> tuple[slice, Lines]:
        """Pixels that ``cells`` have a part in, and the lines of these alone."""
        spans = [span for span in self.spans[cells] if span.stop > span.start]
        first, last = min(span.start for span in spans), max(span.stop for span in spans)
        own = [slice(span.start - first, span.stop - first) for span in self.spans[cells]]
        return slice(first, last), Lines(self.weights[first:last, cells], own, self.places[cells] - first)


def lines_of(shape: tuple[int, ...], size: int) -> tuple[Lines, Lines]:
    """Rows and columns of maps of ``shape`` (h, w) that are resized to ``size`` x ``size``."""
    rows, columns = (_line(cells, size) for cells in shape)
    return rows, columns


def _line(cells: int, size: int) -> Lines:
    impulses = torch.eye(cells, dtype=torch.float64)[None]
    weights = F.interpolate(impulses, size=size, mode="linear", align_corners=True)[0].T.numpy()
    spans = []
    for line in weights.T:
        there = np.flatnonzero(line)
        spans.append(slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0))
    return Lines(weights, spans, np.linspace(0, size - 1, cells) if cells > 1 else np.zeros(1))


def best_map(mask: np.ndarray, lines: tuple[Lines, Lines], rule: RegionRule) -> np.ndarray:
    """A map float32 [h, w] whose region overlaps ``mask``, bool [size, size] with some pixel, as well as is found."""
    inside = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    cells = tuple(line.cells_near(slice(own[0], own[-1] + 1)) for line, own in zip(lines, inside, strict=True))
    (rows, down), (columns, across) = (line.part(own) for line, own in zip(lines, cells, strict=True))
    search = _Search(mask[rows, columns], (down, across), rule)
    search.others_are_zero = cells != tuple(slice(0, len(line.spans)) for line in lines)
    out = np.zeros([len(line.spans) for line in lines], dtype=np.float32)
    out[cells] = search.best()
    return out


class _Search:
    """Cells around a true region, and the pixels that they have a part in: ``mask`` bool [r, c]."""

    def __init__(self, mask: np.ndarray, lines: tuple[Lines, Lines], rule: RegionRule) -> None:
        self.mask, self.lines = mask, lines
        self.share = rule.threshold + math.log(rule.certainty / (1 - rule.certainty)) / rule.slope
        self.true = int(mask.sum())
        self.others_are_zero = True

    def best(self) -> np.ndarray:
        """The best map [h, w] of these cells, in 0 ... 1."""
        start = self._distance_map()
        deepest = np.argsort(-start, axis=None, kind="stable")
        # A cell's width from the edge, the height of a cell moves none
        peaks = deepest[: 1 if start.max() >= 1 else PEAKS]
        lows = deepest[::-1][: 1 if start.min() <= 0 or self.others_are_zero else LOWS]
        found = []
        for peak, low in product(peaks, lows):
            ends = {int(peak): 1.0} | ({} if self.others_are_zero else {int(low): 0.0})
            found.append(self._climb(np.clip(start, 0, 1), ends))
        return max(found, key=lambda one: one[0])[1]

    def _distance_map(self) -> np.ndarray:
        """The cut, and the distance to the edge in cells added to it inside, subtracted outside, so that a cell's width
        reaches 0 or 1 at least."""
        if self.mask.all():
            return np.ones([len(line.spans) for line in self.lines])
        inside, outside = (distance_transform_cdt(part) for part in (self.mask, ~self.mask))
        signed = np.where(self.mask, inside - 0.5, 0.5 - outside)
        places = np.meshgrid(*(line.places for line in self.lines), indexing="ij")
        width = max(float(np.diff(line.places).max(initial=1)) for line in self.lines)
        found = map_coordinates(signed, places, order=1, mode="nearest") / width
        return self.share + min(self.share, 1 - self.share) * found

    def _climb(self, cells: np.ndarray, ends: dict[int, float]) -> tuple[float, np.ndarray]:
        """IoU and cells of the best map that is found from ``cells``; the cells at ``ends`` stay as they are told."""
        np.put(cells, list(ends), list(ends.values()))
        best, best_iou = cells, -1.0
        for _ in range(SWEEPS):
            values = self.lines[0].weights @ cells @ self.lines[1].weights.T
            low = 0.0 if self.others_are_zero else float(values.min())
            cut = low + self.share * (float(values.max()) - low)
            region = values >= cut
            both, predicted = int((region & self.mask).sum()), int(region.sum())
            iou = both / (self.true + predicted - both)
            if iou <= best_iou:
                break
            best, best_iou = cells.copy(), iou
            self._sweep(cells, ends, values, cut, (both, predicted))
        return best_iou, best

    def _sweep(
        self, cells: np.ndarray, ends: dict[int, float], values: np.ndarray, cut: float, counts: tuple[int, int]
    ) -> None:
        """Move each cell but ``ends`` that has a part in a wrong pixel, and the pixels' ``values`` [r, c] with it."""
        down, across = self.lines
        for row, column in np.ndindex(cells.shape):
            own = down.spans[row], across.spans[column]
            part, mask = values[own], self.mask[own]
            if row * cells.shape[1] + column in ends or not ((part >= cut) != mask).any():
                continue
            weight = np.multiply.outer(down.weights[own[0], row], across.weights[own[1], column])
            turns = cells[row, column] + (cut - part) / weight
            value, counts = self._best_value(float(cells[row, column]), turns.ravel(), mask.ravel(), counts)
            part += weight * (value - cells[row, column])
            cells[row, column] = value

    def _best_value(
        self, now: float, turns: np.ndarray, mask: np.ndarray, counts: tuple[int, int]
    ) -> tuple[float, tuple[int, int]]:
        """The value in 0 ... 1 of a cell, of :data:`STEPS`, that gives the highest IoU, in the middle of those that do
        or 0, and the counts then.

        ``turns`` [N] is the value from which on a pixel is predicted, ``mask`` [N] whether it is true, ``counts`` the
        pixels predicted that are true, and all that are predicted, while the cell has the value ``now``.
        """
        before = turns <= now
        places = np.ceil(np.clip(turns, 0, 2) * STEPS).astype(np.intp)  # the first step from which on it is predicted
        all_turned, true_turned = (np.bincount(own, minlength=STEPS + 1)[: STEPS + 1] for own in (places, places[mask]))
        hits = counts[0] - int((before & mask).sum()) + np.cumsum(true_turned)
        predicted = counts[1] - int(before.sum()) + np.cumsum(all_turned)
        iou = hits / (self.true + predicted - hits)
        equal = np.flatnonzero(iou == iou.max())
        best = int(equal[len(equal) // 2]) if equal[0] else 0
        return best / STEPS, (int(hits[best]), int(predicted[best]))
