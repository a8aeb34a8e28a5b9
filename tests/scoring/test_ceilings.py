"""The bound of IoU: no map exceeds it, and by hand where a kernel can be counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ham.model.maps import RegionRule, predicted_regions
from ham.scoring.ceilings import Kernels

RULE = RegionRule(33)


def iou(one: np.ndarray, two: np.ndarray) -> float:
    return float((one & two).sum() / (one | two).sum())


def box(size: int, left: int, top: int, wide: int, high: int) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + high, left : left + wide] = True
    return mask


@pytest.mark.parametrize("shape", [(3, 3), (4, 5), (9, 9)])
@pytest.mark.parametrize("rule", [RULE, RegionRule(33, 0.6, 20.0), RegionRule(20)])
def test_every_region_holds_the_kernel_of_its_highest_node_and_no_map_exceeds_the_bound(
    shape: tuple[int, int], rule: RegionRule
) -> None:
    kernels = Kernels.of(shape, rule)
    assert kernels is not None
    draw = np.random.default_rng(0)
    spiked = draw.random((300, *shape)) ** draw.choice([0.3, 1, 8, 40], (300, 1, 1))  # flat ones and lonely peaks
    lonely = np.zeros((shape[0] * shape[1], *shape))
    lonely.reshape(len(lonely), -1)[np.arange(len(lonely)), np.arange(len(lonely))] = 1
    maps = np.concatenate([spiked, lonely]).astype(np.float32)
    regions = predicted_regions(torch.from_numpy(maps), *rule).numpy()
    for raw, region in zip(maps, regions, strict=True):
        own = np.flatnonzero(kernels.node == raw.argmax())
        for run in own:
            assert region[kernels.row[run], kernels.first[run] : kernels.last[run]].all()
        for _ in range(5):
            left, top = draw.integers(0, rule.size - 4, 2)
            wide, high = draw.integers(1, rule.size - left), draw.integers(1, rule.size - top)
            truth = box(rule.size, left, top, wide, high)
            assert iou(region, truth) <= kernels.highest_iou(truth) + 1e-12


def test_the_bound_by_hand() -> None:
    """Nodes at 0, 16 and 32: half a pixel is 1/32 of a cell, so that inside is from .46907 + .53093 (1 - (31/32)^2) =
    .50174 on. Around the middle node, u and v in sixteenths, (1 - u)(1 - v) reaches that at v = 0 up to u = 7/16, at
    1/16 too ((15/16)(9/16) = .527), at 2/16 up to 6/16 (.547), at 3/16 up to 6/16 (.508), at 4/16 up to 5/16 (.516), at
    5/16 up to 4/16, at 6/16 up to 3/16, at 7/16 up to 1/16."""
    kernels = Kernels.of((3, 3), RULE)
    assert kernels is not None
    reach = [7, 7, 6, 6, 5, 4, 3, 1]
    area = (2 * reach[0] + 1) + 2 * sum(2 * most + 1 for most in reach[1:])
    assert kernels.area[4] == area
    assert kernels.area[0] == sum(most + 1 for most in reach)  # of a corner, a quarter
    inside = box(33, 15, 15, 3, 3)  # 9 pixels around the middle node
    assert kernels.highest_iou(inside) == pytest.approx(9 / (9 + kernels.area[0]))  # the top may lie in a corner
    assert kernels.highest_iou(box(33, 12, 12, 9, 9)) == pytest.approx(81 / (81 + 47))  # 47 of the kernel's 157 less 81
    assert kernels.highest_iou(box(33, 5, 5, 25, 25)) == 1  # holds a kernel
    corner = box(33, 0, 0, 2, 2)
    assert kernels.highest_iou(corner) == pytest.approx(4 / kernels.area[0])


def test_no_truth_has_no_bound_and_dense_or_single_nodes_bound_nothing() -> None:
    kernels = Kernels.of((3, 3), RULE)
    assert kernels is not None
    assert math.isnan(kernels.highest_iou(np.zeros((33, 33), bool)))
    assert Kernels.of((1, 7), RULE) is None
    assert Kernels.of((33, 33), RULE) is None
