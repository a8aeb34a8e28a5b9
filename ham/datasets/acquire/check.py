"""The full check: every image is read and decoded once, and what it is goes to a record that conversion judges."""

from __future__ import annotations

import hashlib
import io
import logging
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from ham.datasets.acquire.image_records import (
    DEEP,
    GREY,
    LARGEST_IMAGE,
    TURNED,
    TWELVE,
    Checked,
    read_record,
    write_checks,
)
from ham.images import TIFF_BITS, TIFF_BLACK, decode, is_turned, open_image
from ham.runtime.process_pool import in_parallel
from ham.runtime.progress import track

MOST_PIXELS = 64 << 20  # NIH: 1 Mi, CheXpert: about 9 Mi; a file of some kB may claim thousands of Mi
WORTH_A_PROCESS = 500  # images; starting one takes as long as decoding some hundred
DARK = 16383  # a deep image with nothing beyond uses 14 bits or fewer in the room of 16, and is read as dark
log = logging.getLogger("ham")


def check_images(images: Path, record: Path, output: Path, workers: int = 1) -> None:
    """Check every image of ``record`` (written by unpacking or linking) below ``images``, and write ``output``.

    ``output`` is a csv with the fields of :class:`Checked`, in the record's order. A bad image is no error here: it has
    its problem in the file, so that all are found at once. ``workers`` processes share the images.
    """
    rows = read_record(record)
    workers = min(workers, len(rows) // WORTH_A_PROCESS)
    looks = in_parallel(partial(_check_image, Path(images)), rows, workers, "checking images", at_once=32)
    found = list(track(looks, f"checking {Path(record).stem}", len(rows)))
    write_checks(output, found)
    log.info("%s: %d images, %d cannot be read", Path(record).stem, len(found), sum(bool(c.problem) for c in found))


def _check_image(images: Path, row: tuple[str, int, str]) -> Checked:
    name, size, digest = row
    found, width, height, form = "", 0, 0, ""
    try:
        with open(images / name, "rb") as file:
            data = file.read(LARGEST_IMAGE + 1)
        if len(data) > LARGEST_IMAGE:
            raise ValueError(f"more than {LARGEST_IMAGE >> 20} MiB")
        found = hashlib.sha256(data).hexdigest()
        if len(data) != size or found != (digest or found):
            raise ValueError("other bytes than were unpacked")
        width, height, form = _decode(data)
        problem = ""
    except UnidentifiedImageError:  # its own text holds an address in memory
        problem = "cannot be used (no PNG, JPEG, TIFF or BMP image, or a kind of these that Pillow cannot read)"
    except Exception as error:  # a damaged file makes Pillow raise whatever its parsers come upon
        text = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        problem = f"cannot be used ({text or type(error).__name__})"
    return Checked(name, size, found, width, height, form, problem)


def _decode(data: bytes) -> tuple[int, int, str]:
    """Width, height and form of an image file as people see it, decoded to its last pixel."""
    with open_image(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"{width} x {height} pixels, more than any radiograph")
        image.verify()  # the checksum of each chunk, which decoding passes over
    with open_image(io.BytesIO(data)) as image:
        said = [TURNED] if is_turned(image) else []
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        said += [f"first of {pages} pages"] if pages > 1 else []
        deep = _is_deep(image, data)
        seen = decode(image)  # of a deep image, ``image`` keeps the numbers
        seen.convert("L")  # as it will be read; of some spaces of colour there is no grey
        if not deep:
            return *seen.size, ", ".join([_name_form(seen), *said])
        if image.mode == seen.mode:  # Pillow reduces colour to 8 bit without a word
            form = _name_form(seen)
            return *seen.size, ", ".join([f"{form.split()[0]} {DEEP}{form.removeprefix(form.split()[0])}", *said])
        tags = getattr(image, "tag_v2", {})
        if tags.get(TIFF_BITS, (16,))[0] == 12:
            return *seen.size, ", ".join([f"{GREY} {TWELVE}", *said])
        largest = int(np.asarray(image).max())
        dark = [f"up to {largest}"] if largest <= DARK and tags.get(TIFF_BLACK) != 0 else []
        return *seen.size, ", ".join([f"{GREY} {DEEP}", *dark, *said])


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether an image has more than 8 bits a channel."""
    if image.format == "PNG":
        return data[24] == 16
    return max(getattr(image, "tag_v2", {}).get(TIFF_BITS, (8,))) > 8


def _name_form(image: Image.Image) -> str:
    if image.mode == "L":
        return GREY
    red, green, blue, alpha = image.convert("RGBA").split()
    if alpha.getextrema()[0] != 255:
        return f"transparent as {image.mode}"
    same = not ImageChops.difference(red, green).getbbox() and not ImageChops.difference(red, blue).getbbox()
    return f"{GREY if same else 'colour'} as {image.mode}"
