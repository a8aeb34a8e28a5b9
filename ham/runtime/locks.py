"""Locks that a process holds alone: its children, such as the processes that decode images, do not inherit them, and do
not outlive it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

POLL = 5.0  # seconds between two looks at a lock that another process holds
PR_SET_PDEATHSIG = 1  # of prctl(2)
GLANCE = 0.5  # seconds to wait for those who only look at a lock (held), and have it for an instant
_held: set[IO[Any]] = set()  # a lock lasts as long as its file is open in any process
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def take(file: IO[Any], patience: float = 0.0) -> None:
    """Lock an open file for this process alone, until it is closed; BlockingIOError where another process holds it for
    more than ``patience`` seconds, other OSErrors where the file system has no locks."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.02)
    _held.add(file)


def free(file: IO[Any]) -> None:
    """Close a file and with it end its lock."""
    file.close()
    _held.discard(file)


def held(path: Path) -> bool:
    """Whether a process holds the lock of a file; no where there is none, or the file system cannot say."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def take_in_turn(file: IO[str], tell: Callable[[str], None]) -> None:
    """As :func:`take`, but where another process holds the lock, ``tell`` once who that is and wait for it."""
    told = False
    while True:
        try:
            return take(file, GLANCE)
        except BlockingIOError:
            if not told:
                tell(holder(file))
            told = True
            time.sleep(POLL)


def sign(file: IO[str]) -> None:
    """Write into a lock's file who holds it."""
    file.truncate(0)
    file.write(f"host {socket.gethostname()}, process {os.getpid()}\n")
    file.flush()


def holder(file: IO[str]) -> str:
    """Who has signed a lock's file, and whether that process is dead, which can be told on its own machine."""
    file.seek(0)
    signed = file.read().strip()
    host, _, process = signed.removeprefix("host ").partition(", process ")
    dead = host == socket.gethostname() and process.isdecimal() and not Path(f"/proc/{process}").exists()
    return f"{signed}, which is dead: a process that it started still runs" if dead else signed


def end_with_parent(parent: int) -> None:
    """End this process when the one that started it does, ``parent``, or now if that has happened.

    For a process that is spawned; one that is forked does so by itself.
    """
    _ask_to_end()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _ask_to_end() -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent cannot tell its children


def _leave_to_parent() -> None:
    for file in _held:
        file.close()
    _held.clear()
    _ask_to_end()


os.register_at_fork(after_in_child=_leave_to_parent)
