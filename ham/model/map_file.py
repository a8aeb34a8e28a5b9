"""maps.npz: raw maps float32 [h, w] keyed image/finding and image/abnormality. The one writer and the one reader.

Apart from what is computed of maps, because it needs no torch. One map is in memory at a time, however many a file has.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from ham.datasets.dataset import pair_key
from ham.errors import DataError
from ham.runtime.files import written

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can tell: equal maps are equal bytes, whenever they are written
DAMAGES = (OSError, ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class MapWriter:
    """Writes maps as they come; :func:`write_maps` makes one."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, image: str, finding: str, raw: np.ndarray) -> None:
        """Append the map [h, w] of a finding (or ``abnormality``) in an image, as float32."""
        entry = zipfile.ZipInfo(f"{pair_key(image, finding)}.npy", EPOCH)
        entry.compress_type = self._archive.compression
        with self._archive.open(entry, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.asarray(raw, np.float32), allow_pickle=False)


@contextmanager
def write_maps(path: Path) -> Iterator[MapWriter]:
    """A writer of ``path``, which is there, whole, when the block ends, and not when it fails; ``np.load`` reads it."""
    with written(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        yield MapWriter(archive)


class MapReader:
    """Maps of a file by image and finding; :func:`read_maps` makes one."""

    def __init__(self, path: Path, file: NpzFile) -> None:
        self._path = path
        self._file = file

    def require(self, keys: Iterable[tuple[str, str]]) -> None:
        """DataError, with their number and the first, where maps of these images and findings are not in the file."""
        wanted = [pair_key(image, finding) for image, finding in keys]
        absent = [key for key in wanted if key not in self._file]
        if absent:
            raise DataError(
                f"{self._path}: {len(absent)} of {len(wanted)} maps are not in it, {absent[0]} for one: run the "
                "prediction of this split again, or write the missing maps."
            )

    def read(self, image: str, finding: str) -> np.ndarray:
        """The map float32 [h, w]; DataError where there is none, or none that can be read."""
        key = pair_key(image, finding)
        if key not in self._file:
            raise DataError(f"{self._path} has no map {key}: run the prediction of this split again.")
        try:
            raw = np.asarray(self._file[key], np.float32)
        except DAMAGES as problem:
            raise _damaged(self._path, f"map {key}: {problem}") from None
        if raw.ndim != 2 or not raw.size:
            raise _damaged(self._path, f"map {key} has the shape {raw.shape}, not [h, w]")
        if not np.isfinite(raw).all():
            raise _damaged(self._path, f"map {key} holds nan or infinite numbers")
        return raw


@contextmanager
def read_maps(path: Path) -> Iterator[MapReader]:
    """A reader of ``path``, which loads a map when it is asked for; DataError where the file is absent or damaged."""
    try:
        file = np.load(path)
    except FileNotFoundError:
        raise DataError(f"{path} is not there: run the prediction of this split.") from None
    except DAMAGES as problem:
        raise _damaged(path, str(problem)) from None
    if not isinstance(file, NpzFile):
        raise _damaged(path, "it holds one array, not arrays by name")
    with file:
        yield MapReader(path, file)


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} cannot be read as maps ({problem}): delete it and run the prediction of this split again."
    )
