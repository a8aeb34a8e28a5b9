"""Maps that never look at the image: what any method has to beat before its numbers mean something.

``location-prior`` knows only where a finding's boxes usually lie, ``random-map`` is smooth noise, ``whole-image``
predicts every pixel. Each gives a region a pair, scored like the model's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import Overlap, overlap
from ham.scoring.truth import Pair, masks_of

GRID = 128  # side of the prior's grid; the table moves by less than 0.01 between 128 and 256
CUTS = np.arange(0.05, 1.0, 0.025)  # candidate cuts, as shares of the prior's maximum
NOISE = 16  # side of the random map before it is resized


def location_prior(tested: Sequence[Pair], trained: Sequence[Pair], size: int) -> Overlap:
    """Mean mask of each finding over the pairs ``trained`` on, cut where its mean IoU with them is highest.

    Without any (an experiment that uses no boxes) a pair's prior comes from the masks of all *other patients* tested.
    """
    result = np.zeros((4, len(tested)))
    for finding in dict.fromkeys(pair.finding for pair in tested):
        rows = [row for row, pair in enumerate(tested) if pair.finding == finding]
        own = [tested[row] for row in rows]
        known = [pair for pair in trained if pair.finding == finding]
        result[:, rows] = np.stack(overlap(_prior_regions(own, known, size), masks_of(own, size)))
    return _as_overlap(result)


def _prior_regions(tested: Sequence[Pair], known: Sequence[Pair], size: int) -> np.ndarray:
    """bool [P, size, size]: one region for all where there are training boxes, else one that leaves a patient out."""
    if known:
        everyone = BoxPixels(masks_of(known, GRID))
        return np.repeat(resized(everyone.best_cut(np.ones(len(known), dtype=bool)), size)[None], len(tested), axis=0)
    boxes = BoxPixels(masks_of(tested, GRID))
    patients = np.array([pair.patient for pair in tested])
    out = np.zeros((len(tested), size, size), dtype=bool)
    for patient in np.unique(patients):
        others = patients != patient
        if others.any():
            out[~others] = resized(boxes.best_cut(others), size)
    return out


class BoxPixels:
    """The pixels of masks bool [N, GRID, GRID]: a prior is made for every patient, so they are found once."""

    def __init__(self, masks: np.ndarray) -> None:
        self.masks = masks
        self.total = masks.sum(axis=0)
        self.owner, self.pixel = np.nonzero(masks.reshape(len(masks), -1))

    def best_cut(self, taken: np.ndarray) -> np.ndarray:
        """Region [GRID, GRID] of the mean of the masks that are ``taken``, bool [N], at the cut that has the highest
        mean IoU with them."""
        mean = (self.total - self.masks[~taken].sum(axis=0)) / taken.sum()
        level = np.searchsorted(CUTS * mean.max(), mean.ravel(), side="right")  # how many cuts a pixel reaches
        kept = taken[self.owner]
        levels = len(CUTS) + 1
        places = self.owner[kept] * levels + level[self.pixel[kept]]
        counts = np.bincount(places, minlength=len(taken) * levels).reshape(-1, levels)[taken]
        both = _at_least(counts)  # pixels of a mask that lie in the region of each cut
        either = _at_least(np.bincount(level, minlength=levels)[None]) + counts.sum(axis=1, keepdims=True) - both
        best = int((both / np.maximum(either, 1)).mean(axis=0).argmax())
        return (level > best).reshape(mean.shape)


def _at_least(counts: np.ndarray) -> np.ndarray:
    """Pixels that reach each cut, of the numbers [N, cuts + 1] of pixels that reach exactly so many."""
    return counts[:, :0:-1].cumsum(axis=1)[:, ::-1]


def resized(region: np.ndarray, size: int) -> np.ndarray:
    """An array of the prior's grid [GRID, GRID] on ``size`` x ``size`` pixels, each from the nearest."""
    index = (np.arange(size) * len(region)) // size
    return region[np.ix_(index, index)]


def random_map(tested: Sequence[Pair], truth: np.ndarray) -> Overlap:
    """Smooth noise, the same for a pair whenever it is scored, made into a region as published maps are.

    ``truth`` are the pairs' masks bool [P, S, S]; so for :func:`whole_image`.
    """
    rule = RegionRule(truth.shape[-1])

    def region(pair: Pair) -> np.ndarray:
        noise = smooth_noise(pair.image, pair.finding)
        return predicted_regions(torch.from_numpy(noise)[None], *rule)[0].numpy()

    return _measure_each(tested, truth, region)


def smooth_noise(image: str, finding: str) -> np.ndarray:
    """The raw random map float64 [NOISE, NOISE] of a finding in an image."""
    rng = np.random.RandomState(zlib.crc32(f"{image}/{finding}".encode()))
    return gaussian_filter(rng.standard_normal((NOISE, NOISE)), 2.0, mode="nearest")


def whole_image(tested: Sequence[Pair], truth: np.ndarray) -> Overlap:
    """Every pixel is predicted."""
    everything = np.ones(truth.shape[1:], dtype=bool)
    return _measure_each(tested, truth, lambda _: everything)


def _measure_each(tested: Sequence[Pair], truth: np.ndarray, region: Callable[[Pair], np.ndarray]) -> Overlap:
    result = np.zeros((4, len(tested)))
    for row, pair in enumerate(tested):
        result[:, row] = np.stack(overlap(region(pair)[None], truth[row : row + 1]))[:, 0]
    return _as_overlap(result)


def _as_overlap(rows: np.ndarray) -> Overlap:
    return Overlap(rows[0], rows[1], rows[2].astype(np.int64), rows[3].astype(np.int64))
