"""Rows of CSV tables of experts and of other methods, by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ham.datasets.sources.csv_text import read_csv
from ham.errors import DataError

Row = tuple[int, dict[str, str]]  # its line, and its fields by column, without spaces around them


def read_header(path: Path) -> list[str]:
    """The names of the columns."""
    return _read(path)[0]


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Rows with at least ``columns``; DataError for what is no such table, as it is read."""
    header, rows = _read(path)
    if absent := [name for name in columns if name not in header]:
        raise DataError(f"{path} has no column {', '.join(absent)} but {', '.join(header[:20])}: see its header.")
    for line, fields in rows:
        if len(fields) != len(header):
            raise DataError(f"{path}, line {line}: {len(fields)} fields, {len(header)} are expected.")
        yield line, dict(zip(header, map(str.strip, fields), strict=True))


def _read(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    header, rows = read_csv(path)
    if len(set(header)) < len(header):
        raise DataError(f"{path} has a column twice: a header that names each once is expected.")
    return header, rows
