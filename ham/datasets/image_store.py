"""Image store: all images of a data set decoded and resized once, so that a sample costs no decoding.

Three files below ``<data set>/store/``, for a side of 512 pixels:

::

    512.npy    uint8 [N, 512, 512], grey, in the order of the list; any numpy reads it (np.load(…, mmap_mode="r"))
    512.txt    the N image ids in ascending order, one a line
    512.json   side, number of images, bytes, and digests of source images, list and pixels; written last, so that its
               presence says that the rest is whole

Images are resized bilinearly with Pillow's antialiasing to squares, as samples are. Resizing a second time, for a
sample, gives other pixels than resizing once: the store is a choice (``data.store``), and a training that used it is
another training. Boxes stay in pixels of the original images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ham.datasets.acquire.disk_space import need_space
from ham.datasets.dataset import Dataset, read_list
from ham.errors import DataError
from ham.images import read_grey, resized
from ham.runtime.files import sha256, write_json, write_text, written
from ham.runtime.process_pool import in_parallel
from ham.runtime.progress import track

CHUNK = 32  # images that a process decodes before it says so


def write_store(dataset_folder: Path, header: Path, side: int, workers: int = 1) -> None:
    """Decode and resize every image that is present, into ``header`` (``store/512.json``) and the files beside it.

    ``workers`` processes share the images; the files do not depend on their number. Raises DataError for an image that
    cannot be read, EnvironmentProblem when the disk is too small or a process is ended.
    """
    dataset = Dataset.open(dataset_folder)
    header = Path(header)
    images = _list_present(dataset)
    header.parent.mkdir(parents=True, exist_ok=True)
    for path in (header, *header.parent.glob(f".{side}-*")):  # the latter: what a killed build left
        path.unlink(missing_ok=True)
    need_space(header.parent, len(images) * side**2, "an image store")
    paths = [dataset.path(image) for image in images]
    with written(_pixels_path(header)) as temporary:
        start = _reserve(temporary, (len(images), side, side))
        tasks = [(start + first * side**2, paths[first : first + CHUNK]) for first in range(0, len(paths), CHUNK)]
        filled = in_parallel(partial(_fill, temporary, side), tasks, workers, "filling the image store")
        each = (image for done in filled for image in range(done))
        for _ in track(each, f"resizing images to {side} pixels", len(images)):
            pass
    write_text(_list_path(header), "".join(f"{image}\n" for image in images))
    write_json(header, _describe(header, side, images, dataset))


@dataclass(frozen=True)
class Store:
    """A store, opened: ``pixels`` uint8 [N, side, side] on disk, ``images`` bytes [N], their ids in ascending order.

    ``digest``: SHA-256 of the header, and so of everything the store holds and was made from.
    """

    side: int
    pixels: np.ndarray
    images: np.ndarray  # one buffer: loader processes would copy a dictionary of names page by page
    digest: str

    @classmethod
    def open(cls, header: Path, dataset: Dataset) -> Store:
        """The store of ``dataset`` that ``header`` describes.

        Checked: that it was made from this data set's images, that its list is the one that was written and names the
        images that are present, that the pixels have their shape and size. The pixels themselves (29 GB) are not read:
        ``sha256sum`` compares them with the header. DataError says what is wrong.
        """
        header = Path(header)
        again = f"remove {header.parent} and run again"
        try:
            told = json.loads(header.read_text(encoding="utf-8"))
            size, pixels = _pixels_path(header).stat().st_size, np.load(_pixels_path(header), mmap_mode="r")
            digest, images = sha256(_list_path(header)), read_list(_list_path(header))
            source, expected = (told["source"], told["list"]), (told["bytes"], (told["images"], *2 * (told["side"],)))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{header}: cannot be read as an image store ({error}): {again}.") from None
        if source != (dataset.info["digests"]["images"], digest) or images != _list_present(dataset):
            raise DataError(f"{header}: its list was changed, or {dataset.folder} has other images now: {again}.")
        if (size, pixels.shape) != expected or pixels.dtype != np.uint8:
            raise DataError(f"{_pixels_path(header)} has not the size and shape that {header.name} says: {again}.")
        return cls(told["side"], pixels, ids(images), sha256(header))

    def __getitem__(self, image: str) -> np.ndarray:
        """Pixels of an image that is present, uint8 [side, side]."""
        row = int(np.searchsorted(self.images, image.encode()))
        if row == len(self.images) or self.images[row] != image.encode():
            raise DataError(f"{image} is not in the image store.")
        return self.pixels[row]


def ids(images: Sequence[str]) -> np.ndarray:
    """Image ids as one array of bytes [N]."""
    return np.array([image.encode() for image in images], dtype=np.bytes_)


def _list_present(dataset: Dataset) -> list[str]:
    """The images that have a file, in ascending order."""
    return sorted(image for image in dataset.table.index.tolist() if image not in dataset.missing)


def _pixels_path(header: Path) -> Path:
    return header.with_suffix(".npy")


def _list_path(header: Path) -> Path:
    return header.with_suffix(".txt")


def _describe(header: Path, side: int, images: Sequence[str], dataset: Dataset) -> dict[str, Any]:
    return {
        "side": side,
        "images": len(images),
        "bytes": _pixels_path(header).stat().st_size,
        "source": dataset.info["digests"]["images"],
        "list": sha256(_list_path(header)),
        "pixels": sha256(_pixels_path(header)),
    }


def _reserve(path: Path, shape: tuple[int, int, int]) -> int:
    """Write the header of a .npy file and take room for its pixels; where they begin, in bytes."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        start = file.tell()
        file.truncate(start + int(np.prod(shape, dtype=np.int64)))
    return start


def _fill(target: Path, side: int, task: tuple[int, Sequence[Path]]) -> int:
    """Write some images, one after the other from a byte of ``target`` on; how many they were."""
    start, paths = task
    with open(target, "r+b") as file:
        file.seek(start)
        for path in paths:
            file.write(resized(read_grey(path), side).tobytes())
    return len(paths)
