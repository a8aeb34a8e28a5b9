"""CSV tables from elsewhere, read in bounded pieces: a binary file or a million columns is an error, not a hang."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ham.datasets.description import normalised
from ham.errors import DataError

LARGEST_TABLE = 256 << 20  # bytes; Data_Entry has 9 MB
LONGEST_LINE = 1 << 16  # characters
MOST_COLUMNS = 1000


def read_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header fields, and rows with the number of their line, blank ones left out; DataError for what is no sane table.

    Letters have one spelling (NFC), whatever wrote them. Rows are read as they are asked for, and may raise DataError
    too.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise DataError(f"{path} has more than {LARGEST_TABLE >> 20} MiB: it is no table of this kind")
        rows = _rows(path)
        _, header = next(rows, (0, []))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if not header:
        raise DataError(f"{path} is empty: get it again")
    return [field.strip() for field in header], rows


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(_lines(file))
        try:
            for row in reader:
                if len(row) > MOST_COLUMNS or any("\0" in field for field in row):
                    raise csv.Error(f"{len(row)} fields, or bytes that are no text")
                if any(row):
                    yield reader.line_num, [normalised(field) for field in row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}, after line {reader.line_num}: no CSV text ({error}): get it again") from None


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line of {LONGEST_LINE} characters or more")
        yield line
