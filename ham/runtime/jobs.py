"""The frame around a job of the workflow: where it logs, and how it ends when something is wrong."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ham.errors import HamError, list_some
from ham.runtime.faults import explain
from ham.runtime.progress import duration
from ham.runtime.stages import check_source
from ham.runtime.termination import STATUS, Stopped, stoppable

log = logging.getLogger("ham")


@contextmanager
def job(snakemake: Any, stage: str | None = None) -> Iterator[None]:
    """Log a job to its log file with times, and to the terminal with its rule and wildcards; at last, what was written.

    A HamError, or what the machine did (:mod:`ham.runtime.faults`), ends the job with its one sentence, SIGTERM with
    its own and status 143; anything else is our mistake and leaves its traceback in the log.
    The code of ``stage`` (:mod:`ham.runtime.stages`) must be the one that the workflow planned with (``params.code``).
    """
    log.setLevel(logging.INFO)
    title = " ".join([snakemake.rule, *(value for key, value in snakemake.wildcards.items() if key != "dataset")])
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter(f"[{title}] %(message)s"))
    log.addHandler(terminal)
    try:
        _log_to(Path(snakemake.log[0]), "w")
        start = time.monotonic()
        if stage is not None:
            check_source(snakemake.params.code, stage)
        with stoppable():
            yield
        log.info("written in %s: %s", duration(time.monotonic() - start), list_some(list(snakemake.output), 2))
    except HamError as error:
        log.error("%s", error)
        sys.exit(1)
    except Stopped as stopped:
        log.error("%s", stopped)
        sys.exit(STATUS)
    except KeyboardInterrupt:
        log.error("interrupted")
        sys.exit(130)
    except Exception as error:
        if problem := explain(error):
            log.error("%s", problem)
        else:
            log.exception("an unexpected error in %s, please report it with this log", snakemake.rule)
        sys.exit(1)


def log_attempt(path: Path) -> None:
    """Log to ``path`` too from now on, below what former attempts said: Snakemake deletes a job's own log before each,
    also that of an attempt that still runs."""
    _log_to(path, "a")
    log.info("host %s, process %d; %s has the log of all attempts", socket.gethostname(), os.getpid(), path)


def _log_to(path: Path, mode: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _LogFile(path, mode)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(file)


class _LogFile(logging.FileHandler):
    """A log whose disk may be full without twenty lines on the terminal for each of its own."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Say once that lines are missing in it."""
        if not self.failed:
            self.failed = True
            log.warning("%s cannot be written (%s): lines are missing there", self.baseFilename, sys.exc_info()[1])
