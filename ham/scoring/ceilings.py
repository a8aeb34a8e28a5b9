"""What no map of h x w cells can exceed: a bound on the IoU of a predicted region, proven, whatever the network.

A map's values lie on a grid of nodes, and between them its resize is bilinear. Be ``top`` the largest and ``bottom``
the smallest value of the nodes. Around the node of ``top`` the resized map is at least

    bottom + (top - bottom) (1 - |u|) (1 - |v|),        u, v the distances in cells, both below 1,

since the other corners of a cell are at least ``bottom``. The map is scaled by the extremes of its pixels, of which
the largest is at most ``top``, and the smallest at most bottom + (top - bottom) (1 - (1 - a)(1 - b)), a and b half a
pixel in cells, as a pixel lies as near to every node. A pixel is predicted from a share c of the way up on. So every
pixel with

    (1 - |u|) (1 - |v|) >= c + (1 - c) (1 - (1 - a)(1 - b))

around that node is predicted: the node's *kernel* K, some 0.7 cells large at the published cut, a quarter of that in a
corner of the image. A region that is not empty holds the kernel of some node; with the truth T its IoU is therefore at
most |T| / |T u K|, and at most the largest of these over all nodes. What can be reached may lie below the bound: it
says nothing of the region's shape beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ham.model.map_file import MapReader
from ham.model.maps import RegionRule
from ham.scoring.truth import Pair

MARGIN = 1e-5  # of the map's range: rounding of float32 in the resize


@dataclass(frozen=True)
class Kernels:
    """Kernels of all N nodes of a map on an image of ``size`` x ``size`` pixels, as runs of pixels: run k is of node
    ``node[k]``, in row ``row[k]``, from column ``first[k]`` to before ``last[k]``; ``area`` [N] in pixels."""

    size: int
    node: np.ndarray
    row: np.ndarray
    first: np.ndarray
    last: np.ndarray
    area: np.ndarray

    @classmethod
    def of(cls, shape: tuple[int, int], rule: RegionRule) -> Kernels | None:
        """Of maps of ``shape`` (h, w) under ``rule``; None where they have no cell to speak of, and nothing is bounded:
        one node across, or nodes as dense as pixels."""
        if min(shape) < 2:
            return None
        down, across = ((rule.size - 1) / (nodes - 1) for nodes in shape)  # pixels a cell
        cut = rule.threshold + math.log(rule.certainty / (1 - rule.certainty)) / rule.slope
        inside = cut + (1 - cut) * (1 - (1 - 0.5 / down) * (1 - 0.5 / across)) + MARGIN
        if down <= 1 or across <= 1 or not 0 < inside < 1:
            return None
        rows, reach = _rows_of_nodes(shape[0], down, inside, rule.size)
        node, row, first, last = [], [], [], []
        for column in range(shape[1]):
            middle, width = column * across, reach * across
            first.append(np.clip(np.ceil(middle - width), 0, rule.size).astype(int))
            last.append(np.clip(np.floor(middle + width) + 1, 0, rule.size).astype(int))
            node.append(rows[:, 0] * shape[1] + column)
            row.append(rows[:, 1])
        runs = [np.concatenate(parts) for parts in (node, row, first, last)]
        area = np.bincount(runs[0], weights=np.maximum(runs[3] - runs[2], 0), minlength=shape[0] * shape[1])
        return cls(rule.size, runs[0], runs[1], runs[2], runs[3], area)

    def highest_iou(self, mask: np.ndarray) -> float:
        """The bound for the true region ``mask``, bool [size, size]; nan where it has no pixel."""
        true = int(mask.sum())
        if not true:
            return math.nan
        counted = np.zeros((self.size, self.size + 1))
        np.cumsum(mask, axis=1, out=counted[:, 1:])
        inside = counted[self.row, self.last] - counted[self.row, self.first]
        shared = np.bincount(self.node, weights=np.maximum(inside, 0), minlength=len(self.area))
        return float(true / (true + (self.area - shared).min()))


def _rows_of_nodes(nodes: int, down: float, inside: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pixels that kernels reach, int [R, 2] of node and row, and how far they reach across there in cells, [R].

    A kernel of no whole pixel in a row has a run of no length there.
    """
    found, reach = [], []
    for node in range(nodes):
        for row in range(max(math.ceil((node - 1) * down), 0), min(math.floor((node + 1) * down), size - 1) + 1):
            left = 1 - abs(row / down - node)
            if left > inside:
                found.append((node, row))
                reach.append(1 - inside / left)
    return np.array(found).reshape(-1, 2), np.array(reach)


def highest_ious(maps: MapReader, pairs: Sequence[Pair], masks: np.ndarray, rule: RegionRule) -> np.ndarray:
    """The bound of each pair's IoU, float64 [P], for maps of the shape that its own has; 1 where nothing is bounded,
    nan where the truth (``masks`` bool [P, size, size]) has no pixel."""
    kernels: dict[tuple[int, ...], Kernels | None] = {}
    out = np.ones(len(pairs))
    for place, pair in enumerate(pairs):
        shape = maps.read(pair.image, pair.finding).shape
        if shape not in kernels:
            kernels[shape] = Kernels.of(shape, rule)
        own = kernels[shape]
        out[place] = math.nan if not masks[place].any() else 1.0 if own is None else own.highest_iou(masks[place])
    return out
