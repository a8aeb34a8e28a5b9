"""Writing files so that a killed job or a full disk never leaves half of one under its final name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ham.errors import HamError
from ham.runtime.faults import explain_disk, explain_failed_write

UNFINISHED = "-unfinished-"  # between name and ending of a file that is being written


@contextmanager
def written(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path``; what stands there on leaving is synced and renamed to ``path``.

    On an exception the temporary file is removed and ``path`` stays as it was; what killed processes left goes when
    ``path`` is written again. The ending is kept, because writers look at it. EnvironmentProblem where the disk is full
    or cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        file = _open_temporary(path)
    except OSError as error:
        if problem := explain_disk(error, path):
            raise problem from error
        raise
    temporary = Path(file.name)
    with file:  # and so the lock
        try:
            yield temporary
            with open(temporary, "rb+") as whole:
                os.fsync(whole.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp gives 0600, which hides results from the group
            temporary.replace(path)
        except BaseException as error:
            with suppress(OSError):  # of a disk that is read-only now
                temporary.unlink(missing_ok=True)
            if not isinstance(error, HamError) and (problem := explain_failed_write(error, path)):
                raise problem from error
            raise


def _open_temporary(path: Path) -> IO[str]:
    """A new file beside ``path``, locked as long as it is open, so that it is known to be in use; not locked where the
    file system has no locks."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}{UNFINISHED}", suffix=path.suffix)
        os.close(handle)
        file = open(name, "a")  # noqa: SIM115 (the caller closes it)
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_nlink:  # else another process saw it before it was locked
            return file
        file.close()


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of ``path`` that no process has open, here or on another machine; all stay where the
    file system has no locks, because nobody can tell."""
    for name in os.listdir(path.parent):
        if not (name.startswith(f".{path.stem}{UNFINISHED}") and name.endswith(path.suffix)):
            continue
        with suppress(OSError), open(path.with_name(name), "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.with_name(name).unlink()


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8 with LF line ends, whole or not at all."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN becomes null, which every reader understands."""
    write_text(path, json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    return value


def link_or_copy(source: Path, target: Path) -> None:
    """``target`` becomes a second name of ``source``, or a copy where the file system has none; what stood there goes.

    For files that are replaced and never written in place, as all of ours are.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}-link{target.suffix}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        with written(target) as copied:
            shutil.copyfile(source, copied)
        return
    os.utime(temporary)  # as new as a copy: what is made from older files than its inputs would be made again
    temporary.replace(target)


def sha256(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
