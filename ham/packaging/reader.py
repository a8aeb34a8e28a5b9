"""Reading a package that anyone may have made: nothing of it is believed before its checksums are right, and no name in
it leads anywhere but below the folder that it is read into."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ham.datasets.acquire.disk_space import need_space
from ham.datasets.description import explain_unsafe
from ham.errors import DataError
from ham.packaging.manifest import SUMS
from ham.runtime.progress import track

MOST_FILES = 100_000
LARGEST = 16 << 30  # bytes of all files together
LARGEST_SUMS = 32 << 20
PIECE = 1 << 20
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class Package:
    """A package, opened: its files by name, with their sizes in bytes."""

    path: Path
    sizes: dict[str, int]

    def open(self, name: str) -> IO[bytes]:
        """A file of the package, read from its first byte."""
        raise NotImplementedError


@contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """The package in the .zip at ``path``, or in the folder whose SHA256SUMS that is.

    DataError where it is damaged, too large, or holds names that lead elsewhere, links, or one name twice.
    """
    if path.name == SUMS:
        yield _Folder(path.parent)
        return
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise DataError(f"{path} is no whole .zip ({error}): fetch it again.") from None
    with archive:
        yield _Zip(path, archive)


class _Zip(Package):
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{path}: {entry.filename!r} is a link or device: this is no package of ham.")
            if entry.flag_bits & 1:
                raise DataError(f"{path}: {entry.filename!r} is encrypted: this is no package of ham.")
        if SUMS not in archive.namelist():  # of half a package, the last array's file may be taken for the archive
            raise DataError(f"{path} holds no {SUMS}: it is no package of ham, or part of one: fetch it again.")
        _refuse_names(path, [entry.orig_filename for entry in entries])
        self.sizes = {entry.filename: entry.file_size for entry in entries}
        _refuse_sizes(path, self.sizes)

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(name)


class _Folder(Package):
    def __init__(self, folder: Path) -> None:
        self.path = folder
        with self.open(SUMS) as file:
            names = [SUMS, *parse_sums(file.read(LARGEST_SUMS + 1), folder)]
        self.sizes = {name: self._find(name).stat().st_size for name in names}
        _refuse_sizes(folder, self.sizes)

    def open(self, name: str) -> IO[bytes]:
        return os.fdopen(os.open(self._find(name), os.O_RDONLY | os.O_NOFOLLOW), "rb")

    def _find(self, name: str) -> Path:
        """The regular file of a name; no link is followed, wherever it leads."""
        path = self.path
        for part in name.split("/"):
            path = path / part
            if path.is_symlink():
                raise DataError(f"{path} is a link: a package holds none, unpack it again.")
        if not path.is_file():
            raise DataError(f"{path} is not there, or no file: unpack the package again.")
        return path


def parse_sums(content: bytes, path: Path) -> dict[str, str]:
    """Name to digest of a SHA256SUMS; DataError where it is none, or names what may not be a name."""
    if len(content) > LARGEST_SUMS:
        raise DataError(f"{path}: its {SUMS} is too long for a package's.")
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise DataError(f"{path}: its {SUMS} is no text.") from None
    found = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in lines if line]
    if None in found or not found:
        raise DataError(f"{path}: its {SUMS} is no list of checksums.")
    names = [match[2] for match in found if match]
    _refuse_names(path, names)
    return {match[2]: match[1] for match in found if match}


def verify(package: Package, wanted: Mapping[str, Path]) -> dict[str, str]:
    """Check every file of ``package`` against its SHA256SUMS; copy those of ``wanted`` (name to target) on the way.

    Gives name to SHA-256. DataError where a file is damaged, lacking, listed nowhere, or ``wanted`` and not there.
    """
    with _readable(package, SUMS) as file:
        sums = parse_sums(file.read(LARGEST_SUMS + 1), package.path)
    if unlisted := sorted(set(package.sizes) - set(sums) - {SUMS}):
        raise DataError(f"{package.path}: {unlisted[0]!r} stands in no {SUMS}: this is no package of ham.")
    for what, names in (("the package", sums), ("what is asked for", wanted)):
        if lacking := sorted(set(names) - set(package.sizes)):
            raise DataError(f"{package.path}: {lacking[0]} is not there, and is part of {what}.")
    for target in {target.parent for target in wanted.values()}:
        target.mkdir(parents=True, exist_ok=True)
    for target in list(wanted.values())[:1]:
        need_space(target.parent, sum(package.sizes[name] for name in wanted), "what is restored")
    for name, digest in track(sums.items(), "Verifying the package", len(sums)):
        if _copy(package, name, wanted.get(name)) != digest:
            raise DataError(f"{package.path}: {name} is not what its {SUMS} says: fetch or unpack the package again.")
    return sums


def _copy(package: Package, name: str, target: Path | None) -> str:
    """Digest of a file of the package, which is written to ``target`` where there is one."""
    digest = hashlib.sha256()
    left = package.sizes[name]
    with _readable(package, name) as source, open(target or os.devnull, "wb") as out:
        while piece := source.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise DataError(f"{package.path}: {name} is longer than it says: this is no package of ham.")
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


@contextmanager
def _readable(package: Package, name: str) -> Iterator[_Reader]:
    """A file of the package, whose damage is one sentence."""
    try:
        try:
            file = package.open(name)
        except DAMAGE as error:
            raise _DamagedError(error) from None
        with file:
            yield _Reader(file)
    except _DamagedError as error:
        raise DataError(f"{package.path}: {name} cannot be read ({error}): fetch it again.") from None


class _DamagedError(Exception):
    """Bytes that cannot be read, as distinct from a target that cannot be written."""


class _Reader:
    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int) -> bytes:
        try:
            return self.file.read(size)
        except DAMAGE as error:
            raise _DamagedError(error) from None


def _refuse_names(path: Path, names: list[str]) -> None:
    if len(names) > MOST_FILES:
        raise DataError(f"{path} has {len(names):,} files: this is no package of ham.")
    seen: set[str] = set()
    for name in names:
        if reason := explain_unsafe(name):
            raise DataError(f"{path}: the name {name!r} {reason}: this is no package of ham, nothing of it is used.")
        if name in seen:
            raise DataError(f"{path}: {name!r} is there twice: this is no package of ham, nothing of it is used.")
        seen.add(name)


def _refuse_sizes(path: Path, sizes: Mapping[str, int]) -> None:
    if (total := sum(sizes.values())) > LARGEST:
        raise DataError(f"{path} would take {total / 1e9:.0f} GB: this is no package of ham, nothing of it is used.")
