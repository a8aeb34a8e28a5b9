"""Leases of devices among the processes of a user on a machine: all that one asks for or none, first come first served.

A folder has a file for each device, locked as long as its holder lives, and one for each process that waits, which
names what it waits for: who comes later leaves that alone. Looking and taking happens one process at a time.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ham.errors import EnvironmentProblem
from ham.runtime import locks

log = logging.getLogger("ham")
POLL = 1.0  # seconds between two looks for free devices
TURN = 0.01  # seconds until another process has looked
_held: dict[str, IO[str]] = {}  # a lease lasts as long as the process; a killed one frees it at once


class _NoLocksError(Exception):
    """The file system has none."""


def lease(folder: Path, devices: Sequence[str], count: int) -> list[str]:
    """``count`` of ``devices`` that no other process holds; waits, and says so once, until there are that many.

    The same ones again for a process that has leased before. Where the file system has no locks this is said and the
    devices are taken without. EnvironmentProblem where the folder cannot be used.
    """
    mine = [device for device in devices if device in _held]
    if len(mine) >= count:
        return mine[:count]
    try:
        return _wait(folder, devices, count)
    except _NoLocksError as error:
        log.warning("no file locks on %s (%s): make sure that no two jobs compute on one GPU", folder, error)
        return unleased(devices, count)
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}: GPUs cannot be leased there ({error.strerror}): see to it that this is a folder of yours, or "
            "set HAM_SHARE_GPUS=1 to do without leases."
        ) from None


def unleased(devices: Sequence[str], count: int) -> list[str]:
    """``count`` of ``devices`` from where the process's number points, so that not all jobs take the first ones."""
    return [devices[(os.getpid() + place) % len(devices)] for place in range(count)]


def give_back() -> None:
    """End this process's leases before the process ends."""
    while _held:
        locks.free(_held.popitem()[1])


def _wait(folder: Path, devices: Sequence[str], count: int) -> list[str]:
    place: IO[str] | None = None
    while True:
        with _turn(folder):
            holders: list[str] = []
            taken = _take(folder, devices, count, place, holders)
            if taken:
                _held.update(taken)
                _keep_from_cleaning(folder)
                if place is not None:
                    Path(place.name).unlink(missing_ok=True)
                    locks.free(place)
                return list(taken)
            if place is None:
                place = _queue(folder, devices)
                who = "; ".join(dict.fromkeys(holders))
                log.info("waiting for %d of %d GPUs, in use or waited for by %s", count, len(devices), who)
        time.sleep(POLL)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Be the only process that looks into the folder."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise PermissionError(errno.EACCES, "it is another user's")
    with open(folder / "turn", "a+") as file:
        while True:
            try:
                locks.take(file)
                break
            except BlockingIOError:
                time.sleep(TURN)
            except OSError as error:
                raise _NoLocksError(error.strerror) from None
        try:
            yield
        finally:
            locks.free(file)


def _take(
    folder: Path, devices: Sequence[str], count: int, place: IO[str] | None, holders: list[str]
) -> dict[str, IO[str]]:
    """Lock ``count`` of ``devices`` that nobody holds and nobody before ``place`` (None: nobody at all) waits for, or
    none; who does joins ``holders``."""
    taken: dict[str, IO[str]] = {}
    for device in _left_by_earlier(folder, devices, place, holders):
        file = open(folder / device.replace("/", "_"), "a+")  # noqa: SIM115 (held to the end)
        try:
            locks.take(file)
        except BlockingIOError:
            holders.append(locks.holder(file))
            file.close()
            continue
        taken[device] = file
        if len(taken) == count:
            for held in taken.values():
                locks.sign(held)
            return taken
    for held in taken.values():
        locks.free(held)
    return {}


def _left_by_earlier(folder: Path, devices: Sequence[str], place: IO[str] | None, holders: list[str]) -> list[str]:
    """Those of ``devices`` that no process waits for which came before ``place``; such processes join ``holders``."""
    left = list(devices)
    for path in sorted(folder.glob("waiting-*")):
        if place is not None and path == Path(place.name):
            break
        with open(path, "r+") as file:
            try:
                locks.take(file)
            except BlockingIOError:
                wanted = file.read().splitlines()[1:]
                if set(wanted) & set(devices):
                    holders.append(locks.holder(file).splitlines()[0])
                left = [device for device in left if device not in wanted]
            else:  # it was killed
                path.unlink()
                locks.free(file)
    return left


def _queue(folder: Path, devices: Sequence[str]) -> IO[str]:
    """A place behind all that wait: a locked file with who waits, and the devices waited for."""
    last = max((int(path.name.removeprefix("waiting-")) for path in folder.glob("waiting-*")), default=0)
    place = open(folder / f"waiting-{last + 1:09d}", "a+")  # noqa: SIM115 (held until there is no more to wait for)
    locks.take(place)
    locks.sign(place)
    place.write("".join(f"{device}\n" for device in devices))
    place.flush()
    return place


def _keep_from_cleaning(folder: Path) -> None:
    """Share a lock of the folder to the end of the process: systemd-tmpfiles, which removes what is old from /tmp,
    leaves a locked folder alone. A held file that was removed would be no lease any more."""
    with suppress(OSError):
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)
