"""Box refinement: a dense conditional random field cuts a box's mask to the edges of the image (method, section 3).

Done once, for the training masks only, and stored; the truth of a test is never refined.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from ham import boxes as box_masks
from ham.boxes import Box
from ham.datasets.dataset import Dataset
from ham.errors import DataError, EnvironmentProblem, list_some
from ham.images import read_grey
from ham.refinement.masks import Cut, RefinedMasks, cut_mask, write_masks
from ham.refinement.settings import Kernel, RefinementSettings
from ham.runtime.process_pool import in_parallel
from ham.runtime.progress import track

log = logging.getLogger("ham")
__all__ = ["RefinedMasks", "refine_mask", "write_refined"]


def write_refined(
    dataset_folder: Path, output: Path, settings: RefinementSettings | None = None, workers: int = 1
) -> None:
    """Refine the boxes of every image of the data set that has some and is present, and write them to ``output``.

    ``workers`` processes share the images; the file does not depend on their number. About a second a finding at 1024 x
    1024 and 250 MB a worker. Where no pixel of a box is left, the box itself is written and counted: an empty mask
    would draw its map to nothing. Raises DataError for an image that cannot be read or has not the size of its boxes'
    frame.
    """
    import_pydensecrf()  # said once and at the start, not by every worker
    dataset = Dataset.open(dataset_folder)
    settings = settings or RefinementSettings()
    tasks = [
        Task(image, dataset.path(image), dataset.size(image), dict(sorted(found.items())), settings)
        for image, found in sorted(dataset.boxes.items())
        if dataset.path(image).is_file()
    ]
    refined = track(in_parallel(refine_image, tasks, workers, "refining boxes"), "refining boxes", len(tasks))
    cuts = [one for found in refined for one in found]
    write_masks(output, cuts)
    unrefined = [one.key for one in cuts if one.unrefined]
    log.info("%d masks of %d images", len(cuts), len(tasks))
    if unrefined:
        log.warning("of %d no pixel was left, so the box itself is used: %s", len(unrefined), list_some(unrefined))


@dataclass(frozen=True)
class Task:
    """One image to refine, as a worker process gets it; ``size`` is (width, height), the frame of ``boxes``."""

    image: str
    path: Path
    size: tuple[int, int]
    boxes: dict[str, list[Box]]
    settings: RefinementSettings


def refine_image(task: Task) -> list[Cut]:
    """The refined masks of one image, in the order of its findings; the box where nothing is left of it."""
    grey = np.asarray(read_grey(task.path))
    width, height = task.size
    if grey.shape != (height, width):
        raise DataError(
            f"{task.path} has {grey.shape[1]} x {grey.shape[0]} pixels where images.csv says {width} x {height}: "
            "restore the image, or make the data set again"
        )
    cuts = []
    for finding, found in task.boxes.items():
        mask = box_masks.mask(found, width, height)
        refined = refine_mask(grey, mask, found, task.settings)
        cut = cut_mask(task.image, finding, refined if refined.any() else mask, extent=mask)
        cuts.append(cut if refined.any() else replace(cut, unrefined=True))
    return cuts


def refine_mask(
    image: np.ndarray, mask: np.ndarray, boxes: Sequence[Box], settings: RefinementSettings | None = None
) -> np.ndarray:
    """The part of ``mask`` that the image's intensities support.

    ``image`` [H, W] or [H, W, 3] uint8; ``mask`` bool [H, W], the union of ``boxes`` (one finding's, in the image's
    pixels); returns bool [H, W]. The whole image takes part: cutting it around the box would move the edge a little.
    Raises EnvironmentProblem where pydensecrf is missing.
    """
    settings = settings or RefinementSettings()
    if not mask.any():
        return np.zeros(mask.shape, dtype=bool)
    crf = import_pydensecrf().DenseCRF(mask.size, 2)
    crf.setUnaryEnergy(unary(mask, settings.confidence))
    crf.addPairwiseEnergy(features(image, kernel_of(smaller_side(boxes), settings.kernels)), compat=settings.compat)
    marginals = np.asarray(crf.inference(settings.iterations))
    return mask & (marginals.argmax(axis=0) == 1).reshape(mask.shape)


def smaller_side(boxes: Sequence[Box]) -> float:
    """The smaller of mean width and mean height, in pixels; it chooses the kernel."""
    sides = np.array([box.xywh()[2:] for box in boxes], dtype=np.float64)
    return round(float(sides.mean(axis=0).min()), 6)  # (x + w) - x is not quite w: 45 must not fall below 45


def kernel_of(side: float, kernels: Sequence[Kernel]) -> Kernel:
    """The kernel for boxes whose smaller mean side is ``side`` pixels: the first whose limit lies above."""
    return next(kernel for kernel in kernels if kernel.below is None or side < kernel.below)


def unary(mask: np.ndarray, confidence: float) -> np.ndarray:
    """Negative log probabilities [2, H * W] float32 of background and finding; outside the box counts as known."""
    right, wrong = -np.log(confidence), -np.log(1.0 - confidence)
    inside = mask.ravel()
    return np.stack([np.where(inside, wrong, right), np.where(inside, right, wrong)]).astype(np.float32)


def features(image: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Bilateral features [6, H * W] float32: y, x, a constant, red, green, blue, each over its reach.

    The constant looks idle and is not: pydensecrf filters on a lattice whose error depends on the number of dimensions.
    """
    height, width = image.shape[:2]
    colours = np.broadcast_to(image[..., None] if image.ndim == 2 else image, (height, width, 3))
    out = np.zeros((6, height, width), dtype=np.float32)
    out[0] = (np.arange(height) / kernel.position)[:, None]
    out[1] = (np.arange(width) / kernel.position)[None, :]
    out[3:] = np.moveaxis(colours, -1, 0) / kernel.intensity
    return out.reshape(6, -1)


def import_pydensecrf() -> ModuleType:
    """pydensecrf.densecrf, or EnvironmentProblem."""
    try:
        from pydensecrf import densecrf
    except ImportError as problem:
        raise EnvironmentProblem(
            f"box refinement needs pydensecrf2, which cannot be imported here ({problem}): pip install 'ham[crf]'"
        ) from problem
    return densecrf
