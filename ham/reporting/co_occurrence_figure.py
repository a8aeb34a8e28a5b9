"""Which findings go together: in the labels of the test images, and in what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ham.reporting import style
from ham.reporting.panels import of_one_experiment, put_title
from ham.reporting.results import SplitResult, variants_of

COLUMNS = 2  # labels and predictions side by side


def write_co_occurrence(splits: Sequence[Path], output_stem: Path) -> None:
    """Of the test images that have the row's finding, the per cent that also have the column's: by their labels, and
    by the probabilities of each variant at ``scoring.probability``; the number of images at each row.

    Writes ``output_stem``.svg and .png. DataError where the splits are of several experiments.
    """
    results = of_one_experiment(splits)
    tables = {name: _join(group) for name, group in variants_of(results).items()}
    first = next(iter(tables.values()))
    findings = [name.removeprefix("label_") for name in map(str, first) if name.startswith("label_")]
    findings = [name for name in findings if name != "abnormality"]
    with style.styled():
        if not findings:
            style.sentence(output_stem, "There is no classification to count.")
            return
        panels = [("labels", first[[f"label_{name}" for name in findings]].to_numpy(float))]
        for variant, table in tables.items():
            level = _level(results, variant)
            scores = table[[f"probability_{name}" for name in findings]].to_numpy(float)
            panels.append((f"{variant}, probability above {level:g}", (scores > level).astype(float)))
        made = style.figure((1.3 + 0.16 * len(findings)) * -(-len(panels) // COLUMNS) + 0.5)
        cells = style.grid_of_axes(made, len(panels), COLUMNS)
        for place, (cell, (title, has)) in enumerate(zip(cells, panels, strict=True)):
            _panel(cell, has, findings, named=place % COLUMNS == 0)
            cell.set_title(style.fold(title, 2.5))
        about = "per cent of the images with the row's finding that have the column's; at the row: images"
        put_title(made, results, "Co-occurrence of findings", about)
        style.save(made, output_stem)


def _join(group: Sequence[SplitResult]) -> pd.DataFrame:
    tables = [result.classification for result in group]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _level(results: Sequence[SplitResult], variant: str) -> float:
    rows = [row for result in variants_of(results)[variant] for row in result.metrics.get("classification") or []]
    return next((float(row["threshold"]) for row in rows if row["metric"] == "accuracy"), 0.5)


def shares(has: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the images [N] that have finding i, the per cent that have j: [C, C], nan where none has i; and how many have
    it, [C]. ``has`` [N, C] is 1, 0 or nan: unknown, which counts neither way."""
    yes, known = has == 1, ~np.isnan(has)
    both = (yes[:, :, None] & yes[:, None, :]).sum(axis=0)
    of = (yes[:, :, None] & known[:, None, :]).sum(axis=0)
    return np.divide(100 * both, of, out=np.full(both.shape, np.nan), where=of > 0), yes.sum(axis=0)


def _panel(cell: Axes, has: np.ndarray, findings: Sequence[str], named: bool) -> None:
    found, count = shares(has)
    shown = np.where(np.eye(len(findings), dtype=bool), np.nan, found)
    cell.imshow(shown, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row in range(len(findings)):
        for column in range(len(findings)):
            if row != column and np.isfinite(found[row, column]):
                colour = "white" if found[row, column] > 60 else style.INK
                text = f"{found[row, column]:.0f}"
                cell.text(column, row, text, ha="center", va="center", fontsize=style.SMALLEST, color=colour)
    cell.set_xticks(range(len(findings)), findings, rotation=60, ha="right", rotation_mode="anchor")
    names = [f"{name} ({images:,})" if named else f"{images:,}" for name, images in zip(findings, count, strict=True)]
    cell.set_yticks(range(len(findings)), names)
    cell.grid(visible=False)
