"""The image store holds what decoding and resizing gives, and says so when it does not fit."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from small_nih import GRID, NAMES, Mirror

from ham.datasets import image_store
from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store, write_store
from ham.errors import DataError, EnvironmentProblem
from ham.images import read_grey

SIDE = 20
FILES = ("20.json", "20.npy", "20.txt")


class Made(NamedTuple):
    """A data set and the header of its store."""

    dataset: Dataset
    header: Path


def textured(seed: int) -> bytes:
    """A PNG of noise: no two images are alike."""
    data = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (GRID, GRID), dtype=np.uint8)
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def dataset(mirror: Mirror) -> Dataset:
    """Seven of eight images are there."""
    mirror.archives["images_001.tar.gz"] = {name: textured(i) for i, name in enumerate(NAMES[:4])}
    mirror.archives["images_002.tar.gz"] = {name: textured(i) for i, name in enumerate(NAMES[5:], 4)}
    return mirror.build(partial=True)


@pytest.fixture
def made(dataset: Dataset) -> Made:
    header = dataset.folder / f"store/{SIDE}.json"
    write_store(dataset.folder, header, SIDE)
    return Made(dataset, header)


def test_a_row_is_its_image_resized_as_for_a_sample(made: Made) -> None:
    opened = Store.open(made.header, made.dataset)
    assert (opened.side, opened.pixels.shape, len(opened.images)) == (SIDE, (7, SIDE, SIDE), 7)
    for image in NAMES[:4] + NAMES[5:]:
        direct = read_grey(made.dataset.path(image)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(opened[image], np.asarray(direct))
    with pytest.raises(DataError, match=f"{NAMES[4]} is not in the image store"):
        opened[NAMES[4]]


def test_several_processes_write_the_bytes_of_one(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_store, "CHUNK", 2)
    header = tmp_path / f"other/{SIDE}.json"
    write_store(made.dataset.folder, header, SIDE, workers=2)
    for name in FILES:
        assert (header.parent / name).read_bytes() == (made.header.parent / name).read_bytes()
    assert sorted(path.name for path in header.parent.iterdir()) == list(FILES)


def test_a_killed_build_leaves_nothing_under_a_final_name_and_the_next_one_sweeps(dataset: Dataset) -> None:
    header, image = dataset.folder / f"store/{SIDE}.json", dataset.path(NAMES[6])
    shutil.move(image, image.with_suffix(".kept"))
    os.mkfifo(image)  # nobody writes into it: the build waits here for ever
    child = multiprocessing.get_context("spawn").Process(target=write_store, args=(dataset.folder, header, SIDE))
    child.start()
    deadline = time.monotonic() + 60
    while not list(header.parent.glob(".20-*.npy")):
        assert child.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.kill()
    child.join()
    assert not [path.name for path in header.parent.iterdir() if path.name in FILES]
    shutil.move(image.with_suffix(".kept"), image)
    write_store(dataset.folder, header, SIDE)
    assert sorted(path.name for path in header.parent.iterdir()) == list(FILES)


def test_an_image_that_cannot_be_read_is_named_and_nothing_is_left(dataset: Dataset) -> None:
    dataset.path(NAMES[2]).write_bytes(textured(2)[:200])
    with pytest.raises(DataError, match=f"{NAMES[2]}: cannot be read as an image"):
        write_store(dataset.folder, dataset.folder / f"store/{SIDE}.json", SIDE)
    assert list((dataset.folder / "store").iterdir()) == []


def test_a_full_disk_is_noticed_before_the_first_image(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**30 - 2, 2))  # type: ignore[attr-defined]
    monkeypatch.setattr(image_store, "_fill", lambda *_: pytest.fail("it started"))
    with pytest.raises(EnvironmentProblem, match=r"has 0.0 GB free and an image store needs 0.3 GB: make room"):
        write_store(dataset.folder, dataset.folder / f"store/{SIDE}.json", SIDE)


def truncated(made: Made) -> None:
    path = made.header.with_suffix(".npy")
    path.write_bytes(path.read_bytes()[:-1])


def longer(made: Made) -> None:
    path = made.header.with_suffix(".npy")
    path.write_bytes(path.read_bytes() + b"0")


def empty(made: Made) -> None:
    made.header.with_suffix(".npy").write_bytes(b"")


def reordered(made: Made) -> None:
    path = made.header.with_suffix(".txt")
    path.write_text("\n".join(reversed(path.read_text().split())) + "\n")


def without_list(made: Made) -> None:
    made.header.with_suffix(".txt").unlink()


def of_another_side(made: Made) -> None:
    made.header.write_text(json.dumps({**json.loads(made.header.read_text()), "side": SIDE + 1}))


def no_header(made: Made) -> None:
    made.header.write_text("{}")


def of_other_images(made: Made) -> None:
    made.dataset.info["digests"]["images"] = "0" * 64


def of_fewer_images(made: Made) -> None:
    made.dataset.missing = made.dataset.missing | {NAMES[0]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (truncated, "20.json: cannot be read as an image store"),
        (empty, "20.json: cannot be read as an image store"),
        (without_list, "20.json: cannot be read as an image store"),
        (no_header, "20.json: cannot be read as an image store"),
        (longer, "20.npy has not the size and shape that 20.json says"),
        (of_another_side, "20.npy has not the size and shape that 20.json says"),
        (reordered, "20.json: its list was changed, or .*Small has other images now"),
        (of_other_images, "20.json: its list was changed, or .*Small has other images now"),
        (of_fewer_images, "20.json: its list was changed, or .*Small has other images now"),
    ],
)
def test_a_store_that_is_not_what_it_was_is_one_sentence(made: Made, change: object, said: str) -> None:
    change(made)  # type: ignore[operator]
    with pytest.raises(DataError, match=said) as error:
        Store.open(made.header, made.dataset)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("store and run again.")


def test_the_digest_is_of_the_pixels_too(made: Made) -> None:
    before = Store.open(made.header, made.dataset).digest
    made.dataset.path(NAMES[0]).write_bytes(textured(99))
    write_store(made.dataset.folder, made.header, SIDE)
    assert Store.open(made.header, made.dataset).digest != before
