"""Images that are there already: each layout people have, linked and left as it is."""

from __future__ import annotations

import io
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from small_nih import FOLDS, GRID, Mirror, png

from ham.datasets.acquire.check import check_images
from ham.datasets.acquire.image_records import read_record
from ham.datasets.acquire.link_images import link_images
from ham.datasets.dataset import Dataset
from ham.datasets.settings import DataSettings
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.errors import DataError
from ham.runtime.file_digests import look_at_folder

A, B = "00000001_000.png", "00000001_001.png"
LAYOUTS = {
    "release": {f"images/{A}": png(1), f"images/{B}": png(2), f"masks/{A}": png(9), "ImageSets/Main/a.txt": b"x"},
    "nih": {f"images/{A}": png(1), f"images/{B}": png(2), "BBox_List_2017.csv": b"x", "train_val_list.txt": b"x"},
    "kaggle": {f"images_001/images/{A}": png(1), f"images_002/images/{B}": png(2), "sample/labels.csv": b"x"},
    "flat": {A: png(1), B: png(2)},
    "any tree": {f"p1/study/{A}": png(1), f"p2/{B}": png(2), f".trash/{A}": png(9), f"p2/._{B}": b"fork"},
}


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def linked(source: Path, made: Path) -> dict[str, bytes]:
    link_images(source, made / "images", made / ".unpacked/linked.csv")
    record = read_record(made / ".unpacked/linked.csv")
    assert [digest for _, _, digest in record] == [""] * len(record)
    found = {name: (made / "images" / name).read_bytes() for name, _, _ in record}
    assert {name: len(content) for name, content in found.items()} == {name: size for name, size, _ in record}
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised_and_linked_and_never_changed(tmp_path: Path, layout: str) -> None:
    source = tree(tmp_path / "there", LAYOUTS[layout])
    before = state(source)
    for _ in range(2):
        assert linked(source, tmp_path / "made") == {A: png(1), B: png(2)}
    assert all((tmp_path / "made/images" / name).is_symlink() for name in (A, B))
    assert state(source) == before


def test_linked_images_go_through_check_and_conversion_without_an_archive(mirror: Mirror) -> None:
    expected = mirror.build()
    images = {name: content for members in mirror.archives.values() for name, content in members.items()}
    source = tree(mirror.root / "kaggle", {f"images_001/images/{name}": content for name, content in images.items()})
    description, made = mirror.write(), mirror.root / "linked"
    linked(source, made)
    check_images(made / "images", made / ".unpacked/linked.csv", made / ".checked/linked.csv")
    checks = (made / ".checked/linked.csv",)
    data = DataSettings(folds=FOLDS)
    convert(ConversionRequest(made, "small", description, data, mirror.dataset / ".sources", checks))
    dataset = Dataset.open(made)
    assert dataset.info["digests"] == expected.info["digests"]
    assert dataset.info["sources"][0] == {"file": "a folder of images", "images": 8}
    assert str(source) not in (made / "dataset.json").read_text()


def convert_linked(mirror: Mirror, source: Path, **options: Any) -> Dataset:
    """The data set of the mirror's tables and the images in a folder."""
    description, made = mirror.write(), mirror.root / "linked"
    link_images(source, made / "images", made / ".unpacked/linked.csv")
    check_images(made / "images", made / ".unpacked/linked.csv", made / ".checked/linked.csv")
    checks = (made / ".checked/linked.csv",)
    data = DataSettings(folds=FOLDS, **options)
    convert(ConversionRequest(made, "small", description, data, mirror.dataset / ".sources", checks))
    return Dataset.open(made)


def jpeg_copies(mirror: Mirror, ending: str) -> Path:
    """NIH's images as public copies have them: JPEG under their own names."""
    files = {}
    for members in mirror.archives.values():
        for name in members:
            data = io.BytesIO()
            Image.new("L", (GRID, GRID), 90).save(data, "JPEG")
            files[f"all/{name.removesuffix('.png')}{ending}"] = data.getvalue()
    return tree(mirror.root / "copies", files)


@pytest.mark.parametrize("ending", [".jpg", ".JPEG"])
def test_public_copies_as_jpeg_are_linked_under_the_names_of_the_table(mirror: Mirror, ending: str) -> None:
    mirror.build()
    source = jpeg_copies(mirror, ending)
    dataset = convert_linked(mirror, source)
    assert dataset.missing == frozenset()
    assert dataset.path(A).resolve() == source / f"all/00000001_000{ending}"
    said = (dataset.folder / "validation.csv").read_text()
    assert f"8 images are there under another ending: 00000001_000{ending} for {A}" in said
    assert "in no table" not in said
    assert convert_linked(mirror, source).info["digests"] == dataset.info["digests"]


def test_two_files_for_one_image_are_a_mistake_and_its_own_name_goes_first(mirror: Mirror) -> None:
    mirror.build()
    source = jpeg_copies(mirror, ".jpg")
    tree(source, {"all/00000001_000.bmp": b"x", f"all/{B}": png(7)})
    with pytest.raises(
        DataError, match=rf"{A} is not there, but 00000001_000\.bmp and 00000001_000\.jpg are: keep one"
    ):
        convert_linked(mirror, source, partial=True)
    (source / "all/00000001_000.bmp").unlink()
    (mirror.root / "linked/images/00000001_000.bmp").unlink()
    dataset = convert_linked(mirror, source)
    assert dataset.path(B).resolve() == source / "all" / B
    assert "00000001_001.jpg,in linked but in no table,left out" in (dataset.folder / "validation.csv").read_text()


def test_links_in_the_folder_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", {f"part/{A}": png(1), B: png(2)})
    source = tree(tmp_path / "there", {"readme.txt": b"x"})
    (source / "part").symlink_to(disk / "part")
    (source / B).symlink_to(disk / B)
    (source / "again").symlink_to(source)
    assert linked(source, tmp_path / "made") == {A: png(1), B: png(2)}


def test_a_folder_that_two_links_lead_to_is_found_under_both(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", {f"part/{A}": png(1)})
    source = tree(tmp_path / "there", {"readme.txt": b"x"})
    (source / "first").symlink_to(disk / "part")
    (source / "second").symlink_to(disk / "part")
    (disk / "part" / "up").symlink_to(source)
    link_images(source, tmp_path / "made/images", tmp_path / "made/.unpacked/linked.csv", by_path=True)
    names = [name for name, _, _ in read_record(tmp_path / "made/.unpacked/linked.csv")]
    assert names == [f"first/{A}", f"second/{A}"]


@pytest.mark.parametrize("by_path", [False, True])
def test_names_are_the_same_however_their_letters_are_written(tmp_path: Path, by_path: bool) -> None:
    one, two = (unicodedata.normalize(form, "Müller.png") for form in ("NFC", "NFD"))
    source = tree(tmp_path / "there", {two: png(1)})
    link_images(source, tmp_path / "made/images", tmp_path / "made/.unpacked/linked.csv", by_path)
    assert [name for name, _, _ in read_record(tmp_path / "made/.unpacked/linked.csv")] == [one]
    assert (tmp_path / "made/images" / one).read_bytes() == png(1)
    tree(source, {one: png(2)})
    with pytest.raises(
        DataError, match=r"have one name and different content: keep one of them .their letters are alike"
    ):
        link_images(source, tmp_path / "made/images", tmp_path / "made/.unpacked/linked.csv", by_path)


@pytest.mark.parametrize("ending", ["JPG", "jfif", "tif", "TIFF", "bmp", "PnG"])
def test_every_ending_of_an_image_is_one_in_capitals_too(tmp_path: Path, ending: str) -> None:
    source = tree(tmp_path / "there", {f"a.{ending}": png(1), "a.txt": b"x"})
    assert linked(source, tmp_path / "made") == {f"a.{ending}": png(1)}


def test_a_link_to_nothing_and_a_device_are_no_images(tmp_path: Path) -> None:
    source = tree(tmp_path / "there", {A: png(1)})
    (source / B).symlink_to(tmp_path / "nowhere")
    (source / "00000002_000.png").symlink_to("/dev/zero")
    os.mkfifo(source / "00000003_000.png")
    assert linked(source, tmp_path / "made") == {A: png(1)}


def test_one_name_twice_must_be_the_same_image(tmp_path: Path) -> None:
    source = tree(tmp_path / "there", {f"a/{A}": png(1), f"b/{A}": png(1)})
    assert linked(source, tmp_path / "made") == {A: png(1)}
    (source / "b" / A).write_bytes(png(2))
    with pytest.raises(DataError, match=rf"a/{A} and .*b/{A} have one name and different content: keep one of them"):
        linked(source, tmp_path / "made")


@pytest.mark.parametrize(("name", "said"), [("nowhere", "is no folder"), ("empty", "has no images")])
def test_a_folder_without_images_is_named(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=rf"{name} .*{said}|{name} {said}"):
        linked(tmp_path / name, tmp_path / "made")


def test_a_folder_that_is_the_data_set_itself_stays_as_it_is(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", {B: png(2)})
    made = tree(tmp_path / "made", {f"images/{A}": png(1)})
    (made / "images" / B).symlink_to(disk / B)
    assert linked(made, made) == {A: png(1), B: png(2)}
    assert not (made / "images" / A).is_symlink()
    assert (made / "images" / B).readlink() == disk / B


def test_links_replace_what_was_unpacked_and_its_record(mirror: Mirror) -> None:
    made = mirror.build().folder
    source = tree(mirror.root / "there", {A: png(77)})
    assert linked(source, made) == {A: png(77)}
    assert [path.name for path in (made / ".unpacked").iterdir()] == ["linked.csv"]
    mirror.build()
    assert not (made / ".unpacked/linked.csv").exists()
    assert not (made / "images" / A).is_symlink()
    assert (source / A).read_bytes() == png(77)


def test_an_image_that_was_exchanged_in_place_is_another_record(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", {A: png(1), B: png(2)})
    linked(disk, tmp_path / "made")
    before, looked = (tmp_path / "made/.unpacked/linked.csv").read_text(), look_at_folder(disk)
    assert look_at_folder(disk) == looked
    status = (disk / A).stat()
    (tmp_path / "other.png").write_bytes(png(1)[:-1] + b"x")  # as many bytes, and as old
    os.utime(tmp_path / "other.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "other.png").replace(disk / A)
    assert look_at_folder(disk) != looked
    linked(disk, tmp_path / "made")
    assert (tmp_path / "made/.unpacked/linked.csv").read_text() != before


def test_an_image_that_was_removed_leaves(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", {A: png(1), B: png(2)})
    linked(disk, tmp_path / "made")
    own = tmp_path / "made/images/notes.txt"
    own.write_text("kept")
    (disk / B).unlink()
    assert set(linked(disk, tmp_path / "made")) == {A}
    assert {path.name for path in (tmp_path / "made/images").iterdir()} == {A, own.name}


def test_links_in_a_circle_are_looked_at_once(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", {A: png(1)})
    (disk / "round").symlink_to(disk)
    assert look_at_folder(disk)
