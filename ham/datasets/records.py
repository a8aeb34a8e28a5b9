"""The records of a data set's images: what was unpacked or linked, and what the check of each found."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ham.errors import DataError
from ham.files import written

LARGEST_IMAGE = 64 << 20  # bytes; an NIH image has 0.4 MiB
UNPACKED = ("name", "bytes", "sha256")
GREY, DEEP = "grey", "16 bit"  # forms of an image


class Checked(NamedTuple):
    """What an image file is.

    ``form`` is "grey" (8 bit), "grey as RGBA" (or another mode, but nothing is lost in grey), "colour as RGB",
    "transparent as RGBA" or "16 bit". ``problem`` is empty for a file that can be decoded whole.
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


def read_record(record: Path) -> list[tuple[str, int, str]]:
    """What :func:`write_record` wrote."""
    return [(name, _number(record, size), digest) for name, size, digest in _read(record, UNPACKED)]


def write_checks(record: Path, rows: Iterable[Checked]) -> None:
    """Write what the check found, in the order of the images' record."""
    _write(record, Checked._fields, rows)


def read_checks(record: Path) -> list[Checked]:
    """What :func:`write_checks` wrote."""
    return [
        Checked(image, _number(record, size), digest, _number(record, width), _number(record, height), form, problem)
        for image, size, digest, width, height, form, problem in _read(record, Checked._fields)
    ]


def _write(record: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    with written(record) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _read(record: Path, header: Sequence[str]) -> list[list[str]]:
    try:
        with open(record, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{record} cannot be read ({error}): remove it and run again") from None
    if not rows or rows[0] != [*header] or any(len(row) != len(header) for row in rows):
        raise DataError(f"{record} is no record of images ({', '.join(header)}): remove it and run again")
    return rows[1:]


def _number(record: Path, text: str) -> int:
    if not text.isdecimal():
        raise DataError(f"{record} is no record of images ({text!r} is no number): remove it and run again")
    return int(text)
