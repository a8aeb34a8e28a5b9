"""Box area against IoU: whether small findings are missed, and whether the map could have drawn them at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ham.reporting import style
from ham.reporting.panels import of_one_experiment, put_title, variant_legend
from ham.reporting.results import SplitResult, variants_of

PARTS = 6  # of the pairs, by area, whose median IoU is joined by a line
COLUMNS = ("true_area", "iou")


def write_area(splits: Sequence[Path], output_stem: Path) -> None:
    """IoU of every pair of all splits over the share of the image that its boxes cover, a panel a variant, with the
    median of each sixth of the pairs; green, of each pair: from what a map of this shape reaches to what none exceeds.

    Writes ``output_stem``.svg and .png. DataError where the splits are of several experiments.
    """
    results = of_one_experiment(splits)
    groups = {name: _pairs(group) for name, group in variants_of(results).items()}
    groups = {name: pairs for name, pairs in groups.items() if len(pairs)}
    with style.styled():
        if not groups:
            style.sentence(
                output_stem, "No test image of this experiment has boxes: there is no localization to score."
            )
            return
        columns = min(len(groups), 2)
        made = style.figure(2.6 * -(-len(groups) // columns) + 0.6)
        cells = style.grid_of_axes(made, len(groups), columns, sharex=True, sharey=True)
        for index, (cell, (name, pairs)) in enumerate(zip(cells, groups.items(), strict=True)):
            _panel(cell, pairs, style.series(index)[0])
            cell.set_title(name)
        for cell in cells[::columns]:
            cell.set_ylabel("IoU")
        about = "line: median of each sixth of the pairs"
        if any("highest_iou" in pairs for pairs in groups.values()):
            about += "; green: from what a map of this shape reaches to what none exceeds"
        put_title(made, results, "Box area and IoU", about, images="")
        if len(groups) > 1:
            variant_legend(made, results)
        style.save(made, output_stem)


def _pairs(group: Sequence[SplitResult]) -> pd.DataFrame:
    """Pairs with ``share``, of the image that their boxes cover; those of no pixel are left out."""
    tables = []
    for result in group:
        table = result.localization
        if set(COLUMNS) <= set(table):
            side = int(result.metrics["region"]["size"])
            tables.append(table.assign(share=table["true_area"] / side**2))
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["share", *COLUMNS])
    return found[found["share"] > 0]


def _panel(cell: Axes, pairs: pd.DataFrame, colour: str) -> None:
    if "highest_iou" in pairs:
        cell.scatter(
            pairs["share"], pairs["highest_iou"], s=4, color=style.CEILING_COLOUR, linewidths=0, rasterized=True
        )
    if "reached_iou" in pairs:
        share, low, high = (pairs[name].to_numpy(float) for name in ("share", "reached_iou", "highest_iou"))
        cell.vlines(share, low, high, colors=style.CEILING_COLOUR, linewidth=0.8, alpha=0.5, rasterized=True)
    cell.scatter(pairs["share"], pairs["iou"], s=6, color=colour, alpha=0.45, linewidths=0, rasterized=True)
    ordered = pairs.sort_values("share", kind="stable")
    parts = [part for part in np.array_split(ordered[["share", "iou"]].to_numpy(float), PARTS) if len(part)]
    middles = np.array([np.median(part, axis=0) for part in parts])
    cell.plot(middles[:, 0], middles[:, 1], "o-", color=style.INK, markersize=3.5, linewidth=1.3)
    cell.set_xscale("log")
    cell.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    cell.xaxis.set_minor_formatter(FuncFormatter(lambda share, _: ""))
    cell.set(ylim=(-0.02, 1.03), xlabel="share of the image that the boxes cover")
