"""A training sample over its floor, Pillow's decode of the same PNG: from files and from image stores.

    python benchmarks/samples.py [FOLDER]

A sample is all that a loader process does for an image: decode it or read it from the store, draw a change, resize,
cut, mirror, masks of its boxes, and its share of collating a batch. One image in twelve has a box. FOLDER holds grey
PNG files to take in place of drawn ones.

Floor and samples take turns, image by image, in one thread. Medians are of processor time, so that other work on the
machine does not count; no disk is read (files are in memory after the first round).
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store, ids, resized
from ham.images import read_grey
from ham.phantom.radiograph import radiograph
from ham.samples import RandomChanges, Samples, collate
from ham.settings import AugmentationSettings

SIZE, BATCH, DRAWN, ROUNDS, SIDES = 512, 24, 12, 8, (512, 576)
NOISE = 0.7  # grey levels


def machine() -> str:
    """Processor and versions that decide the numbers."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{len(names)} x {names[0]}, Python {platform.python_version()}, Pillow {Image.__version__}"


def draw(folder: Path) -> list[Path]:
    """Drawn radiographs of 1024 x 1024 pixels, with as much noise as makes PNG files of 400 kB: NIH's mean."""
    noise = np.random.default_rng(0)
    folder.mkdir(parents=True)
    paths = [folder / f"{number:08d}_000.png" for number in range(DRAWN)]
    for path in paths:
        drawn = Image.fromarray(radiograph(path.stem, path.stem)[0]).resize((1024, 1024), Image.Resampling.BICUBIC)
        pixels = np.asarray(drawn) + noise.normal(0, NOISE, (1024, 1024)).round()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return paths


def dataset_of(folder: Path, images: Sequence[str]) -> Dataset:
    """A data set of ``images`` (1024 x 1024) in ``folder``, 14 findings; one image in twelve has a box."""
    findings = [f"finding {number}" for number in range(14)]
    table = pd.DataFrame(np.zeros((len(images), 14), np.float32), index=list(images), columns=findings)
    for column, value in (("patient", "patient"), ("width", 1024), ("height", 1024)):
        table[column] = value
    info = {"name": "drawn", "findings": findings, "boxed_findings": findings[:8], "box_grid": 1024}
    boxes = {image: {findings[1]: [[300.0, 400.0, 220.0, 210.0]]} for image in images[::12]}
    return Dataset(folder, info, table, boxes, [])


def store_of(dataset: Dataset, images: Sequence[str], side: int) -> Store:
    """An image store in the data set's folder, on disk as a real one."""
    path = dataset.folder / f"{side}.npy"
    np.save(path, np.stack([np.asarray(resized(read_grey(dataset.path(image)), side)) for image in sorted(images)]))
    return Store(side, np.load(path, mmap_mode="r"), ids(sorted(images)), "")


def decode(path: Path) -> None:
    """The floor."""
    with Image.open(path) as file:
        file.load()


def collating(samples: Samples) -> float:
    """Seconds an image of putting a batch together."""
    batch = [samples[(0, number % len(samples))] for number in range(BATCH)]
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        collate(batch)
        times.append(time.thread_time() - start)
    return float(np.median(times)) / BATCH


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        if sys.argv[1:]:
            paths = sorted(Path(sys.argv[1]).glob("*.png"))
            (Path(temporary) / "images").symlink_to(Path(sys.argv[1]).resolve())
        else:
            paths = draw(Path(temporary) / "images")
        images = [path.name for path in paths]
        dataset = dataset_of(Path(temporary), images)
        stores = {f"store of {side}": store_of(dataset, images, side) for side in SIDES}
        ways = {
            name: Samples(dataset, images, images, SIZE, RandomChanges(AugmentationSettings()), store=store)
            for name, store in {"files": None, **stores}.items()
        }
        work: dict[str, Callable[[int, int], object]] = {"decode": lambda _, place: decode(paths[place])}
        work |= {name: lambda epoch, place, way=way: way[(epoch, place)] for name, way in ways.items()}
        times: dict[str, list[float]] = {name: [] for name in work}
        for epoch in range(ROUNDS):
            for place in range(len(images)):
                for name, do in work.items():
                    start = time.thread_time()
                    do(epoch, place)
                    times[name].append(time.thread_time() - start)
        medians = {name: float(np.median(found)) for name, found in times.items()}
        medians = {name: value + (collating(ways[name]) if name in ways else 0) for name, value in medians.items()}
        kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1000
        print(machine())
        print(f"{len(paths)} PNG of {kilobytes:.0f} kB: Pillow's decode {1e3 * medians['decode']:.2f} ms")
        for name in ways:
            print(f"  sample from {name}: {1e3 * medians[name]:.2f} ms, {medians[name] / medians['decode']:.2f} x")


if __name__ == "__main__":
    main()
