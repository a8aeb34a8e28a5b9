"""What goes wrong in a training, and the sentence that says so: the machine's faults with the epoch that stands, a loss
that is no number any more, and what a history makes doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ham.errors import DataError, EnvironmentProblem, list_some
from ham.runtime.faults import AGAIN, explain
from ham.training.settings import TrainingSettings
from ham.training.state import Resume

PATIENCE = 5  # epochs after which, and after each further so many, the loss is expected to have moved
MOVED = 0.01  # of the first epoch's loss
MOST_IMAGES = 24


@contextmanager
def explained(settings: TrainingSettings, resume: Resume, on_gpu: bool) -> Iterator[None]:
    """Raise what the machine does as an EnvironmentProblem that says after which epoch the same command goes on."""
    smaller = "lower training.batch_size or training.image_size"
    if on_gpu and settings.precision == "float32":
        smaller += ", or set training.precision: bfloat16"
    size = f"{settings.image_size} x {settings.image_size} pixels"
    work = f"batches of {settings.batch_size} images of {size} in {settings.precision}"
    try:
        yield
    except Exception as error:
        problem = error if isinstance(error, EnvironmentProblem) else explain(error, work, f"{smaller}, and train anew")
        if problem is None:
            raise
        state = resume.read()
        stands = f", it goes on after epoch {state.epoch}" if state is not None else ""
        raise EnvironmentProblem(str(problem).replace(AGAIN, AGAIN + stands)) from error


def diverged(term: str, value: float, epoch: int, images: Sequence[str], learning_rate: float) -> DataError:
    """The error of a loss that is no number: its ``term`` (``class``, ``attention_bound``, …) and ``value``, the epoch
    (from 1), the images of the batch by name, and the learning rate of the epoch."""
    return DataError(
        f"the loss {term} became {value} in epoch {epoch}, at the images {list_some(images, MOST_IMAGES)}: lower "
        f"training.optimizer.learning_rate ({learning_rate:g} in this epoch) or train in float32, and see whether "
        "these images and their boxes are sound."
    )


def doubts(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to warn of after the last epoch of ``history``, rows of history.csv; empty where all may be well.

    Regions are empty where maps are zero everywhere, which no sound network gives in all images. Of the loss the best
    later epoch is compared with the first: noise alone lowers it, and so hides a fault rather than inventing one.
    """
    last, found = history[-1], []
    if last.get("validation_empty_maps") == 1:
        found.append(
            "every predicted region of the validation images is empty, for their maps are zero: the network may have "
            "collapsed; see whether the loss falls, and lower training.optimizer.learning_rate where it does not"
        )
    if len(history) % PATIENCE == 0:
        first, best = float(history[0]["loss"]), min(float(row["loss"]) for row in history[1:])
        if best > first - MOVED * abs(first):
            found.append(
                f"the loss has not moved in {len(history)} epochs (from {first:.4g} to {float(last['loss']):.4g}, at "
                f"best {best:.4g}): training.optimizer.learning_rate may be too low or too high, or labels may not "
                "belong to their images"
            )
    return found
