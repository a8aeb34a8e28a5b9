"""Maps that were searched for: their IoU by hand where the best is known, else beside every map of a few values."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ham.model.map_file import read_maps, write_maps
from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import overlap
from ham.scoring.best_maps import best_map, lines_of, reached_ious
from ham.scoring.ceilings import Kernels
from ham.scoring.truth import Pair

RULE = RegionRule(33)


def box(size: int, left: int, top: int, wide: int, high: int) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + high, left : left + wide] = True
    return mask


def reached(mask: np.ndarray, shape: tuple[int, int], rule: RegionRule = RULE) -> float:
    found = best_map(mask, lines_of(shape, rule.size), rule)
    assert found.shape == shape
    return float(overlap(predicted_regions(torch.from_numpy(found)[None], *rule).numpy(), mask[None]).iou[0])


def test_a_straight_edge_is_reached_wherever_it_lies() -> None:
    """Between two columns of cells, of values on either side of the cut, a map crosses it in a straight line. Only a
    narrow end is out of reach: the cut is .47 of the largest cell, and a column of those reaches 0 after 8 pixels."""
    for wide in range(5, 29):
        assert reached(box(33, 0, 0, wide, 33), (5, 5)) == 1
        assert reached(box(33, 0, 0, wide, 33).T, (5, 5)) == 1


def test_a_region_between_two_columns_of_cells_needs_one_of_them() -> None:
    """Cells at 0, 16 and 32 and a strip of columns 6 to 10. Between 0 and 16 a row of a map is monotone, so that a
    region with the strip has columns 0 to 5 or 11 to 16 too: 5 of 11 at best, from the left, as from the middle it goes
    on to the right."""
    assert reached(box(33, 6, 0, 5, 33), (3, 3)) == pytest.approx(5 / 11)


def test_a_box_smaller_than_every_region_is_reached_by_one_cell_alone() -> None:
    """In a corner. Cells at 0, 16 and 32, one of them 1: with u and v in sixteenths (1 - u)(1 - v) reaches .46907 at
    v = 0 up to u = 8, at 1 and 2 up to 7, at 3 up to 6, at 4 and 5 up to 5, at 6 up to 3, at 7 up to 2, at 8 at 0."""
    reach = [8, 7, 7, 6, 5, 5, 3, 2, 0]
    assert reached(box(33, 0, 0, 2, 2), (3, 3)) == pytest.approx(4 / sum(most + 1 for most in reach))
    # in the middle a lonely cell would predict four such quarters; a largest cell in a corner leaves it smaller
    alone = (2 * reach[0] + 1) + 2 * sum(2 * most + 1 for most in reach[1:])
    assert reached(box(33, 15, 15, 3, 3), (3, 3)) > 9 / alone


@pytest.mark.parametrize(("shape", "size", "values"), [((2, 2), 8, 9), ((3, 3), 12, 3), ((2, 4), 9, 4)])
def test_no_map_of_a_few_values_is_better_and_none_found_exceeds_the_bound(
    shape: tuple[int, int], size: int, values: int
) -> None:
    levels = np.linspace(0, 1, values, dtype=np.float32)
    every = np.array(list(itertools.product(levels, repeat=shape[0] * shape[1]))).reshape(-1, *shape)
    rule = RegionRule(size)
    regions = predicted_regions(torch.from_numpy(every), *rule).numpy().reshape(len(every), -1).astype(np.float32)
    kernels = Kernels.of(shape, rule)
    draw = np.random.default_rng(1)
    for _ in range(25):
        left, top = draw.integers(0, size - 1, 2)
        truth = box(size, left, top, *draw.integers(2, size, 2))
        both = regions @ truth.ravel()
        best = float((both / (regions.sum(axis=1) + truth.sum() - both)).max())
        found = reached(truth, shape, rule)
        assert kernels is not None
        assert best - 0.03 <= found <= kernels.highest_iou(truth)


def test_several_boxes_and_a_whole_image_are_reached() -> None:
    assert reached(box(33, 2, 3, 9, 9) | box(33, 20, 17, 10, 12), (9, 9)) > 0.97
    assert reached(np.ones((33, 33), bool), (9, 9)) > 0.98  # a map that is the same everywhere predicts nothing


def test_as_many_cells_as_pixels_or_more_reach_everything() -> None:
    for cells in (33, 40):
        assert reached(box(33, 5, 9, 1, 1) | box(33, 20, 17, 3, 8), (cells, cells)) == 1


def test_each_pair_is_told_what_maps_of_the_shape_of_its_own_reach(tmp_path: Path) -> None:
    shapes = {"a": (3, 3), "b": (9, 9), "c": (3, 3)}
    with write_maps(tmp_path / "maps.npz") as writer:
        for image, shape in shapes.items():
            writer.write(image, "Mass", np.zeros(shape))
    pairs = [Pair(image, "Mass", image, 1, lambda side: np.zeros((side, side), bool)) for image in shapes]
    masks = np.stack([box(33, 6, 0, 5, 33), box(33, 6, 0, 5, 33), np.zeros((33, 33), bool)])
    with read_maps(tmp_path / "maps.npz") as maps:
        found = reached_ious(maps, pairs, masks, RULE)
    assert found[:2] == pytest.approx([5 / 11, 1])
    assert math.isnan(found[2])
