"""The same maps cut elsewhere: how much of a score is where the map was cut, and not what it shows.

The published rule cuts a normalised map at a place that was fixed before anything was scored. Others choose the cut on
boxes; here every place is tried, so that a reader sees what the choice is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ham.model.map_file import MapReader
from ham.model.maps import normalised_maps
from ham.model.metrics import overlap_of_areas
from ham.scoring.truth import Pair

CUTS = tuple(round(0.05 * place, 2) for place in range(1, 20))  # of a normalised map, ascending


def iou_at_cuts(maps: MapReader, pairs: Sequence[Pair], masks: np.ndarray, size: int) -> np.ndarray:
    """IoU float64 [P, K] of each pair's mask (``masks`` bool [P, size, size]) with its map cut at each of ``CUTS``.

    A pixel is predicted where the normalised map is at least the cut (method, section 1): one pass sorts pixels between
    the cuts, and the regions are counted from the highest down.
    """
    levels = np.array(CUTS, dtype=np.float32)
    out = np.zeros((len(pairs), len(CUTS)))
    for place, pair in enumerate(pairs):
        raw = torch.from_numpy(maps.read(pair.image, pair.finding))
        reached = np.searchsorted(levels, normalised_maps(raw[None], size)[0].numpy().ravel(), side="right")
        predicted, both = (_areas(given) for given in (reached, reached[masks[place].ravel()]))
        true = np.full(len(CUTS), int(masks[place].sum()), dtype=np.int64)
        out[place] = overlap_of_areas(both, predicted, true).iou
    return out


def _areas(reached: np.ndarray) -> np.ndarray:
    """Pixels int64 [K] at or above each cut, of the number of cuts that each pixel reaches."""
    counts = np.bincount(reached, minlength=len(CUTS) + 1)[1:]
    return counts[::-1].cumsum()[::-1]
