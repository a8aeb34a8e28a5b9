"""Unpacking an archive of images, taking nothing in it on trust.

Archives come from elsewhere: a member may name a path outside the folder, be a link or a device, or claim any size.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ham.datasets.acquire.disk_space import need_space
from ham.datasets.acquire.image_records import LARGEST_IMAGE, write_record
from ham.datasets.dataset import read_list
from ham.datasets.description import ENDINGS, explain_unsafe
from ham.errors import DataError, EnvironmentProblem
from ham.runtime.files import write_text
from ham.runtime.progress import track

MIB = 1 << 20
LARGEST_ARCHIVE = 64 << 10 << 20  # 64 GiB unpacked; NIH's largest archive has 4
MOST_MEMBERS = 200_000  # tarfile keeps the header of each
log = logging.getLogger("ham")


def unpack(archive: Path, images: Path, record: Path, expected: int | None = None) -> None:
    """Write the images of ``archive`` (.tar.gz) to ``images``/<base name>, then ``record``: csv name,bytes,sha256.

    ``expected`` is the number of images, for progress only. Members that are no image files are passed over. Raises
    DataError for a damaged archive or a hostile member, EnvironmentProblem when the disk is full.
    """
    archive, images, record = Path(archive), Path(images), Path(record)
    images.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    record.with_name("linked.csv").unlink(missing_ok=True)  # its links are replaced
    rows: dict[str, tuple[str, int, str]] = {}
    try:
        with open(archive, "rb") as raw, _Bounded(fileobj=raw, mode="rb") as stream:
            need_space(images, archive.stat().st_size, f"the content of {archive.name}")  # PNG files hardly shrink
            for name, data in track(_read_images(stream, archive), f"Unpacking {archive.name}", expected):
                if name in rows:
                    raise DataError(f"{archive}: two members are named {name}: {_advise(archive)}")
                rows[name] = (name, len(data), hashlib.sha256(data).hexdigest())
                _write_image(images / name, data)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, _TooLargeError) as error:
        raise DataError(f"{archive} is damaged or incomplete ({error}): {_advise(archive)}") from None
    except OSError as error:
        raise EnvironmentProblem(f"{archive} could not be unpacked to {images}: {error.strerror or error}") from None
    _remove_former(images, record, frozenset(rows))
    write_record(record, rows.values())
    log.info("%s: %d images", archive.name, len(rows))


def _remove_former(images: Path, record: Path, names: frozenset[str]) -> None:
    """Remove what this archive once had and has no more; remembered beside the record, which Snakemake deletes."""
    memory = record.with_name(f".{record.stem}.names")
    former = read_list(memory) if memory.is_file() else []
    gone = [name for name in former if name not in names and explain_unsafe(name) is None]
    for name in gone:
        (images / name).unlink(missing_ok=True)
    if gone:
        log.info("%d images that %s had before are removed", len(gone), record.stem)
    write_text(memory, "\n".join(sorted(names)))


class _TooLargeError(Exception):
    """More bytes than any archive of images has."""


class _Bounded(gzip.GzipFile):
    """Decompresses, but neither without end nor much at once: tar headers may claim any size, and zeros pack well."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or size > LARGEST_IMAGE:
            raise _TooLargeError(f"one piece of more than {LARGEST_IMAGE // MIB} MiB")
        if self.tell() + size > LARGEST_ARCHIVE:
            raise _TooLargeError(f"more than {LARGEST_ARCHIVE // MIB} MiB unpacked")
        return super().read(size)


def _read_images(stream: _Bounded, archive: Path) -> Iterator[tuple[str, bytes]]:
    """Base name and content of each image, in the archive's order."""
    with tarfile.open(fileobj=stream, mode="r:") as members:
        for number, member in enumerate(members, 1):
            if number > MOST_MEMBERS:
                raise _TooLargeError(f"more than {MOST_MEMBERS} members")
            if _is_image(member, archive):
                content = members.extractfile(member)
                data = content.read() if content else b""
                if len(data) != member.size:
                    raise EOFError(f"{member.name} is cut short")
                yield PurePosixPath(member.name).name, data
    while stream.read(MIB):  # to the end, where gzip compares its checksum
        pass


def _is_image(member: tarfile.TarInfo, archive: Path) -> bool:
    """Whether to unpack ``member``; raises DataError for what no honest archive of images holds."""
    where = f"{archive}: member {member.name!r}"
    reason = (
        explain_unsafe(member.name.removeprefix("./") or ".") if not member.isdir() else _explain_outside(member.name)
    )
    if reason:
        raise DataError(f"{where} {reason}: {_advise(archive)}")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise DataError(f"{where} is a link, device or other special file: {_advise(archive)}")
    if member.size > LARGEST_IMAGE:
        raise DataError(f"{where} has {member.size} bytes, more than any image here: {_advise(archive)}")
    base = PurePosixPath(member.name).name
    return member.isreg() and base.lower().endswith(ENDINGS) and not base.startswith(".")


def _explain_outside(folder: str) -> str | None:
    return "leads out of the folder" if folder.startswith("/") or ".." in PurePosixPath(folder).parts else None


def _write_image(path: Path, data: bytes) -> None:
    """Whole or not at all, and a link that stands there is replaced rather than followed; not synced, for speed."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    with open(temporary, "xb") as file:
        file.write(data)
    temporary.replace(path)


def _advise(archive: Path) -> str:
    if archive.is_symlink():
        return f"get a good copy into the mirror, {archive.resolve().parent}, and run again"
    return "delete it and run again, so that it is fetched anew"
