"""Seconds and memory of scoring as many boxed images as NIH ChestX-ray14 has: 880 with 984 pairs of 8 findings.

At 512 pixels, with all floors, without boxes in training: the location prior then leaves out each patient in turn,
which is the most that scoring has to do. Maps and boxes are drawn; the numbers say nothing of a network. In a process
of its own, whose memory is read at its end.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from samples import machine

from ham.boxes import Box, resized_mask
from ham.model.map_file import write_maps
from ham.model.maps import RegionRule
from ham.scoring.run import ScoredFiles, make_metrics, make_tables
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair, Truth

IMAGES, PAIRS, FINDINGS, BOXED, PATIENTS, SIZE, GRID = 880, 984, 14, 8, 725, 512, 64


def draw_truth() -> Truth:
    """Boxes of all sizes, one or two an image."""
    draw = np.random.default_rng(0)
    findings = tuple(f"finding {number}" for number in range(FINDINGS))
    images = tuple(f"{number:08d}_000.png" for number in range(IMAGES))
    patients = tuple(f"patient {number % PATIENTS}" for number in range(IMAGES))
    pairs = []
    for number in range(PAIRS):
        (x, y), (w, h) = draw.integers(0, 700, 2), draw.integers(40, 320, 2)
        place, finding = number % IMAGES, findings[(number + number // IMAGES) % BOXED]
        mask = partial(_mask, Box.from_xywh([x, y, w, h]))
        pairs.append(Pair(images[place], finding, patients[place], 1, mask))
    labels = (draw.random((IMAGES, FINDINGS)) < 0.2).astype(np.float32)
    return Truth("drawn", findings, findings[:BOXED], images, patients, labels, tuple(pairs))


def _mask(box: Box, side: int) -> np.ndarray:
    return resized_mask([box], 1024, 1024, side, 0, 0, side)


def write_files(truth: Truth, folder: Path) -> ScoredFiles:
    """Predictions of all images, raw maps of all their findings."""
    draw = np.random.default_rng(1)
    files = ScoredFiles(folder / "none", folder / "predictions.csv", folder / "maps.npz")
    columns = [*truth.findings, "abnormality"]
    table = pd.DataFrame(draw.random((IMAGES, len(columns))), columns=columns)
    table.insert(0, "image", truth.images)
    table.to_csv(files.predictions, index=False)
    with write_maps(files.maps) as maps:
        for image in truth.images:
            for finding in [*truth.boxed_findings, "abnormality"]:
                maps.write(image, finding, draw.random((GRID, GRID), dtype=np.float32))
    return files


def score(folder: Path) -> None:
    """Score and print; for a process of its own."""
    truth = draw_truth()
    files = write_files(truth, folder)
    before, start = time.process_time(), time.perf_counter()
    tables = make_tables(truth, [], files, RegionRule(SIZE))
    make_metrics(truth, tables, ScoringSettings())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{IMAGES} images, {PAIRS} pairs of {BOXED} findings at {SIZE}: {time.perf_counter() - start:.1f} s, "
        f"{time.process_time() - before:.1f} s of processor time, {peak:.2f} GB at most"
    )


def main() -> None:
    if sys.argv[1:]:
        score(Path(sys.argv[1]))
        return
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, folder], check=True)


if __name__ == "__main__":
    main()
