"""Images that are there already: a folder in NIH's, the release's, Kaggle's or any layout, linked and never changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Iterator
from pathlib import Path

from ham.datasets.acquire.image_records import write_linked_record
from ham.datasets.acquire.links import link
from ham.datasets.dataset import read_list
from ham.datasets.description import ENDINGS, explain_unsafe, normalised
from ham.errors import DataError, EnvironmentProblem
from ham.runtime.files import sha256
from ham.runtime.progress import track

log = logging.getLogger("ham")


def link_images(folder: Path, images: Path, record: Path, by_path: bool = False) -> None:
    """Link every image below ``folder`` as ``images``/<file name>, then write ``record``: csv name,bytes,sha256,seen.

    ``by_path``: an image is called by its whole path below ``folder`` instead, so that two may have one file name. The
    digest stays blank: the check, which reads every image anyway, takes it. The records of archives beside ``record``
    and their images are removed, because the links replace what was there. Raises DataError for a folder
    without images, and for two files of one name that differ.
    """
    folder, images, record = Path(folder).expanduser().absolute(), Path(images), Path(record)
    images.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = _find_images(folder, by_path)
        _remove_others(images, found, record.parent)
        for other in (*record.parent.glob("*.csv"), *record.parent.glob(".*.names")):
            other.unlink()
        for name, path in track(sorted(found.items()), "Linking images"):
            (images / name).parent.mkdir(parents=True, exist_ok=True)
            link(path, images / name)
        write_linked_record(record, sorted(found.items()))
    except OSError as error:
        raise EnvironmentProblem(f"{folder} could not be linked to {images}: {error.strerror or error}") from None
    log.info("%s: %d images linked", folder, len(found))


def _remove_others(images: Path, found: Container[str], records: Path) -> None:
    """Remove links to images that the folder has no more, and images that archives left; nothing else, for ``images``
    may be the user's own folder."""
    unpacked = {name for memory in records.glob(".*.names") for name in read_list(memory)}
    for place, _, names in os.walk(images):
        for path in (Path(place, name) for name in names):
            name = path.relative_to(images).as_posix()
            if name not in found and (path.is_symlink() or name in unpacked):
                path.unlink()


def _find_images(folder: Path, by_path: bool) -> dict[str, Path]:
    """Every image by its name."""
    key = "images in the description" if by_path else "data.folder"
    if not folder.is_dir():
        fetched = "" if by_path else ", or set it to null to fetch the archives"
        raise DataError(f"{folder} is no folder: correct {key}{fetched}")
    found: dict[str, Path] = {}
    for root in [folder] if by_path else _find_roots(folder):
        for path in _walk_images(root):
            name = normalised(path.relative_to(root).as_posix() if by_path else path.name)
            if explain_unsafe(name):
                continue
            first = found.setdefault(name, path)
            if first is not path and not _have_same_content(first, path):
                spelling = _explain_spelling(first, path)
                raise DataError(f"{first} and {path} have one name and different content: keep one of them{spelling}")
    if not found:
        layouts = (
            f"files that end in {', '.join(ENDINGS)}"
            if by_path
            else "images/*.png, images_001/images/*.png … or any folders with images"
        )
        raise DataError(f"{folder} ({key}) has no images: {layouts} are expected")
    return found


def _find_roots(folder: Path) -> list[Path]:
    """Where the images are: images/ of NIH and of the release, Kaggle's images_001/ …, else the folder itself."""
    if (folder / "images").is_dir():
        return [folder / "images"]
    return [path for path in sorted(folder.glob("images_*")) if path.is_dir()] or [folder]


def _walk_images(root: Path) -> Iterator[Path]:
    """The images below ``root`` in a fixed order; links are followed, by all ways but circles."""
    way: dict[str, frozenset[tuple[int, int]]] = {}  # of each folder to come: those that lead to it
    for current, folders, names in os.walk(root, followlinks=True):
        status = os.stat(current)
        here, above = (status.st_dev, status.st_ino), way.pop(current, frozenset())
        if here in above:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        way |= {os.path.join(current, name): above | {here} for name in folders}
        for name in sorted(names):
            path = Path(current, name)
            if name.lower().endswith(ENDINGS) and not name.startswith(".") and path.is_file():
                yield path


def _explain_spelling(first: Path, second: Path) -> str:
    """What two names that look alike differ in."""
    alike = first.parent != second.parent or first.name == second.name
    return "" if alike else " (their letters are alike, written as one sign in one and as two in the other)"


def _have_same_content(first: Path, second: Path) -> bool:
    if first.samefile(second):
        return True
    return first.stat().st_size == second.stat().st_size and sha256(first) == sha256(second)
