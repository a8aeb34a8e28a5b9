"""CSV tables from elsewhere, plain or, named so, packed by gzip, read in bounded pieces: a binary file, a bomb or a
million columns is an error, not a hang."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

from ham.datasets.description import normalised
from ham.errors import DataError

LARGEST_TABLE = 256 << 20  # bytes; Data_Entry has 9 MB
LONGEST_LINE = 1 << 16  # characters
MOST_COLUMNS = 1000
SAVE = "save it as CSV UTF-8, comma separated"
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}
KINDS = {  # by their first bytes
    b"PK\x03\x04": "an Excel workbook or another zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the old kind",
    b"\x1f\x8b": "packed by gzip",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


def read_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header fields, and rows with the number of their line, blank ones left out; DataError for what is no sane table.

    Letters have one spelling (NFC), whatever wrote them. Rows are read as they are asked for, and may raise DataError
    too.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise DataError(f"{path} has more than {LARGEST_TABLE >> 20} MiB: it is no table of this kind")
        if kind := _recognise(path):
            raise DataError(f"{path} is {kind}, no CSV text: {SAVE}")
        rows = _rows(path)
        _, header = next(rows, (0, []))
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    if not header:
        raise DataError(f"{path} is empty: a header and rows are expected")
    for sign, name in OTHER_SEPARATORS.items():
        if sum(field.count(sign) for field in header) >= len(header):
            raise DataError(f"{path} has {name} between its columns, commas are expected: {SAVE}")
    return [field.strip() for field in header], rows


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with _open_text(path) as file:
        reader = csv.reader(_lines(file))
        try:
            for row in reader:
                if len(row) > MOST_COLUMNS or any("\0" in field for field in row):
                    raise csv.Error(f"{len(row)} fields, or bytes that are no text")
                if any(row):
                    yield reader.line_num, [normalised(field) for field in row]
        except UnicodeDecodeError:
            raise DataError(_explain_letters(path)) from None
        except csv.Error as error:
            raise DataError(f"{path}, after line {reader.line_num}: no CSV text ({error}): {SAVE}") from None
        except (OSError, EOFError, zlib.error) as error:  # gzip's, cut or damaged in the middle
            raise _unreadable(path, error) from None


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def _open_text(path: Path) -> TextIO:
    return io.TextIOWrapper(_open(path), encoding="utf-8-sig", newline="")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


def _recognise(path: Path) -> str:
    """What a file is that programs for tables write beside CSV text, or blank."""
    with _open(path) as file:
        first = file.read(64)
    wide = len(first) >= 8 and (not any(first[1::2]) or not any(first[::2])) and any(first)
    for beginning, kind in KINDS.items():
        if first.startswith(beginning):
            return kind
    return "text in UTF-16" if wide else ""


def _explain_letters(path: Path) -> str:
    """That the first bytes which are no UTF-8 are none, with their line and what they probably mean."""
    with _open(path) as file:
        data = file.read(LARGEST_TABLE)
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if b"\0" not in data:
            start = max(data.rfind(b",", 0, error.start), data.rfind(b"\n", 0, error.start)) + 1
            end = min(place for place in (data.find(b",", start), data.find(b"\n", start), start + 40) if place > 0)
            word = data[start:end].decode("cp1252", "replace").strip()
            what = f"{word!r} in line {line} is not in UTF-8 but in Windows' or Latin letters"
            return f"{path}, after line {line - 1}: no CSV text ({what}): {SAVE}"
        return f"{path}, after line {line - 1}: no CSV text (bytes that are no letters): {SAVE}"
    return f"{path} was changed while it was read: run again"


def _lines(file: TextIO) -> Iterator[str]:
    read = 0
    while line := file.readline(LONGEST_LINE):
        read += len(line)
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line of {LONGEST_LINE} characters or more")
        if read > LARGEST_TABLE:
            raise csv.Error(f"more than {LARGEST_TABLE >> 20} MiB in all")
        yield line
