"""How long trainings will take on a machine without a GPU, said before the first of them begins.

A step is measured with small images, in a process of its own (what starts a workflow stays free of torch), and scaled
by their area, as the cost of convolutions is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ham.runtime.progress import duration
from ham.training.settings import TrainingSettings

MEASURE = (
    "import sys, json; from ham.training.pace import measure; json.dump(measure(json.load(sys.stdin)), sys.stdout)"
)
IMAGES = 2  # of the measured batch: batch norm wants more than one
STEPS = 2
FINDINGS = 14
SIDE = 128  # pixels of a measured image at most
PATIENCE = 600.0  # seconds that measuring may take
PACKAGE = Path(__file__).resolve().parents[2]
EXAMPLE = 1000  # images, where the lists are not known yet


@dataclass(frozen=True)
class Planned:
    """The training of ``run`` (``<dataset>/<experiment>/<variant>/<split>``) that is to be run; ``images`` of its list
    are there, None: not known yet."""

    run: str
    settings: TrainingSettings
    images: int | None

    @property
    def name(self) -> str:
        """For people, who know which data set it is."""
        return " ".join(self.run.split("/")[1:])


def foretell(trainings: Sequence[Planned], cores: int, threads: int) -> str | None:
    """How long ``trainings`` take, each with ``threads`` of ``cores``; None where there is a GPU or it cannot be
    measured."""
    threads = min(threads, cores)
    at_once = max(cores // threads, 1)
    seconds: dict[str, float] = {}
    for training in trainings:
        step = _step(training.settings)
        if step not in seconds:
            measured = _measured(training.settings, threads)
            if measured is None:
                return None
            seconds[step] = measured
    seconds_of = [
        seconds[_step(t.settings)] * (EXAMPLE if t.images is None else t.images * t.settings.epochs) for t in trainings
    ]
    slowest = max(range(len(seconds_of)), key=seconds_of.__getitem__)
    longest, of_an_image = trainings[slowest], seconds[_step(trainings[slowest].settings)]
    settings = longest.settings
    counted = f"each epoch of {EXAMPLE:,} images"
    if longest.images is not None:
        counted = f"{longest.images:,} images x {settings.epochs} epochs,"
    lines = [
        f"no GPU: networks are trained on the CPU. {settings.network.architecture} at {settings.image_size} pixels "
        f"takes {of_an_image:.2g} s an image here (measured just now, threads: {threads}); {longest.name}, {counted} "
        f"takes about {duration(seconds_of[slowest])}"
    ]
    if len(trainings) > 1 and all(training.images is not None for training in trainings):
        whole = max(sum(seconds_of) / at_once, seconds_of[slowest])
        lines.append(f"all {len(trainings)} trainings, {at_once} at a time, about {duration(whole)}")
    return "; ".join(lines) + ". config/laptop.yaml has settings for a CPU."


def _step(settings: TrainingSettings) -> str:
    """What decides the time of a step."""
    return json.dumps([settings.image_size, settings.precision, settings.network.plain()], sort_keys=True)


def _measured(settings: TrainingSettings, threads: int) -> float | None:
    """Seconds an image; None where there is a GPU or measuring fails, which the training itself will explain."""
    asked = json.dumps({"settings": settings.plain(), "threads": threads})
    try:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            input=asked, capture_output=True, text=True, check=True, timeout=PATIENCE, cwd=PACKAGE,
        )  # fmt: skip
        found: float | None = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return found


def measure(asked: Mapping[str, Any]) -> float | None:
    """Seconds that a step takes for one image on this CPU; None where torch sees a GPU.

    ``asked`` has ``settings`` of a training as plain values, and ``threads``.
    """
    import torch

    from ham.samples import Batch
    from ham.training.step import make_learner, train_step

    if torch.cuda.is_available():
        return None
    torch.set_num_threads(asked["threads"])
    settings = TrainingSettings.of(asked["settings"])
    settings = settings.model_copy(update={"network": settings.network.model_copy(update={"pretrained": None})})
    learner = make_learner(FINDINGS, settings, torch.device("cpu"))
    side, none = min(settings.image_size, SIDE), torch.zeros(0, dtype=torch.int64)
    batch = Batch(
        image=torch.randint(0, 256, (IMAGES, side, side), dtype=torch.uint8),
        labels=torch.ones(IMAGES, FINDINGS),
        pair_image=none,
        pair_finding=none,
        pair_mask=torch.zeros(0, side, side, dtype=torch.bool),
        places=torch.arange(IMAGES),
    )
    train_step(learner, batch, settings)  # the first one also sets up
    seconds = []
    for _ in range(STEPS):
        start = time.monotonic()
        train_step(learner, batch, settings)
        seconds.append(time.monotonic() - start)
    return min(seconds) / IMAGES * (settings.image_size / side) ** 2
