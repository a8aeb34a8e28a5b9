"""From file to grey pixels: turned as people see it, of any depth, the same for every reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ham.errors import DataError
from ham.images import open_image, read_grey, upright_size

# F, without a symmetry: what an orientation does to it can be told.
UPRIGHT = np.array([[240, 240, 240], [240, 0, 0], [240, 240, 0], [240, 0, 0]], np.uint8)
STORED = {  # orientation: how the pixels lie in the file, so that viewers show UPRIGHT
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1),  # "turn by 90 degrees clockwise to show": in the file it lies turned the other way
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}


def saved(path: Path, pixels: np.ndarray, orientation: int = 1, **options: Any) -> Path:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if path.suffix == ".tif":
        image.save(path, tiffinfo={0x0112: orientation, **options.pop("tags", {})}, **options)
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.tif", {}), ("a.tif", {"compression": "tiff_lzw"}), ("a.jpg", {"quality": 100})],
    ids=["PNG", "TIFF", "packed TIFF", "JPEG"],
)
def test_an_image_is_read_as_viewers_show_it(
    tmp_path: Path, name: str, options: dict[str, Any], orientation: int
) -> None:
    path = saved(tmp_path / name, STORED[orientation].repeat(8, axis=0).repeat(8, axis=1), orientation, **options)
    with open(path, "rb") as file:
        assert upright_size(open_image(file)) == (24, 32)
    read = np.asarray(read_grey(path))
    assert read.shape == (32, 24)
    np.testing.assert_array_equal(read[4::8, 4::8] > 120, UPRIGHT > 120)


def test_an_image_that_says_nothing_of_its_orientation_keeps_its_pixels(tmp_path: Path) -> None:
    Image.fromarray(UPRIGHT).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(read_grey(tmp_path / "a.png")), UPRIGHT)
    Image.fromarray(UPRIGHT).save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(np.asarray(read_grey(tmp_path / "a.bmp")), UPRIGHT)


# 128 / 257 = 0.498, 129 / 257 = 0.502; 385 / 257 = 1.498, 386 / 257 = 1.502
DEEP = np.array([[0, 128, 129, 385, 386, 257 * 100, 65406, 65407, 65535]], np.uint16)
EIGHT = [[0, 0, 1, 1, 2, 100, 254, 255, 255]]


@pytest.mark.parametrize(
    ("name", "options"), [("a.png", {}), ("a.tif", {}), ("a.tif", {"compression": "tiff_lzw"}), ("b.tif", {})]
)
def test_sixteen_bits_keep_their_full_range(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    if name.startswith("b"):
        Image.frombytes("I;16B", DEEP.shape[::-1], DEEP.astype(">u2").tobytes()).save(tmp_path / name)
    else:
        saved(tmp_path / name, DEEP, **options)
    assert np.asarray(read_grey(tmp_path / name)).tolist() == EIGHT


def test_sixteen_bits_are_turned_too(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        read = np.asarray(read_grey(saved(tmp_path / name, DEEP, orientation=6)))
        assert read.tolist() == [[value] for value in EIGHT[0]]


def test_a_deep_tiff_whose_zero_is_white_is_inverted(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", DEEP, tags={262: 0})
    assert np.asarray(read_grey(path)).tolist() == [[255 - value for value in EIGHT[0]]]


def test_wider_numbers_are_read_where_they_are_those_of_sixteen_bits(tmp_path: Path) -> None:
    assert np.asarray(read_grey(saved(tmp_path / "a.tif", DEEP.astype(np.int32)))).tolist() == EIGHT
    for wrong in (DEEP.astype(np.int32) * 2, DEEP.astype(np.int32) - 1, DEEP.astype(np.float32) / 65535):
        with pytest.raises(DataError, match=r"b\.tif: .*save it as grey of 8 or 16 bit"):
            read_grey(saved(tmp_path / "b.tif", wrong))
