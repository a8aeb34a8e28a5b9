"""Arrays from elsewhere, whose headers are read before a byte of their numbers: .npy, .npz and grey .png.

Nothing is unpickled. One plane is in memory at a time, and none that is larger than ``LARGEST`` across.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from ham.datasets.description import explain_unsafe
from ham.errors import DataError

LARGEST = 4096  # rows and columns of a map
KINDS = "fiub"  # floating point, whole numbers, truth values: what a map may hold
WIDEST = 8  # bytes of a number
PNG_MODES = ("1", "L", "I;16", "I;16B", "I")
DAMAGES = (OSError, ValueError, TypeError, EOFError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error)


class Header(NamedTuple):
    """What a .npy says of itself."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def read_npy(path: Path, plane: int, planes: int) -> np.ndarray:
    """Plane ``plane`` of a .npy of [planes, h, w], or all of one of [h, w] where ``planes`` is 1: float32 [h, w]."""
    try:
        with path.open("rb") as file:
            return _read_plane(path, file, plane, planes)
    except DAMAGES as problem:
        raise _unreadable(path, problem) from None


def read_npz(path: Path, names: Sequence[str], plane: int) -> np.ndarray | None:
    """Map float32 [h, w] of ``names[plane]`` in a .npz of an array a name, or of one array [names, h, w]; None where
    the file has arrays by name and not this one."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member.filename for member in archive.infolist()]
            _check_members(path, members, names)
            own = f"{names[plane]}.npy"
            single = len(members) == 1 and members[0].removesuffix(".npy") not in names
            if not single and own not in members:
                return None
            with archive.open(members[0] if single else own) as file:
                return _read_plane(path, file, plane if single else 0, len(names) if single else 1)
    except DAMAGES as problem:
        raise _unreadable(path, problem) from None


class KeyedArchive:
    """A .npz of a map [h, w] a key, opened once: the form of :mod:`ham.model.map_file`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except DAMAGES as problem:
            raise _unreadable(path, problem) from None
        self._members = frozenset(self._archive.namelist())

    def read(self, key: str) -> np.ndarray | None:
        """The map float32 [h, w] of a key; None where there is none."""
        if f"{key}.npy" not in self._members:
            return None
        try:
            with self._archive.open(f"{key}.npy") as file:
                return _read_plane(self._path, file, 0, 1)
        except DAMAGES as problem:
            raise _unreadable(self._path, problem) from None

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


def read_png(path: Path) -> np.ndarray:
    """A grey .png, of 8 or 16 bits, as float32 [h, w]."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            _check_size(path, (image.height, image.width))
            if image.mode not in PNG_MODES:
                raise DataError(f"{path} is a picture in colour ({image.mode}), not a map: save it as grey.")
            return np.asarray(image).astype(np.float32)
    except Image.DecompressionBombError:
        raise DataError(f"{path} is larger than {LARGEST} x {LARGEST} pixels: save the map smaller.") from None
    except DAMAGES as problem:
        raise _unreadable(path, problem) from None


def _read_plane(path: Path, file: IO[bytes], plane: int, planes: int) -> np.ndarray:
    header = _read_header(path, file)
    expected = "[h, w]" if planes == 1 else f"[{planes}, h, w], a plane a finding"
    stacked = header.shape[1:] if len(header.shape) == 3 and header.shape[0] == planes else None
    shape = header.shape if len(header.shape) == 2 and planes == 1 else stacked
    if shape is None:
        raise DataError(f"{path} holds an array of the shape {header.shape}, not {expected}.")
    _check_size(path, shape)
    if header.fortran and planes > 1:
        raise DataError(f"{path} is stored column by column: save np.ascontiguousarray of it.")
    size = math.prod(shape) * header.dtype.itemsize
    _skip(file, plane * size)
    data = file.read(size)
    if len(data) < size:
        raise DataError(f"{path} ends before its numbers do: write it again.")
    flat = np.frombuffer(data, dtype=header.dtype)
    with np.errstate(over="ignore"):
        return flat.reshape(shape, order="F" if header.fortran else "C").astype(np.float32)


def _skip(file: IO[bytes], size: int) -> None:
    if file.seekable():
        file.seek(size, 1)  # a member of an archive reads on in pieces
        return
    while size > 0 and (passed := len(file.read(min(size, 1 << 20)))):
        size -= passed


def _read_header(path: Path, file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{path} is a .npy of version {version[0]}.{version[1]}, which no plain array needs.")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header = Header(*read(file))
    if header.dtype.kind not in KINDS or header.dtype.itemsize > WIDEST:
        raise DataError(f"{path} holds {header.dtype}, not numbers: save the map as float32; nothing is unpickled.")
    return header


def _check_size(path: Path, shape: Sequence[int]) -> None:
    if not all(0 < side <= LARGEST for side in shape):
        raise DataError(f"{path} holds a map of {' x '.join(map(str, shape))}: from 1 to {LARGEST} a side can be read.")


def _check_members(path: Path, members: Sequence[str], names: Sequence[str]) -> None:
    for member in members:
        if explain_unsafe(member) or len(PurePosixPath(member).parts) != 1 or not member.endswith(".npy"):
            raise DataError(f"{path} has a member {member[:100]!r}, which is no array of a .npz: write it again.")
    unknown = [member for member in members if member.removesuffix(".npy") not in names]
    if unknown and len(members) > 1:
        raise DataError(f"{path} has an array {unknown[0][:100]}, which is not among the findings of maps.yaml.")
    if len(set(members)) < len(members) or not members:
        raise DataError(f"{path} has no array, or one twice: write it again.")


def _unreadable(path: Path, problem: BaseException) -> DataError:
    reason = " ".join(str(problem).split())[:200]
    return DataError(f"{path} cannot be read as a map ({reason}): write it again.")
