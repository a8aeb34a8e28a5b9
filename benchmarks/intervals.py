"""Seconds of 1,000 resamples of the whole NIH test: 14 findings on 25,596 images of 2,797 patients. Floor: 30 s,
bands of curves included.

Labels and probabilities are drawn. Beside it the same scores by calling the metric on the resampled rows, measured on a
few of them and multiplied.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from samples import machine

from ham.scoring.classification import join_labels, metric_rows
from ham.scoring.curves import DRAWN, curves
from ham.scoring.intervals import Resampling
from ham.scoring.settings import ScoringSettings
from ham.scoring.subgroups import subgroup_rows
from ham.scoring.truth import Truth

IMAGES, PATIENTS, FINDINGS, RESAMPLES, CALLED = 25_596, 2_797, 14, 1000, 3


def main() -> None:
    """Print what is described above."""
    draw = np.random.default_rng(0)
    names = tuple(f"finding {number}" for number in range(FINDINGS))
    images = tuple(f"{number:08d}_000.png" for number in range(IMAGES))
    patients = tuple(f"patient {number}" for number in np.sort(draw.integers(0, PATIENTS, IMAGES)))
    labels = (draw.random((IMAGES, FINDINGS)) < 0.08).astype(np.float32)
    groups = {
        name: dict(zip(images, draw.choice(values, IMAGES), strict=True))
        for name, values in (("view", ["AP", "PA"]), ("sex", ["F", "M"]), ("age", ["0-19", "20-39", "40-59", "60-79"]))
    }
    truth = Truth("drawn", names, (), images, patients, labels, (), groups)
    scores = pd.DataFrame(draw.random((IMAGES, FINDINGS + 1)), list(images), [*names, "abnormality"])
    table, settings = join_labels(truth, scores), ScoringSettings(resamples=RESAMPLES)
    start = time.perf_counter()
    resampling = Resampling.of_truth(truth, RESAMPLES, settings.seed)
    metric_rows(table, names, settings, resampling)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    curves(table, names, resampling)
    of_curves = time.perf_counter() - start
    start = time.perf_counter()
    grouped = table.assign(**{name: table["image"].map(values) for name, values in groups.items()})
    subgroup_rows(truth, grouped, grouped.iloc[:0], settings, resampling)
    of_groups = time.perf_counter() - start
    start = time.perf_counter()
    places = resampling.places(patients)
    for weights in resampling.weights[:CALLED]:
        metric_rows(table.loc[table.index.repeat(weights[places])], names, settings)
    called = (time.perf_counter() - start) / CALLED * RESAMPLES
    taken = f"{seconds:.1f} s, bands of curves from {DRAWN} of them {of_curves:.1f} s"
    taken += f", of eight subgroups {of_groups:.1f} s; by calling the metrics {called:.0f} s"
    print(f"{machine()}: {RESAMPLES:,} resamples {taken}")


if __name__ == "__main__":
    main()
