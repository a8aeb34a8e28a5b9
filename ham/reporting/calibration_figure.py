"""Reliability diagrams: how often a finding is there where the network says so with a probability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ham.reporting import style
from ham.reporting.panels import of_one_experiment, save_panels
from ham.reporting.results import SplitResult, variants_of
from ham.scoring.metric_rows import BINS


def write_calibration(splits: Sequence[Path], output_stem: Path) -> None:
    """Share of positives over the mean probability of each bin, every finding a panel, the images of all splits
    together; a point is as large as its bin has images.

    Writes ``output_stem``.svg and .png. DataError where the splits are of several experiments.
    """
    results = of_one_experiment(splits)
    names = list(dict.fromkeys(name for result in results for name in result.reliability))
    with style.styled():
        if not names:
            style.sentence(output_stem, "No finding has images with and without it in these splits.")
            return
        axes_names = ("mean probability", "share of positives")
        said = ("Calibration", "on the dotted line a probability is what it says; larger: more images")
        save_panels(results, names, _panel, axes_names, said, output_stem)


def _panel(cell: Axes, name: str, results: Sequence[SplitResult]) -> None:
    cell.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8, linestyle=":")
    for index, group in enumerate(variants_of(results).values()):
        colour, line = style.series(index)
        bins = [result.reliability[name] for result in group if name in result.reliability]
        probability, positives, images = (
            np.concatenate([np.asarray(own[key], dtype=np.float64) for own in bins]) if bins else np.zeros(0)
            for key in ("probability", "positives", "images")
        )
        places = np.minimum((probability * BINS).astype(int), BINS - 1)
        points = [
            (np.average(probability[own], weights=images[own]), np.average(positives[own], weights=images[own]),
             images[own].sum())
            for place in np.unique(places)
            for own in [places == place]
        ]  # fmt: skip
        if points:
            x, y, n = np.array(points).T
            cell.plot(x, y, color=colour, linestyle=line, linewidth=1.0)
            cell.scatter(x, y, s=4 + 26 * np.sqrt(n / n.max()), color=colour, linewidths=0, zorder=3)
    cell.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), aspect="equal")
