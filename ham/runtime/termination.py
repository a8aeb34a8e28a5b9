"""SIGTERM, by which schedulers and ``kill`` ask a job to end: it leaves as after Ctrl-C, with its files whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGTERM  # of a job that was stopped, as shells count
LATE = 0.5  # seconds


class Stopped(KeyboardInterrupt):
    """This process was asked to end. ``kept`` says from where the same command goes on: ``after epoch 3 of 30``."""

    kept = ""

    def __str__(self) -> str:
        return f"stopped by SIGTERM; the same command goes on {self.kept}".rstrip()


@contextmanager
def stoppable() -> Iterator[None]:
    """Have the first SIGTERM raise Stopped here, in the main thread, and later ones do nothing; processes that are
    forked from this one end by it as usual.

    A scheduler sends it to all processes of a job: where the end of a child is noticed first and raises something else,
    Stopped still follows.
    """
    process = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch raises where a child ends, also behind Stopped
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Exception:
        time.sleep(LATE)
        raise
