"""Images that are there already: a folder in NIH's, the release's or Kaggle's layout, linked and never changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from ham.datasets.download import link
from ham.datasets.records import write_record
from ham.datasets.settings import unsafe
from ham.errors import DataError, EnvironmentProblem
from ham.files import sha256
from ham.progress import track

ENDINGS = (".png", ".jpg", ".jpeg")
log = logging.getLogger("ham")


def link_images(folder: Path, images: Path, record: Path) -> None:
    """Link every image below ``folder`` as ``images``/<file name>, then write ``record``: csv name,bytes,sha256.

    The digest stays blank: the check, which reads every image anyway, takes it. The records of archives beside
    ``record`` are removed, because the links replace what was unpacked. Raises DataError for a folder without images,
    and for two files of one name that differ.
    """
    folder, images, record = Path(folder).expanduser().absolute(), Path(images), Path(record)
    images.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = _indexed(folder)
        for other in record.parent.glob("*.csv"):
            other.unlink()
        rows = []
        for name, path in track(sorted(found.items()), "Linking images"):
            rows.append((name, path.stat().st_size, ""))
            link(path, images / name)
    except OSError as error:
        raise EnvironmentProblem(f"{folder} could not be linked to {images}: {error.strerror or error}") from None
    write_record(record, rows)
    log.info("%s: %d images linked", folder, len(rows))


def _indexed(folder: Path) -> dict[str, Path]:
    """Every image by its file name."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: correct folder (below data:), or set it to null to fetch the archives")
    found: dict[str, Path] = {}
    for root in _roots(folder):
        for path in _images(root):
            first = found.setdefault(path.name, path)
            if first is not path and not _same(first, path):
                raise DataError(f"{first} and {path} have one name and different content: keep one of them")
    if not found:
        raise DataError(
            f"{folder} (folder below data:) has no images: images/*.png, images_001/images/*.png … or any folders with "
            "images are expected"
        )
    return found


def _roots(folder: Path) -> list[Path]:
    """Where the images are: images/ of NIH and of the release, Kaggle's images_001/ …, else the folder itself."""
    if (folder / "images").is_dir():
        return [folder / "images"]
    return [path for path in sorted(folder.glob("images_*")) if path.is_dir()] or [folder]


def _images(root: Path) -> Iterator[Path]:
    """The images below ``root`` in a fixed order; links are followed, a folder is entered once."""
    entered: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name.lower().endswith(ENDINGS) and not name.startswith(".") and not unsafe(name) and path.is_file():
                yield path


def _same(first: Path, second: Path) -> bool:
    if first.samefile(second):
        return True
    return first.stat().st_size == second.stat().st_size and sha256(first) == sha256(second)
