"""The frame around a job of the workflow: where it logs, and how it ends when something is wrong."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ham.errors import HamError, list_some
from ham.runtime.progress import duration
from ham.runtime.stages import check_source
from ham.runtime.termination import STATUS, Stopped, stoppable


@contextmanager
def job(snakemake: Any, stage: str | None = None) -> Iterator[None]:
    """Log a job to its log file with times, and to the terminal with its rule and wildcards; at last, what was written.

    A HamError ends the job with its one sentence, SIGTERM with its own and status 143; anything else is our mistake and
    leaves its traceback in the log.
    The code of ``stage`` (:mod:`ham.runtime.stages`) must be the one that the workflow planned with (``params.code``).
    """
    log = logging.getLogger("ham")
    log.setLevel(logging.INFO)
    Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
    title = " ".join([snakemake.rule, *(value for key, value in snakemake.wildcards.items() if key != "dataset")])
    for handler, form in (
        (logging.FileHandler(snakemake.log[0], mode="w"), "%(asctime)s %(levelname)s %(message)s"),
        (logging.StreamHandler(sys.stderr), f"[{title}] %(message)s"),
    ):
        handler.setFormatter(logging.Formatter(form, "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
    try:
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
    except Exception:
        log.exception("an unexpected error in %s, please report it with this log", snakemake.rule)
        sys.exit(1)
