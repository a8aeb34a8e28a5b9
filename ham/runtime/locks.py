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
from typing import IO

POLL = 5.0  # seconds between two looks at a lock that another process holds
PR_SET_PDEATHSIG = 1  # of prctl(2)
_held: set[IO[str]] = set()  # a lock lasts as long as its file is open in any process
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def take(file: IO[str]) -> None:
    """Lock an open file for this process alone, until it is closed; BlockingIOError where another process holds it,
    other OSErrors where the file system has no locks."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _held.add(file)


def take_in_turn(file: IO[str], tell: Callable[[str], None]) -> None:
    """As :func:`take`, but where another process holds the lock, ``tell`` once who that is and wait for it."""
    told = False
    while True:
        try:
            return take(file)
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


def _leave_to_parent() -> None:
    for file in _held:
        file.close()
    _held.clear()
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent cannot tell its children


os.register_at_fork(after_in_child=_leave_to_parent)
