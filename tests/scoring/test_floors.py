"""Maps that never look at the image, on boxes whose overlaps are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ham.datasets.dataset import Dataset
from ham.scoring import floors
from ham.scoring.truth import Pair, find_pairs, masks_of

LEFT, RIGHT = [0.0, 0.0, 50.0, 100.0], [50.0, 0.0, 50.0, 100.0]


def pairs(boxes: dict[str, list[float]]) -> list[Pair]:
    """Of images of 100 x 100 with one box of one finding each; the patient is the letter before the number."""
    table = pd.DataFrame(
        {
            "patient": [name[0] for name in boxes],
            "width": 100,
            "height": 100,
            "view": "PA",
            "sex": "",
            "age": "",
            "Mass": 1.0,
        },
        index=list(boxes),
    )
    info = {"name": "x", "findings": ["Mass"], "boxed_findings": ["Mass"], "box_grid": 100, "lists": {}}
    dataset = Dataset(Path("x"), info, table, {image: {"Mass": [box]} for image, box in boxes.items()}, [])
    return find_pairs(dataset, list(boxes))


def test_the_prior_of_equal_boxes_is_that_box() -> None:
    found = floors.location_prior(pairs({"a1": LEFT, "c1": RIGHT}), pairs({"b1": LEFT}), 128)
    assert found.iou == pytest.approx([1.0, 0.0])


def test_the_prior_is_cut_where_it_does_best_on_the_training_boxes() -> None:
    trained = pairs({**{f"b{n}": LEFT for n in range(3)}, "c1": RIGHT})
    # mean mask: 3/4 left, 1/4 right; keeping the left half alone has mean IoU 3/4, the whole has 1/2
    found = floors.location_prior(pairs({"a1": LEFT}), trained, 128)
    assert found.iou[0] == pytest.approx(1.0)


def test_without_training_boxes_a_patients_own_boxes_are_left_out() -> None:
    found = floors.location_prior(pairs({"a1": LEFT, "a2": LEFT, "b1": RIGHT}), [], 128)
    assert found.iou == pytest.approx([0.0, 0.0, 0.0])


def test_without_training_boxes_the_prior_comes_from_all_other_patients() -> None:
    """For the first: right, which it is not. For the others: one left, one right, whose mean is the same everywhere."""
    found = floors.location_prior(pairs({"a1": LEFT, "b1": RIGHT, "c1": RIGHT}), [], 128)
    assert found.iou == pytest.approx([0.0, 0.5, 0.5])


def test_the_overlaps_of_a_prior_that_is_half_of_a_box() -> None:
    found = floors.location_prior(pairs({"a1": [0.0, 0.0, 100.0, 100.0]}), pairs({"b1": LEFT}), 64)
    assert (found.iou[0], found.ior[0]) == (0.5, 1.0)
    assert (found.predicted_area[0], found.true_area[0]) == (64 * 32, 64 * 64)


def test_one_patient_alone_has_no_prior() -> None:
    found = floors.location_prior(pairs({"a1": LEFT}), [], 128)
    assert (found.iou[0], found.predicted_area[0]) == (0.0, 0)


def test_the_whole_image_overlaps_by_the_boxes_share() -> None:
    tested = pairs({"a1": LEFT})
    found = floors.whole_image(tested, masks_of(tested, 64))
    assert found.iou[0] == found.ior[0] == 0.5


def test_a_random_map_is_the_same_each_time_and_another_for_another_pair() -> None:
    tested = pairs({"a1": [25.0, 25.0, 50.0, 50.0], "b1": [25.0, 25.0, 50.0, 50.0]})
    found, again = (floors.random_map(tested, masks_of(tested, 64)) for _ in range(2))
    assert found.iou.tolist() == again.iou.tolist()
    assert found.predicted_area[0] != found.predicted_area[1]
    assert 0 < found.predicted_area.min() < 64 * 64


@pytest.mark.parametrize("count", [2, 9, 40])
def test_the_prior_of_some_masks_is_the_best_of_all_cuts_tried_one_by_one(count: int) -> None:
    rng = np.random.default_rng(count)
    masks = np.zeros((count, floors.GRID, floors.GRID), dtype=bool)
    for mask in masks:
        for _ in range(2):
            (x, y), (w, h) = rng.integers(0, 90, 2), rng.integers(4, 38, 2)
            mask[y : y + h, x : x + w] = True
    taken = rng.random(count) < 0.7
    mean = masks[taken].mean(axis=0)
    regions = [mean >= cut * mean.max() for cut in floors.CUTS]
    ious = [np.mean([(region & one).sum() / (region | one).sum() for one in masks[taken]]) for region in regions]
    assert np.array_equal(floors.BoxPixels(masks).best_cut(taken), regions[int(np.argmax(ious))])
