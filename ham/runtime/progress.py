"""Progress: a moving bar for a person at a terminal, a line now and then for a log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")
LOG_EVERY = 60.0  # seconds between two lines in a log
log = logging.getLogger("ham")


def track(items: Iterable[Item], what: str, total: int | None = None, more: Callable[[], str] = str) -> Iterator[Item]:
    """Yield ``items``, showing how many of ``total`` are done, the rate and the time left; then what ``more`` says."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    # a job of the workflow shares the terminal with others and has a log file: it gets lines
    alone = sys.stderr.isatty() and not log.handlers
    return _bar(items, what, total, more) if alone else _lines(items, what, total, more)


def _bar(items: Iterable[Item], what: str, total: int | None, more: Callable[[], str]) -> Iterator[Item]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[more]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, more=more())
        for item in items:
            yield item
            progress.update(task, advance=1, more=more())


def _lines(items: Iterable[Item], what: str, total: int | None, more: Callable[[], str]) -> Iterator[Item]:
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_EVERY:
            last = now
            log.info("%s: %s", what, "; ".join(filter(None, [describe(done, total, now - start), more()])))


def describe(done: int, total: int | None, seconds: float) -> str:
    """``120 of 480 (25 %), 4.0 a second, 90 s left``."""
    rate = done / seconds if seconds > 0 else float("inf")
    if not total:
        return f"{done}, {rate:.3g} a second"
    return f"{done} of {total} ({100 * done // total} %), {rate:.3g} a second, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """``48 s``, ``12 min``, ``3.4 h``, ``12 days``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"
