"""A user's own files, whatever they are, to the image that people see; hostile ones to a sentence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ham.errors import DataError
from ham.inference.reader import read_radiograph

PIXELS = np.array([[0, 60, 120], [180, 240, 255]], np.uint8)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_is_honoured(tmp_path: Path, orientation: int, turns: int) -> None:
    """6: turned a quarter clockwise to be seen; ``rot90`` turns counterclockwise."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(np.asarray(read_radiograph(tmp_path / "x.png")), np.rot90(PIXELS, turns))


def test_depths_and_colours(tmp_path: Path) -> None:
    """16 bit by the full range, RGBA by its colour, whatever the name says."""
    deep = PIXELS.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    Image.fromarray(PIXELS).convert("RGBA").save(tmp_path / "colour.png")
    (tmp_path / "colour.png").rename(tmp_path / "colour.jpg")
    for name in ("deep.png", "deep.tif", "colour.jpg"):
        assert np.array_equal(np.asarray(read_radiograph(tmp_path / name)), PIXELS), name


def bomb(path: Path, side: int) -> Path:
    """A PNG of a hundred bytes whose header promises side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""))
    return path


def test_hostile_files_are_a_sentence(tmp_path: Path) -> None:
    """Bombs, truncated files, several frames, text, nothing: before any of it fills the memory."""
    Image.fromarray(PIXELS).save(tmp_path / "frames.tif", save_all=True, append_images=[Image.fromarray(PIXELS)])
    Image.fromarray(np.zeros((99, 99), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("<script>alert(1)</script>")
    (tmp_path / "empty.png").touch()
    bomb(tmp_path / "bomb.png", 60000)
    for name in ("frames.tif", "cut.png", "text.png", "empty.png", "bomb.png"):
        with pytest.raises(DataError) as caught:
            read_radiograph(tmp_path / name)
        assert "\n" not in str(caught.value), name
        assert "object at 0x" not in str(caught.value), name
        assert "_io." not in str(caught.value), name
