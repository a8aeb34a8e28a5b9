"""CSV tables of experts and of other methods, plain or packed by gzip, read in bounded pieces."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ham.datasets.sources.csv_text import LARGEST_TABLE, LONGEST_LINE, MOST_COLUMNS
from ham.errors import DataError

Row = tuple[int, dict[str, str]]  # its line, and its fields by column, without spaces around them


def read_header(path: Path) -> list[str]:
    """The names of the columns."""
    with _open(path) as file:
        return _split(path, file)[0]


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Rows with at least ``columns``; DataError for what is no such table, as it is read."""
    with _open(path) as file:
        header, rows = _split(path, file)
        if absent := [name for name in columns if name not in header]:
            raise DataError(f"{path} has no column {', '.join(absent)} but {', '.join(header[:20])}: see its header.")
        for line, fields in rows:
            if len(fields) != len(header):
                raise DataError(f"{path}, line {line}: {len(fields)} fields, {len(header)} are expected.")
            yield line, dict(zip(header, map(str.strip, fields), strict=True))


def _open(path: Path) -> IO[str]:
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise DataError(f"{path} has more than {LARGEST_TABLE >> 20} MiB: it is no table of this kind.")
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _split(path: Path, file: IO[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    rows = _rows(path, file)
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    if not header or len(set(header)) < len(header):
        raise DataError(f"{path} has no header, or a column twice: CSV with a header is expected.")
    return header, rows


def _rows(path: Path, file: IO[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(path, file))
    try:
        for fields in reader:
            if len(fields) > MOST_COLUMNS:
                raise csv.Error(f"{len(fields)} fields")
            if any(fields):
                yield reader.line_num, fields
    except (csv.Error, ValueError, OSError, EOFError, zlib.error) as error:  # a wrong letter is a ValueError
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}, after line {reader.line_num}: no CSV text in UTF-8 ({reason}).") from None


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    read = 0
    while line := file.readline(LONGEST_LINE):
        read += len(line)
        if len(line) == LONGEST_LINE or read > LARGEST_TABLE:
            raise csv.Error(f"a line of {LONGEST_LINE} characters, or more than {LARGEST_TABLE >> 20} MiB in all")
        yield line
