"""From what a user names to images: files, folders and patterns, each once, and names for what is written of them."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ham.errors import DataError
from ham.inference.reader import is_candidate

LONGEST = 60  # letters of a file's own name in the names of what is written of it


def find_images(given: Iterable[str | Path], leave_out: Path | None = None) -> list[Path]:
    """The images of ``given`` files, folders (with all below them) and patterns such as ``scans/*.png``, in their
    order, a folder's by name; each file once, as it was named. DataError where one names nothing.

    ``leave_out``: a folder whose files are none, as that of an earlier run's pictures.
    """
    found: dict[Path, Path] = {}
    for name in given:
        some = False
        for path in _expand(Path(name)):
            real = path.resolve()
            if leave_out is None or not real.is_relative_to(leave_out.resolve()):
                found.setdefault(real, path)
            some = True
        if not some:
            raise DataError(f"{name}: no image is there; name files, folders or patterns in quotes.")
    return list(found.values())


def output_stem(name: str) -> str:
    """A name for files written of an image: safe in any folder, and another one for every other ``name``."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name).stem).strip("._")[:LONGEST]
    return f"{plain or 'image'}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:10]}"


def _expand(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(below for below in path.rglob("*") if below.is_file() and is_candidate(below))
    elif path.exists():
        yield path
    elif glob.has_magic(str(path)):
        for match in sorted(glob.glob(str(path), recursive=True)):
            yield from _expand(Path(match))
