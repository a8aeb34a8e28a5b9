from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ham.errors import DataError
from ham.refinement.masks import Cut, RefinedMasks, cut_mask, write_masks


def test_masks_come_back_as_they_were_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    cuts = [Cut(f"{n}.png/Mass", random.random((n, 2 * n + 3)) < 0.5, n, 7 * n) for n in range(1, 12)]
    write_masks(tmp_path / "refined.npz", cuts)
    masks = RefinedMasks.open(tmp_path / "refined.npz")
    assert len(masks) == 11
    for n, one in enumerate(cuts, 1):
        found = masks.get(f"{n}.png", "Mass")
        assert found is not None
        assert found[0].dtype == bool
        assert np.array_equal(found[0], one.mask)
        assert found[1:] == (n, 7 * n)


def test_a_mask_is_cut_to_its_boxes_not_to_what_is_left_of_it() -> None:
    extent = np.zeros((8, 9), dtype=bool)
    extent[2:5, 3:8] = True
    mask = np.zeros((8, 9), dtype=bool)
    mask[3, 4] = True
    one = cut_mask("a/b.png", "Mass", mask, extent)
    assert (one.key, one.top, one.left, one.mask.shape) == ("a/b.png/Mass", 2, 3, (3, 5))
    assert one.mask[1, 1]
    assert one.mask.sum() == 1


def test_a_box_of_no_pixel_gives_an_empty_mask(tmp_path: Path) -> None:
    none = np.zeros((8, 9), dtype=bool)
    write_masks(tmp_path / "refined.npz", [cut_mask("a.png", "Mass", none, none)])
    found = RefinedMasks.open(tmp_path / "refined.npz").get("a.png", "Mass")
    assert found is not None
    assert found[0].shape == (0, 0)


def test_a_data_set_without_boxes_gives_a_file_without_masks(tmp_path: Path) -> None:
    write_masks(tmp_path / "refined.npz", [])
    masks = RefinedMasks.open(tmp_path / "refined.npz")
    assert len(masks) == 0
    assert masks.get("a.png", "Mass") is None


def test_equal_masks_give_equal_bytes_and_digests(tmp_path: Path) -> None:
    cuts = [Cut("a.png/Mass", np.eye(5, dtype=bool), 1, 2)]
    write_masks(tmp_path / "one.npz", cuts)
    write_masks(tmp_path / "two.npz", cuts)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert RefinedMasks.open(tmp_path / "one.npz").digest == RefinedMasks.open(tmp_path / "two.npz").digest


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_mask_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "refined.npz"
    if content is None:
        np.savez(path, other=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"refined\.npz cannot be read as refined masks"):
        RefinedMasks.open(path)


def test_no_two_pairs_of_image_and_finding_share_a_mask(tmp_path: Path) -> None:
    pairs = [("a", "b/c"), ("a/b", "c"), ("a", "b%2Fc")]
    every = np.ones((9, 9), dtype=bool)
    cuts = [cut_mask(*pair, every[: n + 1], every[: n + 1]) for n, pair in enumerate(pairs)]
    write_masks(tmp_path / "refined.npz", cuts)
    masks = RefinedMasks.open(tmp_path / "refined.npz")
    found = [masks.get(*pair) for pair in pairs]
    assert [one is not None and one[0].shape[0] for one in found] == [1, 2, 3]
