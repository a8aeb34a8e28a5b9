"""A training sample over its floor, Pillow's decode of the same 1024 x 1024 PNG, in one run."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from ham.boxes import Box, resized_mask
from ham.samples import change, draw
from ham.training.settings import AugmentationSettings

GRID, SIZE, REPEATS = 1024, 512, 40


def radiograph() -> bytes:
    """A smooth picture with some texture: compresses about as a radiograph does."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:GRID, 0:GRID] / GRID
    picture = 120 + 60 * np.sin(3 * x) * np.cos(4 * y) + rng.normal(0, 3, (GRID, GRID))
    data = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def median_seconds(work: Callable[[int], object]) -> float:
    """Median over REPEATS runs, after one to warm up."""
    work(0)
    times = []
    for number in range(REPEATS):
        start = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    png = radiograph()
    boxes = [Box(300, 400, 520, 610)]

    def decode(_: int) -> Image.Image:
        with Image.open(io.BytesIO(png)) as file:
            return file.copy()

    def sample(number: int) -> None:
        chosen = draw(np.random.default_rng(number), SIZE, AugmentationSettings())
        change(decode(number), SIZE, chosen)
        resized_mask(boxes, GRID, GRID, chosen.side, chosen.left, chosen.top, SIZE, chosen.flip)

    floor, whole = median_seconds(decode), median_seconds(sample)
    print(
        f"{len(png) / 2**20:.1f} MiB PNG to {SIZE} with one mask: decode {floor * 1e3:.1f} ms, "
        f"sample {whole * 1e3:.1f} ms, ratio {whole / floor:.2f}"
    )


if __name__ == "__main__":
    main()
