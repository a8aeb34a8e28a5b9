"""Boxes and their masks, against Pillow and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ham.boxes import Box, mask, nearest, resized_mask


def pillow(full: np.ndarray, side: int) -> np.ndarray:
    """The mask as the release resizes it."""
    image = Image.fromarray(full.astype(np.uint8) * 255)
    return np.asarray(image.resize((side, side), Image.Resampling.NEAREST)) > 0


def test_corners_and_width_and_height_describe_the_same_box() -> None:
    assert Box.from_xywh([10, 20, 30, 40]) == Box.from_corners([10, 20, 40, 60])
    assert Box.from_corners([10, 20, 40, 60]).xywh() == [10, 20, 30, 40]


def test_a_mask_truncates_the_edges_as_the_release_does() -> None:
    # int(2.9):int(2.9 + 3.2) = 2:6 columns, int(1.5):int(1.5 + 2.4) = 1:3 rows
    drawn = mask([Box.from_xywh([2.9, 1.5, 3.2, 2.4])], 8, 5)
    expected = np.zeros((5, 8), dtype=bool)
    expected[1:3, 2:6] = True
    np.testing.assert_array_equal(drawn, expected)


def test_a_box_past_the_edge_is_cut_at_the_edge() -> None:
    drawn = mask([Box.from_corners([-3.5, -1, 2, 99])], 6, 4)
    assert drawn.shape == (4, 6)
    assert drawn[:, :2].all()
    assert not drawn[:, 2:].any()


def test_several_boxes_make_one_union() -> None:
    boxes = [Box.from_corners([0, 0, 2, 2]), Box.from_corners([1, 1, 3, 3])]
    assert mask(boxes, 4, 4).sum() == 4 + 4 - 1
    assert not mask([], 4, 4).any()


@pytest.mark.parametrize("side", [int((1.0 + r / 100.0) * 512) for r in range(13)] + [96, 128, 1024])
def test_the_closed_form_equals_pillow_at_every_side_of_the_dynamic_resize(side: int) -> None:
    boxes = [Box.from_xywh([225.08, 547.02, 86.78, 79.19]), Box.from_xywh([686.1, 131.54, 185.49, 313.49])]
    np.testing.assert_array_equal(resized_mask(boxes, 1024, 1024, side), pillow(mask(boxes, 1024, 1024), side))


def test_a_crop_and_a_flip_are_those_of_the_whole_mask() -> None:
    boxes = [Box.from_xywh([30, 50, 40, 21])]
    whole = resized_mask(boxes, 128, 128, 112)
    cut = resized_mask(boxes, 128, 128, 112, left=7, top=12, size=100)
    np.testing.assert_array_equal(cut, whole[12:112, 7:107])


@pytest.mark.parametrize("size", [96, 128, 512])
def test_every_row_is_the_one_that_pillow_picks_where_samples_fall_between_two(size: int) -> None:
    numbers = Image.fromarray(np.arange(1024, dtype=np.int32)[None])
    for percent in range(13):
        side = int((1.0 + percent / 100.0) * size)
        picked = np.asarray(numbers.resize((side, 1), Image.Resampling.NEAREST))[0]
        np.testing.assert_array_equal(nearest(1024, side), picked)


@settings(max_examples=80, deadline=None)
@given(percent=st.integers(0, 12), size=st.sampled_from([64, 128, 512]), data=st.data())
def test_random_crops_of_every_side_are_pillows(percent: int, size: int, data: st.DataObject) -> None:
    side = int((1.0 + percent / 100.0) * size)
    left, top = (data.draw(st.integers(0, side - size)) for _ in range(2))
    x, y, w, h = (data.draw(st.floats(0, 700)) for _ in range(4))
    box = Box.from_xywh([x, y, w + 1, h + 1])
    cut = pillow(mask([box], 1024, 1024), side)[top : top + size, left : left + size]
    np.testing.assert_array_equal(resized_mask([box], 1024, 1024, side, left, top, size), cut)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(20, 400), st.integers(20, 400)),
    side=st.integers(8, 300),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_images_of_any_shape_resize_as_with_pillow(
    size: tuple[int, int], side: int, corners: tuple[float, float, float, float]
) -> None:
    width, height = size
    x0, x1 = sorted((corners[0] * width, corners[1] * width))
    y0, y1 = sorted((corners[2] * height, corners[3] * height))
    boxes = [Box(x0, y0, x1, y1)]
    np.testing.assert_array_equal(resized_mask(boxes, width, height, side), pillow(mask(boxes, width, height), side))
