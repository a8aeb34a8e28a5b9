"""Samples against the published ones (tests/golden/items.npz), and their randomness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from golden import reference_inputs
from golden.files import golden, golden_json
from PIL import Image

from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store, ids
from ham.images import network_input, read_grey, resized
from ham.refinement.masks import Cut, RefinedMasks, write_masks
from ham.samples import (
    FILLER,
    Draw,
    Epochs,
    Masks,
    RandomChanges,
    Samples,
    Share,
    draw_augmentation,
    dynamic_side,
    evaluation_loader,
)
from ham.settings import AugmentationSettings, NormalisationSettings

ITEMS = golden_json("items")
ARRAYS = golden("items")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The radiographs of the published items, with their labels and boxes."""
    folder = tmp_path_factory.mktemp("golden")
    findings, labels = reference_inputs.CLASSES, ITEMS["labels"]
    for image in labels:
        path = folder / "images" / image
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(reference_inputs.radiograph(image.removesuffix(".png"))).save(path, compress_level=1)
    table = pd.DataFrame([[float(f in found) for f in findings] for found in labels.values()], list(labels), findings)
    table.insert(0, "width", 1024)
    table.insert(1, "height", 1024)
    info = {"name": "golden", "findings": findings, "boxed_findings": findings[:8], "box_grid": 1024}
    return Dataset(folder, info, table, ITEMS["boxes"], [])


@pytest.mark.parametrize("number", range(len(ITEMS["items"])))
def test_an_item_equals_the_published_one(number: int, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    item = ITEMS["items"][number]
    size, image = item["size"], f"{item['name']}.png"
    published = Draw(item["resized"], item["left"], item["top"], item["flip"])
    monkeypatch.setattr("ham.samples.draw_augmentation", lambda *_: published)  # its numbers are the release's own
    augmentation = RandomChanges(AugmentationSettings()) if item["mode"] == "train" else None
    sample = Samples(dataset, [image], [image] if item["supervised"] else [], size, augmentation)[0]

    every = 16 if size == 512 else 4
    np.testing.assert_array_equal(sample["image"][::every, ::every], ARRAYS[f"{number}/image"])
    tensor = network_input(torch.from_numpy(sample["image"].copy())[None], NormalisationSettings()).double()
    assert float(tensor.mean()) == pytest.approx(item["mean"], abs=1e-6)
    assert float(tensor.std()) == pytest.approx(item["std"], abs=1e-4)
    np.testing.assert_array_equal(sample["labels"], item["labels"])

    boxed = [column for column in range(14) if reference_inputs.CLASSES[column] in ITEMS["boxes"].get(image, {})]
    # The release also calls the labels of an image without boxes pairs, with empty masks; it never supervises them.
    assert boxed == (np.flatnonzero(item["pairs"]).tolist() if image in ITEMS["boxes"] else [])
    assert sample["findings"] == (boxed if item["supervised"] else [])
    masks = {c: Masks(dataset)(image, reference_inputs.CLASSES[c], size, published) for c in boxed}
    for column, mask in zip(sample["findings"], sample["masks"], strict=True):
        np.testing.assert_array_equal(mask, masks[column])
    expected = np.unpackbits(ARRAYS[f"{number}/masks"], axis=-1).astype(bool)
    for row, column in enumerate(ARRAYS[f"{number}/mask_classes"]):
        np.testing.assert_array_equal(masks[int(column)], expected[row])
    areas = [int(masks[column].sum()) if column in masks else 0 for column in range(14)]
    np.testing.assert_array_equal(areas, ARRAYS[f"{number}/mask_area"])


def test_sides_of_the_dynamic_resize_are_the_published_ones() -> None:
    for size, sides in golden_json("schedules")["dynamic_sizes"].items():
        assert [dynamic_side(percent, int(size)) for percent in range(13)] == sides


def drawn(size: int, settings: AugmentationSettings, count: int = 3000) -> list[Draw]:
    return [draw_augmentation(np.random.default_rng((0, 1, place)), size, settings) for place in range(count)]


def test_draws_are_of_every_published_side_alike_and_mirror_every_second_image() -> None:
    draws = drawn(512, AugmentationSettings())
    sides = [512, 517, 522, 527, 532, 537, 542, 547, 552, 558, 563, 568, 573]  # r = 0 ... 12, both ends included
    counts = {side: sum(draw.side == side for draw in draws) for side in sides}
    assert sum(counts.values()) == 3000
    # 3000 / 13 = 231 each, standard deviation 15
    assert all(170 < count < 292 for count in counts.values()), counts
    assert 1390 < sum(draw.flip for draw in draws) < 1610  # 1500, standard deviation 27
    for flip, expected in ((0.0, {False}), (1.0, {True})):
        assert {draw.flip for draw in drawn(512, AugmentationSettings(flip=flip), 50)} == expected


def test_a_fixed_size_is_neither_enlarged_nor_cut() -> None:
    assert {draw[:3] for draw in drawn(512, AugmentationSettings(resize="fixed"), 20)} == {(512, 0, 0)}


def test_crops_lie_anywhere_in_the_enlarged_image_and_rows_and_columns_apart() -> None:
    draws = [draw for draw in drawn(32, AugmentationSettings()) if draw.side == 35]  # 10, 11 and 12 %
    places = {(draw.left, draw.top) for draw in draws}
    assert places == {(left, top) for left in range(4) for top in range(4)}  # 35 - 32 = 3, the last one included
    fixed = drawn(32, AugmentationSettings(resize="fixed"), 50)
    assert {(draw.side, draw.left, draw.top) for draw in fixed} == {(32, 0, 0)}
    assert {draw.side for draw in drawn(100, AugmentationSettings(max_percent=2), 200)} == {100, 101, 102}


def test_a_training_sample_is_changed_by_its_draw_and_another_epoch_by_another(dataset: Dataset) -> None:
    """Which draw it was is found by undoing none: every cut of the enlarged image is tried."""
    image, size = next(iter(ITEMS["labels"])), 64
    grey = read_grey(dataset.path(image))
    cuts = {}
    for percent in range(13):
        side = dynamic_side(percent, size)
        whole = np.asarray(resized(grey, side))
        for left in range(side - size + 1):
            for top in range(side - size + 1):
                cut = whole[top : top + size, left : left + size]
                cuts[cut.tobytes()] = Draw(side, left, top, False)
                cuts[cut[:, ::-1].tobytes()] = Draw(side, left, top, True)
    samples = Samples(dataset, [image], [], size, RandomChanges(AugmentationSettings(), 5))
    seen = [cuts[np.ascontiguousarray(samples[epoch, 0]["image"]).tobytes()] for epoch in range(1, 31)]
    assert len({draw.side for draw in seen}) > 3
    assert {draw.flip for draw in seen} == {True, False}
    assert any(draw.left > 0 for draw in seen)
    assert any(draw.top > draw.left for draw in seen)
    assert any(draw.left > draw.top for draw in seen)


@pytest.mark.parametrize("flip", [False, True])
def test_a_refined_mask_is_cut_and_mirrored_as_its_image(tmp_path: Path, flip: bool) -> None:
    """An image of 8 x 8 whose refined mask has these pixels at rows 1 and 2, columns 4 to 6."""
    write_masks(tmp_path / "refined.npz", [Cut("a.png/Mass", np.array([[1, 0, 1], [1, 1, 0]], dtype=bool), 1, 4)])
    table = pd.DataFrame({"width": [8], "height": [8], "Mass": [1.0]}, index=["a.png"])
    info = {"name": "x", "findings": ["Mass"], "boxed_findings": ["Mass"], "box_grid": 8}
    small = Dataset(tmp_path, info, table, {"a.png": {"Mass": [[4, 1, 3, 2]]}}, [])
    masks = Masks(small, RefinedMasks.open(tmp_path / "refined.npz"))
    # five rows from row 1 on, five columns from column 3 on: columns 4 to 6 become 1 to 3
    expected = np.array([[0, 1, 0, 1, 0], [0, 1, 1, 0, 0], [0] * 5, [0] * 5, [0] * 5], dtype=bool)
    if flip:  # the last column becomes the first
        expected = np.array([[0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0] * 5, [0] * 5, [0] * 5], dtype=bool)
    np.testing.assert_array_equal(masks("a.png", "Mass", 5, Draw(8, left=3, top=1, flip=flip)), expected)
    # enlarged to 16 every pixel is two: rows 2 to 5 and columns 8 to 13; cut at row 1, column 7, they begin at 1
    twice = np.kron(np.array([[1, 0, 1], [1, 1, 0]]), np.ones((2, 2)))
    large = np.zeros((9, 9), dtype=bool)
    large[1:5, 1:7] = twice
    found = masks("a.png", "Mass", 9, Draw(16, left=7, top=1, flip=flip))
    np.testing.assert_array_equal(found, large[:, ::-1] if flip else large)


def test_a_draw_depends_on_its_seed_epoch_and_place_only() -> None:
    settings = AugmentationSettings()
    first = [draw_augmentation(np.random.default_rng((0, 1, place)), 96, settings) for place in range(50)]
    again = [draw_augmentation(np.random.default_rng((0, 1, place)), 96, settings) for place in range(50)]
    other = [draw_augmentation(np.random.default_rng((0, 2, place)), 96, settings) for place in range(50)]
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
    assert [len(batch) for batch in Epochs(18, 8, seed=0)] == [8, 8, 2]


def test_a_store_of_the_inputs_side_tests_on_the_pixels_of_the_files(dataset: Dataset) -> None:
    images = list(ITEMS["labels"])[:3]
    size = 96
    pixels = np.stack([np.asarray(resized(read_grey(dataset.path(image)), size)) for image in sorted(images)])
    store = Store(size, pixels, ids(sorted(images)), "")
    direct, stored = (Samples(dataset, images, images, size, store=used) for used in (None, store))
    changes = RandomChanges(AugmentationSettings())
    augmented, other = (Samples(dataset, images, images, size, changes, store=used) for used in (None, store))
    for place in range(3):
        np.testing.assert_array_equal(direct[place]["image"], stored[place]["image"])
        one, two = augmented[(1, place)], other[(1, place)]
        assert one["image"].shape == two["image"].shape == (size, size)
        difference = np.abs(one["image"].astype(int) - two["image"].astype(int))
        assert 0 < difference.mean() < 16  # resized twice: near, and not equal
        assert len(one["masks"]) == len(two["masks"])
        for mask, again in zip(one["masks"], two["masks"], strict=True):
            np.testing.assert_array_equal(mask, again)  # boxes stay in pixels of the original image


def test_a_batch_has_its_images_in_order_and_only_the_masks_there_are(dataset: Dataset) -> None:
    images = list(dataset.table.index)
    boxed = [image for image in images if dataset.boxes.get(image)]
    bare = [image for image in images if image not in boxed]
    chosen = [boxed[0], bare[0], boxed[1]] if bare else boxed[:3]
    supervised = [boxed[1]]
    for size, parts in ((3, [[0, 1, 2]]), (2, [[0, 1], [2]]), (1, [[0], [1], [2]])):
        batches = list(evaluation_loader(Samples(dataset, chosen, supervised, 64), size, 0))
        assert [batch.places.tolist() for batch in batches] == parts
        assert all(batch.image.shape == (len(part), 64, 64) for batch, part in zip(batches, parts, strict=True))
        *others, last = batches
        assert all(batch.pair_mask.shape == (0, 64, 64) for batch in others)
        findings = [dataset.findings[column] for column in last.pair_finding.tolist()]
        assert sorted(findings) == sorted(dataset.boxes[boxed[1]])
        assert set(last.pair_image.tolist()) == {len(parts[-1]) - 1}
        whole = Draw(64, 0, 0, False)
        for finding, mask in zip(findings, last.pair_mask.numpy(), strict=True):
            assert np.array_equal(mask, Masks(dataset)(boxed[1], finding, 64, whole))


def test_shares_of_an_epoch_are_whole_groups_and_together_the_batch() -> None:
    """27 images in batches of 8 with groups of 4, the last batch of 3 images is one group: the second process gets a
    place that counts nowhere."""
    alone = list(Epochs(27, 8, seed=0))
    first, second = (list(Epochs(27, 8, 0, Share(rank, 2), 4)) for rank in range(2))
    assert [len(batch) for batch in alone] == [8, 8, 8, 3]
    assert [[*one, *other] for one, other in zip(first[:3], second[:3], strict=True)] == alone[:3]
    assert first[3] == alone[3]
    assert second[3] == [(1, FILLER - alone[3][0][1])]
    assert second[3][0][1] < 0
    five = list(Epochs(13, 8, 0, Share(1, 2), 4))  # the last batch of 5: groups of 3 and 2
    assert [len(batch) for batch in five] == [4, 2]
    resumed = Epochs(27, 8, seed=0)
    resumed.done = 2
    assert list(resumed) == alone[2:]


def test_a_sample_that_only_fills_a_batch_has_an_images_pixels_and_counts_nowhere(dataset: Dataset) -> None:
    images = list(dataset.table.index)
    changes = RandomChanges(AugmentationSettings(flip=1.0), 3)
    samples = Samples(dataset, images, images, 64, changes)
    place = next(place for place, image in enumerate(images) if place > 1 and dataset.boxes.get(image))
    found = samples[(2, FILLER - place)]
    plain = Samples(dataset, images, images, 64)[place]
    assert np.array_equal(found["image"], plain["image"])
    assert np.isnan(found["labels"]).all()
    assert not np.isnan(plain["labels"]).all()
    assert (found["findings"], found["masks"]) == ([], [])
    assert found["index"] == FILLER - place < 0
