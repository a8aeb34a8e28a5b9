"""Room on the disk, asked before a transfer starts rather than found out after hours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ham.datasets.description import FileEntry, is_address
from ham.errors import EnvironmentProblem

SPARE = 1 << 28  # bytes of disk left for everything else


def need_space(folder: Path, needed: int, what: str) -> None:
    """Raise EnvironmentProblem unless the disk of ``folder`` has room for ``needed`` bytes of ``what``."""
    free = shutil.disk_usage(folder).free
    if needed > 0 and needed + SPARE > free:
        raise EnvironmentProblem(
            f"{folder} has {free / 1e9:.1f} GB free and {what} needs {(needed + SPARE) / 1e9:.1f} GB: "
            "make room and run again, what is there is kept"
        )


def need_space_for_all(folder: Path, archives: Sequence[FileEntry], mirror: str | None, keep: bool) -> None:
    """Raise EnvironmentProblem unless all that is still to come into the data set ``folder`` has room.

    That is every archive of ``archives``, less what is there of it (none of those in a mirror that is a folder, they
    are linked), and its images, unless its record says that they are there: PNG files hardly shrink in an archive.
    Unless ``keep``, archives go as their images come, but for the one that is being unpacked.
    """
    linked = mirror is not None and not is_address(mirror)
    waiting = [entry for entry in archives if not (folder / f".unpacked/{entry.name.split('.')[0]}.csv").exists()]
    sizes = [_size(entry, Path(str(mirror)).expanduser() if linked else None) for entry in waiting]
    here = [0 if linked else _size_here(folder / ".sources" / entry.name) for entry in waiting]
    transfers = 0 if linked else sum(max(size - there, 0) for size, there in zip(sizes, here, strict=True))
    if keep or linked:
        needed = transfers + sum(sizes)
    else:
        needed = transfers + max(sizes, default=0)
    folder.mkdir(parents=True, exist_ok=True)
    need_space(folder, needed, f"what is to come of {len(waiting)} archives and their images")


def _size(entry: FileEntry, mirror: Path | None) -> int:
    """Bytes of an archive; 0 where nobody has said."""
    if entry.bytes is None and mirror is not None and (mirror / entry.name).is_file():
        return (mirror / entry.name).stat().st_size
    return entry.bytes or 0


def _size_here(target: Path) -> int:
    for path in (target, target.with_name(target.name + ".part")):
        if path.is_file():
            return path.stat().st_size
    return 0
