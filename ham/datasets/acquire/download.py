"""Fetching the files of a distribution: from a folder, where they stay, or from an address, resumed and verified.

Nothing stands under a file's name before its content has been verified: a download grows in ``<name>.part``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit, urlunsplit

import requests

from ham.datasets.acquire.checksum_record import record_checksum
from ham.datasets.acquire.disk_space import need_space
from ham.datasets.acquire.links import link
from ham.datasets.description import PUBLISHED, FileEntry, is_address
from ham.errors import DownloadError
from ham.runtime.progress import track

MIB = 1 << 20
PIECE = 1 << 16  # bytes; what a cut connection loses at most
ATTEMPTS = 6  # in a row without a further byte
PAUSE = 2.0  # seconds before the second attempt, doubled before each further one
LONGEST_PAUSE = 120.0
TIMEOUT = (30.0, 90.0)  # seconds to connect, between two bytes
LONGEST = 64 << 30  # bytes taken from a server that does not say how many it has
LONGEST_SUMS = 16 * MIB  # bytes of a SHA256SUMS
HEAD = 4096  # bytes that tell the kind of a file
SUMS = "SHA256SUMS"
PACKED = {".gz": (b"\x1f\x8b", "gzip"), ".zip": (b"PK", "zip")}  # how such files start, and what they are called
# Compressed transfer would make Range count other bytes than the file's.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "ham (chest radiograph localization)"}
log = logging.getLogger("ham")


@dataclass(frozen=True)
class _Expected:
    """What is known beforehand of a file: digests (none: unknown), size."""

    digests: tuple[str, ...]  # of kind ``hashed``
    hashed: str  # "md5" or "sha256"
    size: int | None


class _InterruptedError(Exception):
    """An attempt that may go better next time."""


def fetch(entry: FileEntry, target: Path, mirror: str | None, folder: str | None = None) -> None:
    """Put the verified file of ``entry`` at ``target``, and beside it what it was verified by.

    ``mirror`` is a folder (the file is verified there and linked, never copied or changed), an http(s) address (the
    file is below it) or None (the entry's own address). Verified by the entry's digests, else by the mirror's
    SHA256SUMS, else for being the kind of file it should be. ``folder`` is one that has the images: a table or list
    beside them is linked where its digest is right. Raises DownloadError, and EnvironmentProblem for want of room.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if folder and _link_from_beside_images(entry, target, Path(folder).expanduser().absolute()):
        return
    if mirror and not is_address(mirror):
        _link_from_mirror(entry, target, Path(mirror).expanduser().absolute())
        return
    address = f"{mirror.rstrip('/')}/{quote(entry.name)}" if mirror else entry.address
    if address is None:
        raise DownloadError(
            f"{entry.name} has no address in its description: set mirror (below data:) to a folder or address with it"
        )
    known = entry.sha256 or entry.md5
    try:
        expected = _expect(entry, _fetch_sums(mirror) if mirror and not known else "")
        _download(entry, target, address, expected)
        _record(target, expected)
    except OSError as error:
        raise DownloadError(f"{target} cannot be written: {error.strerror or error}") from None


def _record(target: Path, expected: _Expected) -> None:
    record_checksum(target, expected.hashed, expected.digests[0] if expected.digests else None)


def _expect(entry: FileEntry, sums: str) -> _Expected:
    if entry.sha256:
        return _Expected(entry.sha256, "sha256", entry.bytes)
    if entry.md5:
        return _Expected((entry.md5,), "md5", entry.bytes)
    for line in sums.splitlines():
        digest, _, name = line.strip().partition(" ")
        if name.strip().removeprefix("*").removeprefix("./") == entry.name:
            return _Expected((digest.lower(),), "sha256", entry.bytes)
    log.warning("%s: no checksum is known, neither in its description nor in a %s of the mirror", entry.name, SUMS)
    return _Expected((), "sha256", entry.bytes)


def _link_from_mirror(entry: FileEntry, target: Path, mirror: Path) -> None:
    source = mirror / entry.name
    if not source.is_file():
        what = "has no such file" if mirror.is_dir() else "is no folder"
        raise DownloadError(f"mirror {mirror} {what} ({entry.name}): correct mirror (below data:) or the description")
    try:
        expected = _verify_in_mirror(source, entry, mirror)
    except OSError as error:
        raise DownloadError(f"{source} cannot be read: {error.strerror or error}") from None
    link(source, target)
    if target.is_symlink():  # nothing is written into a mirror, where that is the target's own folder
        _record(target, expected)


def verify_linked(entry: FileEntry, path: Path) -> None:
    """Verify a file that is a link into a mirror once more, as :func:`fetch` did: what stands there may be another now.

    A file of our own, which was downloaded and verified, is left alone. Raises DownloadError.
    """
    if not path.is_symlink():
        return
    source = path.resolve()
    mirror = source.parents[len(Path(entry.name).parts) - 1]
    try:
        _record(path, _verify_in_mirror(source, entry, mirror))
    except OSError as error:
        raise DownloadError(f"{source} cannot be read: {error.strerror or error}") from None


def _verify_in_mirror(source: Path, entry: FileEntry, mirror: Path) -> _Expected:
    """What the file ``source`` of a mirror was verified by: the description's digests, else the mirror's SHA256SUMS."""
    sums = (mirror / SUMS).read_text(encoding="utf-8") if (mirror / SUMS).is_file() else ""
    expected = _expect(entry, sums)
    _verify(source, entry, expected)
    return expected


def _link_from_beside_images(entry: FileEntry, target: Path, folder: Path) -> bool:
    """Whether ``folder``, in NIH's or the release's layout, has the file of ``entry``; then ``target`` links to it."""
    name = entry.name.removeprefix(PUBLISHED)
    for source in (folder / entry.name, folder / name, folder / "ImageSets/Main" / name):
        if not entry.sha256 or not source.is_file():
            continue
        expected = _expect(entry, "")
        try:
            _verify(source, entry, expected)
        except (DownloadError, OSError) as error:
            log.warning("%s is not used: %s", source, error)
            continue
        link(source, target)
        _record(target, expected)
        return True
    return False


def _verify(path: Path, entry: FileEntry, expected: _Expected) -> None:
    """Raise DownloadError unless ``path`` has the expected size, kind and digest."""
    size = path.stat().st_size
    if expected.size is not None and size != expected.size:
        raise DownloadError(
            f"{path} has {size} bytes, {expected.size} are expected: it is another file, or part of one"
        )
    with open(path, "rb") as file:
        wrong = _recognise_wrong_kind(entry.name, file.read(HEAD))
    if wrong:
        raise DownloadError(f"{path} is {wrong}, not what its name says")
    if expected.digests:
        found = _digest(path, expected.hashed)
        if found not in expected.digests:
            wanted = " or ".join(expected.digests)
            raise DownloadError(
                f"{path} has {expected.hashed} {found}, {wanted} is expected: it is damaged or another file"
            )


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        chunks = iter(lambda: file.read(MIB), b"")
        for chunk in track(chunks, f"Checking {path.name} (MiB)", -(-path.stat().st_size // MIB)):
            digest.update(chunk)
    return digest.hexdigest()


def _recognise_wrong_kind(name: str, head: bytes) -> str | None:
    """What a file that starts with ``head`` is, if it is not what ``name`` says; servers send error pages as files."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for ending, (start, form) in PACKED.items():
        if name.endswith(ending):
            return None if head.startswith(start) else "a web page" if text.startswith(b"<") else f"no {form} file"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    elif b"\0" in head:
        return "no text"
    return None


def _download(entry: FileEntry, target: Path, address: str, expected: _Expected) -> None:
    """Stream ``address`` to ``target``.part until whole, verify, rename.

    A part left by an earlier run is continued only where a digest will tell whether the two halves belong together.
    """
    part = target.with_name(target.name + ".part")
    if not expected.digests:
        part.unlink(missing_ok=True)
    for fresh in (False, True):
        _download_part(entry, part, address, expected.size)
        try:
            _verify(part, entry, expected)
            break
        except DownloadError as error:
            part.unlink()  # or every later run would resume the damage
            if fresh:
                raise DownloadError(f"{error} (twice, from {hide_secrets(address)})") from None
            log.warning("%s; fetching it again from its first byte", error)
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _download_part(entry: FileEntry, part: Path, address: str, size: int | None) -> None:
    """Attempt after attempt until ``part`` is whole; gives up after ATTEMPTS that brought nothing."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _request_rest(entry, part, address, size)
            return
        except (_InterruptedError, requests.RequestException) as error:
            reason = _explain(error)
        grown = part.exists() and part.stat().st_size > before
        failures = 1 if grown else failures + 1
        if failures >= ATTEMPTS:
            raise DownloadError(
                f"{hide_secrets(address)}: {reason}, {ATTEMPTS} times in a row: run again later, it goes on there"
            )
        pause = min(PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
        log.warning("%s: %s; trying again in %.0f s", entry.name, reason, pause)
        time.sleep(pause)


def _request_rest(entry: FileEntry, part: Path, address: str, size: int | None) -> None:
    """One request, from the static address each time: what it redirects to is signed and short-lived."""
    start = part.stat().st_size if part.exists() else 0
    if size is not None and start == size and start > 0:
        return
    if size is not None and start > size:
        part.unlink()
        start = 0
    headers = HEADERS | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        _refuse_status(response, address, part, start)
        start, total = _read_range(response, start)
        if size is not None and total is not None and total != size:
            raise _InterruptedError(f"the server has {total} bytes where {size} are expected")
        need_space(part.parent, (total or size or 0) - start, entry.name)
        pieces = response.iter_content(PIECE)
        if start == 0:
            first = next(pieces, b"")
            wrong = _recognise_wrong_kind(entry.name, first[:HEAD])
            if wrong:
                raise _InterruptedError(f"the server sent {wrong}")
            pieces = _prepend(first, pieces)
        _append(part, pieces, start, total, size or total or LONGEST, entry.name)
    if total is not None and part.stat().st_size != total:
        raise _InterruptedError(f"the connection ended after {part.stat().st_size} of {total} bytes")


def _append(part: Path, pieces: Iterator[bytes], start: int, total: int | None, longest: int, name: str) -> None:
    """Write ``pieces`` behind the first ``start`` bytes of ``part``, which may not have more than ``longest`` then."""
    with open(part, "ab" if start else "wb") as file:
        left = None if total is None else (total - start) // MIB
        for _ in track(_write_by_mib(pieces, file), f"Downloading {name} (MiB)", left):
            if file.tell() > longest + MIB:
                break
    if part.stat().st_size > longest:
        part.unlink()
        raise _InterruptedError(f"the server sent more than the {longest} bytes that are expected")


def _write_by_mib(pieces: Iterator[bytes], file: BinaryIO) -> Iterator[int]:
    """Write ``pieces`` to ``file``, yielding at every full MiB."""
    done = 0
    for piece in pieces:
        file.write(piece)
        before, done = done, done + len(piece)
        yield from range(before // MIB, done // MIB)


def _prepend(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _refuse_status(response: requests.Response, address: str, part: Path, start: int) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status == 416 and start:  # the part is longer than the file, or all of it and unknown to be
        part.unlink()
        raise _InterruptedError("what was there already does not fit the server's file")
    if status in (408, 425, 429) or status >= 500:
        raise _InterruptedError(f"the server answered {status}")
    if response.history:  # what the static address leads to is signed and expires
        raise _InterruptedError(f"what the address redirects to answered {status}")
    raise DownloadError(f"{hide_secrets(address)}: the server answered {status} ({response.reason}): check the address")


def _read_range(response: requests.Response, start: int) -> tuple[int, int | None]:
    """Where the answer's first byte belongs, and the size of the whole file where the server tells."""
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not match or int(match[1]) != start:
            raise _InterruptedError("the server sent another range than asked for")
        return start, None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None  # 200: Range was ignored, all of it comes again


def _fetch_sums(mirror: str) -> str:
    """The mirror's SHA256SUMS; empty only when the server says that there is none."""
    address = f"{mirror.rstrip('/')}/{SUMS}"
    reason = ""
    for attempt in range(ATTEMPTS):
        time.sleep(min(PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) if attempt else 0)
        try:
            status, content = _get_small_file(address, LONGEST_SUMS)
        except requests.RequestException as error:
            reason = _explain(error)
            continue
        if status == 200 and _recognise_wrong_kind(SUMS, content[:HEAD]) is None:
            return content.decode("utf-8", "replace")
        if status in (200, 403, 404, 410):
            return ""
        reason = f"the server answered {status}"
    raise DownloadError(f"{hide_secrets(address)}: {reason}: check mirror (below data:) and the network")


def _get_small_file(address: str, longest: int) -> tuple[int, bytes]:
    """Status and content of a small file."""
    content = b""
    with requests.get(address, headers=HEADERS, stream=True, timeout=TIMEOUT) as response:
        for piece in response.iter_content(PIECE):
            content += piece
            if len(content) > longest:
                raise DownloadError(f"{hide_secrets(address)} is longer than any list of checksums: check mirror")
        return response.status_code, content


def hide_secrets(address: str) -> str:
    """``address`` without user, password and query, which may be secret and would end in logs."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _explain(error: Exception) -> str:
    if isinstance(error, _InterruptedError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection failed or was cut"
    return f"the transfer failed ({type(error).__name__})"
