"""Samples against the published ones (tests/golden/items.npz), and their randomness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from golden import reference_inputs
from golden.files import golden, golden_json
from PIL import Image

from ham.boxes import Box, resized_mask
from ham.samples import Draw, Epochs, change, draw, dynamic_side, normalised
from ham.training.settings import AugmentationSettings, NormalisationSettings

ITEMS = golden_json("items")
ARRAYS = golden("items")


@pytest.mark.parametrize("number", range(len(ITEMS["items"])))
def test_an_item_equals_the_published_one(number: int) -> None:
    item = ITEMS["items"][number]
    size = item["size"]
    chosen = (
        Draw(item["resized"], item["left"], item["top"], item["flip"])
        if item["mode"] == "train"
        else Draw(size, 0, 0, False)
    )
    pixels = change(Image.fromarray(reference_inputs.radiograph(item["name"])), size, chosen)
    every = 16 if size == 512 else 4
    np.testing.assert_array_equal(pixels[::every, ::every], ARRAYS[f"{number}/image"])
    tensor = normalised(torch.from_numpy(pixels.copy())[None], NormalisationSettings(), torch.device("cpu"))
    assert float(tensor.double().mean()) == pytest.approx(item["mean"], abs=1e-6)
    assert float(tensor.double().std()) == pytest.approx(item["std"], abs=1e-4)
    boxes: dict[str, Any] = ITEMS["boxes"].get(f"{item['name']}.png", {})
    expected = np.unpackbits(ARRAYS[f"{number}/masks"], axis=-1).astype(bool)
    found = {
        reference_inputs.CLASSES.index(finding): resized_mask(
            [Box.from_xywh(box) for box in given], 1024, 1024, chosen.side, chosen.left, chosen.top, size, chosen.flip
        )
        for finding, given in boxes.items()
    }
    for row, column in enumerate(ARRAYS[f"{number}/mask_classes"]):
        np.testing.assert_array_equal(found[int(column)], expected[row])
    areas = [int(found[column].sum()) if column in found else 0 for column in range(14)]
    np.testing.assert_array_equal(areas, ARRAYS[f"{number}/mask_area"])


def test_sides_of_the_dynamic_resize_are_the_published_ones() -> None:
    for size, sides in golden_json("schedules")["dynamic_sizes"].items():
        assert [dynamic_side(percent, int(size)) for percent in range(13)] == sides


def test_a_draw_depends_on_its_seed_epoch_and_place_only() -> None:
    settings = AugmentationSettings()
    first = [draw(np.random.default_rng((0, 1, place)), 96, settings) for place in range(50)]
    again = [draw(np.random.default_rng((0, 1, place)), 96, settings) for place in range(50)]
    other = [draw(np.random.default_rng((0, 2, place)), 96, settings) for place in range(50)]
    assert first == again != other
    assert {d.side for d in first} <= {dynamic_side(r, 96) for r in range(13)}
    assert all(d.left + 96 <= d.side and d.top + 96 <= d.side for d in first)


def test_an_epoch_visits_every_image_once_and_leaves_out_a_last_batch_of_one() -> None:
    epochs = Epochs(20, 8, seed=0)
    places = [place for batch in epochs for _, place in batch]
    assert sorted(places) == list(range(20))
    epochs.epoch = 2
    assert [place for batch in epochs for _, place in batch] != places
    assert sum(len(batch) for batch in Epochs(17, 8, seed=0)) == 16
    assert len(list(Epochs(17, 8, seed=0))) == len(Epochs(17, 8, seed=0)) == 2
