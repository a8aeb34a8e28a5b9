"""The full check: what it says of good, odd, damaged and hostile image files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_nih import png

from ham.datasets.acquire import check
from ham.datasets.acquire.check import check_images
from ham.datasets.acquire.image_records import Checked, read_checks, write_checks, write_record
from ham.errors import DataError


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    data = io.BytesIO()
    image.save(data, form)
    return data.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(kind: bytes, content: bytes) -> bytes:
    """A good PNG with one chunk more behind its header."""
    return png()[:33] + chunk(kind, content) + png()[33:]


def claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png()[:8] + chunk(b"IHDR", header) + png()[33:]


def checked(folder: Path, *contents: bytes, workers: int = 1) -> list[Checked]:
    (folder / "images").mkdir(exist_ok=True)
    rows = []
    for number, content in enumerate(contents):
        (folder / "images" / f"{number}.png").write_bytes(content)
        rows.append((f"{number}.png", len(content), ""))
    write_record(folder / "record.csv", rows)
    check_images(folder / "images", folder / "record.csv", folder / "checks.csv", workers)
    return read_checks(folder / "checks.csv")


def noise(mode: str = "L") -> Image.Image:
    shape = (40, 30) if mode == "L" else (40, 30, len(mode))
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), mode)


def test_a_radiograph_has_its_size_form_and_digest(tmp_path: Path) -> None:
    (found,) = checked(tmp_path, encoded(noise()))
    assert (found.width, found.height, found.form, found.problem) == (30, 40, "grey", "")
    assert len(found.sha256) == 64


@pytest.mark.parametrize(
    ("image", "form"),
    [
        (noise().convert("RGBA"), "grey as RGBA"),
        (noise().convert("RGB"), "grey as RGB"),
        (noise().convert("LA"), "grey as LA"),
        (noise().convert("1"), "grey as 1"),
        (noise().convert("P"), "grey as P"),
        (noise("RGB"), "colour as RGB"),
        (Image.new("RGBA", (9, 9), (7, 7, 7, 254)), "transparent as RGBA"),
        (Image.new("I;16", (9, 9), 30_000), "grey 16 bit"),
        (Image.new("I;16", (9, 9), 16384), "grey 16 bit"),
        (Image.new("I;16", (9, 9), 16383), "grey 16 bit, up to 16383"),
        (Image.new("I;16", (9, 9), 4095), "grey 16 bit, up to 4095"),
        (Image.new("I;16", (9, 9), 200), "grey 16 bit, up to 200"),  # nearly black: 8 bits in the room of 16
    ],
)
def test_other_forms_are_told_apart(tmp_path: Path, image: Image.Image, form: str) -> None:
    (found,) = checked(tmp_path, encoded(image))
    assert (found.form, found.problem) == (form, "")


def test_colour_of_16_bit_which_pillow_reduces_without_a_word_is_noticed(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + bytes(6))
    (found,) = checked(tmp_path, png()[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b""))
    assert (found.form, found.problem) == ("grey 16 bit as RGB", "")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_a_turned_image_has_the_size_that_people_see(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    noise().save(data, form, exif=exif)
    (found,) = checked(tmp_path, data.getvalue())
    assert (found.width, found.height, found.form, found.problem) == (40, 30, "grey, turned", "")


def test_tiff_and_bmp_are_images_and_further_pages_are_told(tmp_path: Path) -> None:
    pages, signed = io.BytesIO(), io.BytesIO()
    noise().save(pages, "TIFF", save_all=True, append_images=[noise()])
    Image.fromarray(np.full((9, 9), -5, np.int32)).save(signed, "TIFF")
    deep = Image.new("I;16", (9, 8), 30_000)
    contents = (encoded(noise(), "TIFF"), encoded(deep, "TIFF"), encoded(noise(), "BMP"), pages.getvalue())
    found = checked(tmp_path, *contents, signed.getvalue())
    assert [image.form for image in found[:4]] == ["grey", "grey 16 bit", "grey", "grey, first of 2 pages"]
    assert [bool(image.problem) for image in found] == [False] * 4 + [True]
    assert "save it as grey of 8 or 16 bit" in found[4].problem


def test_a_cut_tiff_is_found(tmp_path: Path) -> None:
    whole = encoded(noise(), "TIFF")
    assert all(image.problem for image in checked(tmp_path, whole[:-300], whole[:100]))


def test_a_jpeg_is_an_image_too(tmp_path: Path) -> None:
    (found,) = checked(tmp_path, encoded(noise(), "JPEG"))
    assert (found.width, found.form, found.problem) == (30, "grey", "")


def test_every_cut_and_every_wrong_byte_of_the_pixels_is_found(tmp_path: Path) -> None:
    whole = encoded(noise())
    start = whole.index(b"IDAT") + 4
    cuts = [whole[:kept] for kept in (0, 7, 20, 40, start + 9, len(whole) - 20, len(whole) - 13)]
    wrong = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(start, start + 400, 40)]
    found = checked(tmp_path, *cuts, *wrong)
    assert [c.image for c in found if not c.problem] == []
    assert all(c.problem.startswith("cannot be used (") for c in found)


def test_jpegs_that_are_cut_are_found(tmp_path: Path) -> None:
    whole = encoded(noise(), "JPEG")
    assert all(c.problem for c in checked(tmp_path, whole[: len(whole) // 2], whole[:-40]))


def test_a_small_file_of_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    grey = Image.new("L", (8192, 8193))
    (found,) = checked(tmp_path, encoded(grey))
    assert found.bytes < 100_000
    assert found.problem == "cannot be used (8192 x 8193 pixels, more than any radiograph)"


@pytest.mark.parametrize(
    "hostile",
    [
        claiming(60_000, 60_000),
        claiming(12_000, 12_000),
        claiming(0, 5),
        with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 << 20))),
        with_chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(64 << 20))),
        encoded(noise(), "GIF"),
        b"\0" * 5000,
        b"",
    ],
    ids=["huge", "large", "empty", "zTXt bomb", "iTXt bomb", "another format", "zeros", "no bytes"],
)
def test_a_hostile_image_is_a_problem_and_no_crash(
    tmp_path: Path, hostile: bytes, recwarn: pytest.WarningsRecorder
) -> None:
    found = checked(tmp_path, hostile, encoded(noise()))
    assert [bool(c.problem) for c in found] == [True, False]


def test_a_file_larger_than_any_image_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LARGEST_IMAGE", 1000)
    (found,) = checked(tmp_path, png() + bytes(1 << 20))
    assert "more than 0 MiB" in found.problem


def test_other_bytes_than_were_unpacked_and_lost_files_are_found(tmp_path: Path) -> None:
    checked(tmp_path, png(1), png(2), png(3))
    rows = [("0.png", len(png(1)), "0" * 64), ("1.png", len(png(2)) + 1, ""), ("2.png", len(png(3)), "")]
    write_record(tmp_path / "record.csv", rows)
    (tmp_path / "images/2.png").unlink()
    check_images(tmp_path / "images", tmp_path / "record.csv", tmp_path / "checks.csv")
    problems = [c.problem for c in read_checks(tmp_path / "checks.csv")]
    assert problems == [
        "cannot be used (other bytes than were unpacked)",
        "cannot be used (other bytes than were unpacked)",
        "cannot be used (No such file or directory)",
    ]


def test_the_record_is_the_same_from_any_number_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [png(value) for value in range(40)] + [b"", png()[:50]]
    checked(tmp_path, *contents)
    first = (tmp_path / "checks.csv").read_bytes()
    monkeypatch.setattr(check, "WORTH_A_PROCESS", 10)
    checked(tmp_path, *contents, workers=2)
    assert (tmp_path / "checks.csv").read_bytes() == first
    assert str(tmp_path).encode() not in first
    assert b"0x" not in first


@pytest.mark.parametrize(
    "text", ["", "a,b\n", ",".join(Checked._fields) + "\na.png,many,0,1,1,grey,\n", ",".join(Checked._fields) + "\na\n"]
)
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "checks.csv").write_text(text)
    with pytest.raises(DataError, match=r"checks\.csv is no record of images"):
        read_checks(tmp_path / "checks.csv")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = [Checked("p/a.png", 1, "0", 2, 3, "grey", ""), Checked("b.png", 0, "", 0, 0, "", 'cannot, "so"')]
    write_checks(tmp_path / "checks.csv", rows)
    assert read_checks(tmp_path / "checks.csv") == rows


def deep_tiff(value: int, **tags: int) -> bytes:
    data = io.BytesIO()
    Image.new("I;16", (9, 9), value).save(data, "TIFF", tiffinfo={262: tags.get("black", 1)})
    return data.getvalue()


def test_where_zero_is_white_small_numbers_are_not_called_dark(tmp_path: Path) -> None:
    assert [found.form for found in checked(tmp_path, deep_tiff(4095), deep_tiff(4095, black=0))] == [
        "grey 16 bit, up to 4095",
        "grey 16 bit",
    ]


def test_a_space_of_colour_without_grey_is_found_by_the_check(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("LAB", (9, 9)).save(data, "TIFF")
    (found,) = checked(tmp_path, data.getvalue())
    assert found.problem.startswith("cannot be used (conversion from LAB")
