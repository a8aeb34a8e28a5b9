"""The records of a data set's images: what was unpacked or linked, and what the check of each found."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ham.errors import DataError
from ham.runtime.files import written

LARGEST_IMAGE = 64 << 20  # bytes; an NIH image has 0.4 MiB
UNPACKED = ("name", "bytes", "sha256")
LINKED = (*UNPACKED, "seen")  # the last: time and inode, so that an image exchanged in place is another record
GREY, DEEP, TWELVE, TURNED = "grey", "16 bit", "12 bit", "turned"  # words that the form of an image is made of


class Checked(NamedTuple):
    """What an image file is.

    ``width`` and ``height`` are those of the image as people see it. ``form`` is "grey" (8 bit), "grey as RGBA" (or
    another mode, but nothing is lost in grey), "colour as RGB", "transparent as RGBA" or "grey 16 bit"; what else there
    is to say stands behind it: "grey, turned", "grey 16 bit, up to 4095, first of 2 pages". ``problem`` is empty for a
    file that can be decoded whole.
    """

    image: str
    bytes: int
    sha256: str
    width: int
    height: int
    form: str
    problem: str


def write_record(record: Path, rows: Iterable[tuple[str, int, str]]) -> None:
    """Write name, bytes and sha256 (blank: not taken yet) of the images that were unpacked or linked, in that order."""
    _write(record, UNPACKED, rows)


def write_linked_record(record: Path, images: Iterable[tuple[str, Path]]) -> None:
    """Write name, bytes, a blank for the digest, time and inode of images that lie where the user has them."""
    rows = ((name, status.st_size, "", _describe(status)) for name, path in images for status in (path.stat(),))
    _write(record, LINKED, rows)


def _describe(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_ino:x}"


def read_record(record: Path) -> list[tuple[str, int, str]]:
    """Name, bytes and sha256 (blank: not taken yet) of either kind of record."""
    with _reading(record, UNPACKED, LINKED) as rows:
        return [(name, int(size), digest) for name, size, digest, *_ in rows]


def write_checks(record: Path, rows: Iterable[Checked]) -> None:
    """Write what the check found, in the order of the images' record."""
    _write(record, Checked._fields, rows)


def read_checks(record: Path) -> list[Checked]:
    """What :func:`write_checks` wrote."""
    with _reading(record, Checked._fields) as rows:
        return [
            Checked(image, int(size), digest, int(width), int(height), form, problem)
            for image, size, digest, width, height, form, problem in rows
        ]


def _write(record: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    with written(record) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def _reading(record: Path, *headers: Sequence[str]) -> Iterator[Iterator[list[str]]]:
    """The rows below one of ``headers``; DataError for a file that has another."""
    try:
        with open(record, newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if next(rows, None) not in [[*header] for header in headers]:
                raise ValueError("another header")
            yield rows
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{record} is no record of images ({error}): remove it and run again") from None
