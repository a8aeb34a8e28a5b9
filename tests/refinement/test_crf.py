from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from golden.files import golden, golden_json
from golden.reference_inputs import radiograph
from PIL import Image

from ham.boxes import Box, mask
from ham.errors import DataError, EnvironmentProblem
from ham.refinement.crf import RefinedMasks, features, refine_mask, smaller_side, unary, write_refined
from ham.refinement.settings import Kernel, RefinementSettings

needs_crf = pytest.mark.skipif(not find_spec("pydensecrf"), reason="the extra crf is not installed")
GOLDEN = sorted(golden("crf"))


@needs_crf
@pytest.mark.parametrize("key", GOLDEN)
def test_refined_masks_equal_the_published_ones(key: str) -> None:
    name, finding = key.split("/")
    boxes = [Box.from_xywh(numbers) for numbers in golden_json("items")["boxes"][f"{name}.png"][finding]]
    published = np.unpackbits(golden("crf")[key], axis=-1).astype(bool)
    refined = refine_mask(radiograph(name), mask(boxes, 1024, 1024), boxes)
    # Five pixels for compilers that order sums otherwise; dropping the constant feature moves hundreds.
    assert np.count_nonzero(refined != published) <= 5


@needs_crf
def test_colour_and_grey_images_refine_alike(grey: np.ndarray) -> None:
    boxes = [Box(40, 30, 90, 75)]
    whole = mask(boxes, 128, 128)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    assert np.array_equal(refine_mask(grey, whole, boxes), refine_mask(colour, whole, boxes))


@needs_crf
def test_a_refined_mask_never_leaves_its_box(grey: np.ndarray) -> None:
    boxes = [Box(10, 60, 40, 100), Box(70, 60, 100, 100)]
    whole = mask(boxes, 128, 128)
    refined = refine_mask(grey, whole, boxes)
    assert refined.any()
    assert not (refined & ~whole).any()


@needs_crf
def test_a_tiny_box_is_refined_to_at_most_itself(grey: np.ndarray) -> None:
    boxes = [Box(64.2, 64.2, 65.7, 65.2)]
    whole = mask(boxes, 128, 128)
    assert whole.sum() == 1
    assert refine_mask(grey, whole, boxes).sum() <= 1


def test_no_box_gives_no_mask_and_needs_no_library(grey: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    refined = refine_mask(grey, np.zeros((128, 128), dtype=bool), [])
    assert refined.shape == (128, 128)
    assert refined.dtype == bool
    assert not refined.any()


def test_a_missing_library_is_said_in_one_sentence(
    grey: np.ndarray, dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ham\[crf\]'"):
        refine_mask(grey, np.ones((128, 128), dtype=bool), [Box(0, 0, 128, 128)])
    with pytest.raises(EnvironmentProblem, match="needs pydensecrf2"):
        write_refined(dataset_folder, tmp_path / "refined.npz")
    assert not (tmp_path / "refined.npz").exists()


def test_the_size_of_boxes_is_the_smaller_of_mean_width_and_mean_height() -> None:
    # widths 10 and 30: mean 20; heights 50 and 20: mean 35
    assert smaller_side([Box(0, 0, 10, 50), Box(5, 5, 35, 25)]) == 20
    assert smaller_side([Box.from_xywh([504.3328122951446, 184.43, 45, 163])]) == 45


def test_unary_energies_are_logarithms_of_the_confidence() -> None:
    energies = unary(np.array([[False, True]]), confidence=0.7)
    # the box says background for the first pixel, finding for the second: -ln 0.7 = 0.3567, -ln 0.3 = 1.2040
    assert np.allclose(energies, [[0.3567, 1.2040], [1.2040, 0.3567]], atol=1e-4)
    assert energies.dtype == np.float32


def test_features_are_six_with_a_constant_third() -> None:
    image = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)
    y, x, constant, *colours = features(image, Kernel(below=None, position=2, intensity=10))
    assert y.tolist() == [0, 0, 0, 0.5, 0.5, 0.5]
    assert x.tolist() == [0, 0.5, 1, 0, 0.5, 1]
    assert not constant.any()
    assert [colour.tolist() for colour in colours] == [[1, 2, 3, 4, 5, 6]] * 3


@needs_crf
def test_all_present_images_with_boxes_are_refined(dataset_folder: Path, tmp_path: Path) -> None:
    write_refined(dataset_folder, tmp_path / "refined.npz")
    masks = RefinedMasks.open(tmp_path / "refined.npz")
    assert masks.keys() == [
        "a/one.png/Effusion",
        "a/one.png/Nodule",
        "tiny.png/Mass",
        "tiny.png/Nodule",
        "two.png/Mass",
    ]
    assert masks.get("boxless.png", "Mass") is None
    assert masks.get("absent.png", "Mass") is None

    grey = radiograph("a/one.png", 128)
    boxes = [Box(70, 60, 100, 100), Box(10, 60, 40, 100)]
    found = masks.get("a/one.png", "Effusion")
    assert found is not None
    part, top, left = found
    assert (top, left, part.shape) == (60, 10, (40, 90))
    expected = refine_mask(grey, mask(boxes, 128, 128), boxes)
    assert np.array_equal(part, expected[60:100, 10:100])


@needs_crf
def test_where_no_pixel_of_a_box_is_left_the_box_itself_is_written_and_told(
    dataset_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grey, box = radiograph("tiny.png", 128), Box.from_xywh([64.2, 64.2, 1.5, 1.0])
    one_pixel = mask([box], 128, 128)
    assert one_pixel.sum() == 1
    assert not refine_mask(grey, one_pixel, [box]).any()
    write_refined(dataset_folder, tmp_path / "refined.npz")
    masks = RefinedMasks.open(tmp_path / "refined.npz")
    found = masks.get("tiny.png", "Nodule")
    assert found is not None
    assert found[0].tolist() == [[True]]
    assert found[1:] == (64, 64)
    assert masks.unrefined == {"tiny.png/Nodule", "tiny.png/Mass"}  # the latter has no pixel to begin with
    assert "of 2 no pixel was left, so the box itself is used: tiny.png/Mass, tiny.png/Nodule" in caplog.text


@needs_crf
def test_two_processes_write_the_same_bytes_as_one(dataset_folder: Path, tmp_path: Path) -> None:
    write_refined(dataset_folder, tmp_path / "one.npz", workers=1)
    write_refined(dataset_folder, tmp_path / "two.npz", workers=2)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@needs_crf
def test_other_settings_give_other_masks(dataset_folder: Path, tmp_path: Path) -> None:
    write_refined(dataset_folder, tmp_path / "a.npz")
    write_refined(dataset_folder, tmp_path / "b.npz", RefinementSettings(confidence=0.55))
    assert RefinedMasks.open(tmp_path / "a.npz").digest != RefinedMasks.open(tmp_path / "b.npz").digest


@needs_crf
@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_image_is_named(dataset_folder: Path, tmp_path: Path, workers: int) -> None:
    (dataset_folder / "images/two.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"two\.png: cannot be read as an image"):
        write_refined(dataset_folder, tmp_path / "refined.npz", workers=workers)
    assert not (tmp_path / "refined.npz").exists()


@needs_crf
def test_an_image_of_another_size_than_its_boxes_frame_is_refused(dataset_folder: Path, tmp_path: Path) -> None:
    Image.fromarray(radiograph("two.png", 64)).save(dataset_folder / "images/two.png")
    with pytest.raises(DataError, match=r"two\.png has 64 x 64 pixels where images\.csv says 128 x 128"):
        write_refined(dataset_folder, tmp_path / "refined.npz")
