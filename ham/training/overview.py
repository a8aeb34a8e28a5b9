"""All trainings of a folder of results at one glance: which are done, run, wait, and how long the whole takes.

::

    results/.resume/<dataset>/plan.json         what the last run of the workflow was to train, written at its start
    results/.resume/<run>/progress.json         how far a training is, said by itself once a minute

Light: the workflow writes the plan, and who watches needs no torch.
"""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ham.errors import DataError
from ham.runtime import locks
from ham.runtime.files import write_json
from ham.runtime.progress import duration
from ham.training.pace import Planned

STYLES = {"running": "green", "stopped": "red", "waiting": "", "done": "dim"}  # in the order in which they are shown
STATES = tuple(STYLES)
REFRESH = 2.0  # seconds
WIDTH = 120  # letters of a line where there is no terminal
SILENT_AFTER = 600.0  # seconds without a word after which a running training is said to be silent


@dataclass(frozen=True)
class Progress:
    """What a running training says of itself: the epoch it is in, from 1, and the part of it that is done; seconds of
    an epoch and of all that is left. ``at``: the time of the day when it was said, in seconds; ``host``: where."""

    epoch: int
    part: float
    epochs: int
    seconds_an_epoch: float | None
    left: float | None
    at: float
    host: str


@dataclass(frozen=True)
class Training:
    """A training as it stands. ``epoch``: how many it has, with the part of the running one; ``row``: what history.csv
    says of the last whole one; ``left``: seconds; ``images``: of its list, where that is known."""

    run: str
    state: str
    epoch: float
    epochs: int | None
    row: dict[str, Any]
    seconds_an_epoch: float | None
    left: float | None
    images: int | None
    silent: float = 0.0


def write_plan(resume: Path, planned: Sequence[Planned]) -> None:
    """Keep in ``results/.resume`` what a run of the workflow is to train, one data set's."""
    trainings = [{"run": one.run, "epochs": one.settings.epochs, "images": one.images} for one in planned]
    write_json(resume / planned[0].run.split("/")[0] / "plan.json", trainings)


def write_progress(folder: Path, progress: Progress) -> None:
    """Keep in a training's resume folder how far it is."""
    write_json(folder / "progress.json", vars(progress))


def read_trainings(resume: Path) -> list[Training]:
    """All trainings that ``results/.resume`` has states or plans of, those that run first."""
    planned: dict[str, dict[str, Any]] = {}
    for plan in sorted(resume.glob("*/plan.json")):
        planned |= {one["run"]: {**one, "at": plan.stat().st_mtime} for one in _json(plan) or []}
    begun = {path.parent.relative_to(resume).as_posix() for path in resume.glob("*/*/*/*/lock")}
    found = [_read(resume / run, run, planned.get(run)) for run in sorted(begun | set(planned))]
    expected = [_expected(one, found) for one in found]
    return sorted(expected, key=lambda one: (STATES.index(one.state), one.run))


def _read(folder: Path, run: str, planned: dict[str, Any] | None) -> Training:
    state, progress = _json(folder / "current/state.json") or {}, _progress(folder)
    epoch, epochs = state.get("epoch", 0), state.get("planned")
    images = state.get("facts", {}).get("train_images")
    row = state["history"][-1] if state.get("history") else {}
    pace = state["seconds"] / epoch if epoch else None
    # where the file system has no locks, or only those of each machine, a training elsewhere is believed
    elsewhere = progress is not None and progress.host != socket.gethostname()
    if locks.held(folder / "lock") or (progress and elsewhere and time.time() - progress.at < SILENT_AFTER):
        if progress is None or _time(folder / "progress.json") < _time(folder / "lock"):  # it has not yet spoken
            epochs = planned["epochs"] if planned else epochs
            return Training(run, "running", epoch, epochs, row, pace, None, images)
        silent = time.time() - progress.at
        left = None if progress.left is None else max(progress.left - silent, 0.0)
        done = progress.epoch - 1 + progress.part
        return Training(run, "running", done, progress.epochs, row, progress.seconds_an_epoch, left, images, silent)
    finished = epochs is not None and epoch >= epochs
    if planned is None:
        return Training(run, "done" if finished else "stopped", epoch, epochs, row, pace, None, images)
    if finished and _time(folder / "current/state.json") >= planned["at"]:
        return Training(run, "done", epoch, epochs, row, pace, None, images)
    begun = _time(folder / "lock") >= planned["at"]
    if finished:  # by other settings, code or data, or its outputs are written again
        epoch, row, pace = 0, {}, None
    name = "stopped" if begun else "waiting"
    return Training(run, name, epoch, planned["epochs"], row, pace, None, planned["images"] or images)


def _expected(one: Training, known: Sequence[Training]) -> Training:
    """A training with the time that is left for it: where it has not said so, as the most similar that is known says,
    an epoch's time being as its images."""
    if one.state not in ("running", "waiting") or one.left is not None or one.epochs is None:
        return one
    pace = one.seconds_an_epoch
    if pace is None:
        parts = one.run.split("/")
        for length in (3, 2, 1):
            alike = [o for o in known if o.seconds_an_epoch and o.run.split("/")[:length] == parts[:length]]
            if alike:
                scale = [one.images / o.images if one.images and o.images else 1.0 for o in alike]
                pace = sum((o.seconds_an_epoch or 0.0) * s for o, s in zip(alike, scale)) / len(alike)
                break
    return one if pace is None else replace(one, left=(one.epochs - one.epoch) * pace)


def time_left(trainings: Sequence[Training]) -> float | None:
    """Seconds until all are trained that run or wait, as many at a time as run now; None where it is not known."""
    open_ones = [one.left for one in trainings if one.state in ("running", "waiting")]
    known = [left for left in open_ones if left is not None]
    if len(known) < len(open_ones):
        return None
    at_once = max(sum(one.state == "running" for one in trainings), 1)
    return max([sum(known) / at_once, *known, 0.0])


def describe_whole(trainings: Sequence[Training]) -> str:
    """``12 trainings: 2 running, 7 waiting, 3 done; about 14 h left``."""
    count = Counter(one.state for one in trainings)
    states = ", ".join(f"{count[name]} {name}" for name in STATES if count[name])
    line = f"{len(trainings)} training{'s' * (len(trainings) > 1)}: {states}"
    if not count["running"]:
        return f"{line}; none is running now" if count["waiting"] or count["stopped"] else line
    left = time_left(trainings)
    return f"{line}; about {duration(left)} left" if left is not None else f"{line}; time left not known yet"


def _progress(folder: Path) -> Progress | None:
    try:
        return Progress(**(_json(folder / "progress.json") or {}))
    except TypeError:
        return None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _time(path: Path) -> float:
    """When a file was written; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def draw_table(trainings: Sequence[Training]) -> Table:
    """What :func:`watch` shows: the whole in the title, a training a row."""
    title = describe_whole(trainings)
    table = Table(title=title, title_style="bold", title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("training", overflow="fold")
    for name in ("", "epoch", "loss", "AUC", "T(IoU)", "images/s", "left"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    alone = len({one.run.split("/")[0] for one in trainings}) == 1
    for one in trainings:
        name = " ".join(one.run.split("/")[alone:])
        epoch = f"{one.epoch:.2f}".removesuffix(".00") + f" of {one.epochs or '?'}"
        values = [
            f"{value:{form}}" if isinstance(value := one.row.get(key), int | float) else ""
            for key, form in (
                ("loss", ".4f"),
                ("validation_auc", ".3f"),
                ("validation_t_iou", ".3f"),
                ("images_per_second", ".1f"),
            )
        ]
        left = "" if one.left is None else duration(one.left)
        if one.silent > SILENT_AFTER:
            left = f"silent for {duration(one.silent)}"
        table.add_row(name, one.state, epoch, *values, left, style=STYLES[one.state])
    return table


def watch(results: Path) -> None:
    """Show the trainings of a folder of results until Ctrl-C; once where the output is no terminal. DataError where
    none is known."""
    resume = results / ".resume"
    if not read_trainings(resume):
        raise DataError(f"{resume} knows of no training: give the folder of results, or start some with snakemake.")
    console = Console()
    if not console.is_terminal:
        Console(width=WIDTH).print(draw_table(read_trainings(resume)))
        return
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(draw_table(read_trainings(resume)), refresh=True)
            time.sleep(REFRESH)
