"""Loading: images a second with 0, 1 and 2 loader processes, and the memory of one over an epoch of 86,524 images.

The first is from drawn PNG files of 1024 x 1024 and from an image store of 512; batches of 24 images of 512 pixels. The
second takes as many names as the official training list has, each a link to one of a few tiny images. What counts is
memory that a process shares with no other: pages that the main process has too cost nothing until they are written to,
and Python writes to every object it looks at.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from samples import BATCH, SIDES, SIZE, dataset_of, draw, machine, store_of

from ham.samples import Epochs, RandomChanges, Samples, training_loader
from ham.settings import AugmentationSettings

NAMES, TINY = 86_524, 32
IMAGES = 480  # of an epoch that is timed


def rate(samples: Samples, workers: int) -> float:
    """Images a second over an epoch, after the first batch, with which processes start."""
    epochs = Epochs(len(samples), BATCH, seed=0)
    batches = iter(training_loader(samples, epochs, workers))
    next(batches)
    start = time.perf_counter()
    return sum(len(batch.labels) for batch in batches) / (time.perf_counter() - start)


def speed(folder: Path) -> None:
    """Print images a second by number of processes."""
    files = draw(folder / "images")
    dataset = dataset_of(folder, [path.name for path in files])
    images = [files[number % len(files)].name for number in range(IMAGES)]
    for name, store in {
        "files": None,
        f"store of {SIDES[0]}": store_of(dataset, list(dataset.table.index), SIDES[0]),
    }.items():
        samples = Samples(dataset, images, images, SIZE, RandomChanges(AugmentationSettings()), store=store)
        rates = ", ".join(f"{workers}: {rate(samples, workers):.0f}" for workers in (0, 1, 2))
        print(f"images a second from {name}, by loader processes: {rates}")


def own_megabytes(process: int) -> float:
    """Memory that only this process has."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def memory(folder: Path) -> None:
    """Print the memory of a loader process after 20 batches of an epoch, after half of it and at its end."""
    (folder / "images").mkdir(parents=True)
    for number in range(8):
        Image.linear_gradient("L").rotate(45 * number).resize((64, 64)).save(folder / f"{number}.png")
    images = [f"{number:08d}_000.png" for number in range(NAMES)]
    for number, image in enumerate(images):
        (folder / "images" / image).symlink_to(folder / f"{number % 8}.png")
    samples = Samples(dataset_of(folder, images), images, images, TINY, RandomChanges(AugmentationSettings()))
    epochs = Epochs(NAMES, BATCH, seed=0)
    batches = iter(training_loader(samples, epochs, 1))
    worker, seen = batches._workers[0].pid, []
    for number, _ in enumerate(batches, 1):
        if number in (20, len(epochs) // 2, len(epochs) - 5):
            seen.append(own_megabytes(worker))
    print(f"own memory of a loader process over {NAMES} images: {', '.join(f'{value:.1f}' for value in seen)} MB")


def main() -> None:
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        speed(Path(temporary) / "large")
        memory(Path(temporary) / "many")


if __name__ == "__main__":
    main()
