"""How IoU is distributed: a dot a pair for each finding, with its median and quartiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ham.reporting import style
from ham.reporting.panels import count_pairs, of_one_experiment, put_title, variant_legend
from ham.reporting.results import variants_of

ACROSS = 0.8  # of the room of a finding
FEW = 8  # pairs, below which dots stand alone: quartiles of so few say more than is known


def write_iou(splits: Sequence[Path], output_stem: Path) -> None:
    """IoU of every pair of all splits by finding, variants side by side; a bar from quartile to quartile, a line at the
    median.

    Writes ``output_stem``.svg and .png. DataError where the splits are of several experiments.
    """
    results = of_one_experiment(splits)
    findings = list(dict.fromkeys(name for result in results for name in result.boxed_findings))
    groups = variants_of(results)
    with style.styled():
        if not findings:
            style.sentence(
                output_stem, "No test image of this experiment has boxes: there is no localization to score."
            )
            return
        made = style.figure(3.2)
        cell = made.add_subplot()
        width = ACROSS / len(groups)
        for index, group in enumerate(groups.values()):
            colour = style.series(index)[0]
            pairs = pd.concat([result.localization for result in group])
            for place, finding in enumerate(findings):
                values = np.sort(pairs.loc[pairs["finding"] == finding, "iou"].to_numpy(float))
                if not len(values):
                    continue
                middle = place + width * (index - (len(groups) - 1) / 2)
                spread = np.array([_halton(number) for number in range(1, len(values) + 1)]) - 0.5
                cell.scatter(
                    middle + 0.8 * width * spread, values, s=6, color=colour, alpha=0.45, linewidths=0, rasterized=True
                )
                if len(values) < FEW:
                    continue
                low, median, high = np.percentile(values, [25, 50, 75])
                cell.plot([middle, middle], [low, high], color=style.INK, linewidth=1.2)
                cell.plot([middle - 0.3 * width, middle + 0.3 * width], [median] * 2, color=style.INK, linewidth=2)
        named = [f"{name} ({count_pairs(results, name):,})" for name in findings]
        cell.set_xticks(range(len(findings)), named, rotation=35, ha="right", rotation_mode="anchor")
        cell.set(xlim=(-0.6, len(findings) - 0.4), ylim=(-0.02, 1.01), ylabel="IoU")
        cell.grid(axis="x", visible=False)
        about = f"dark: median and quartiles of {FEW} pairs or more; in brackets: pairs"
        put_title(made, results, "IoU of every pair", about, images="with boxes")
        if len(groups) > 1:
            variant_legend(made, results)
        style.save(made, output_stem)


def _halton(number: int) -> float:
    """The ``number``-th point of a sequence that fills 0 to 1 evenly: dots beside one another without chance."""
    value, share = 0.0, 0.5
    while number:
        value += share * (number % 2)
        number, share = number // 2, share / 2
    return value
