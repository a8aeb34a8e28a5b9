"""ROC and precision-recall curves of every finding, with bands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ham.reporting import style
from ham.reporting.panels import of_one_experiment, save_panels
from ham.reporting.results import SplitResult, variants_of

BEHIND = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}  # a number that curves may cross
SCORED = ("finding", "abnormality")  # what has curves


def write_roc(splits: Sequence[Path], output_stem: Path) -> None:
    """ROC curves of every finding, mean of the splits at equal false positive rate, and their band; in each panel the
    AUC.

    Writes ``output_stem``.svg and .png. DataError where the splits are of several experiments.
    """
    _write(splits, "roc", ("false positive rate", "true positive rate"), ("ROC curves", "number: AUC"), output_stem)


def write_precision_recall(splits: Sequence[Path], output_stem: Path) -> None:
    """Precision over recall of every finding, as :func:`write_roc`; the dotted line is the share of positives, which
    guessing reaches; in each panel the average precision."""
    said = ("Precision and recall", "dotted: share of positives; number: average precision")
    _write(splits, "precision_recall", ("recall", "precision"), said, output_stem)


def _write(
    splits: Sequence[Path], kind: str, axes_names: tuple[str, str], said: tuple[str, str], output_stem: Path
) -> None:
    results = of_one_experiment(splits)
    names = list(dict.fromkeys(name for result in results for name in result.curves.get(kind) or {}))
    with style.styled():
        if not names:
            style.sentence(output_stem, "No finding has images with and without it in these splits.")
            return

        def panel(cell: Axes, name: str, shown: Sequence[SplitResult]) -> None:
            _panel(cell, name, shown, kind)

        title, about = said
        if len({result.split for result in results}) > 1:
            about = f"lines and 95 % bands: means of the splits' own; {about}, ± sd over splits"
        else:
            about = f"band: 95 % interval from resampled patients; {about}"
        save_panels(results, names, panel, axes_names, (title, about), output_stem)


def _panel(cell: Axes, name: str, results: Sequence[SplitResult], kind: str) -> None:
    across, up, metric = ("fpr", "tpr", "auc") if kind == "roc" else ("recall", "precision", "average_precision")
    groups = variants_of(results)
    low = kind == "roc" or _ends_high(results, name)
    for index, group in enumerate(groups.values()):
        colour, line = style.series(index)
        curves = [curve for result in group if (curve := (result.curves.get(kind) or {}).get(name))]
        if curves:
            places = np.array(curves[0][across])
            floor = np.mean([curve.get("prevalence", 0) for curve in curves])
            cell.plot(
                [0, 1], [0, 1] if kind == "roc" else [floor, floor], color="#BBBBBB", linewidth=0.8, linestyle=":"
            )
            if all("low" in curve for curve in curves):
                cell.fill_between(
                    places, _mean(curves, "low"), _mean(curves, "high"), color=colour, alpha=0.18, linewidth=0
                )
            cell.plot(places, _mean(curves, up), color=colour, linestyle=line, linewidth=1.5)
        text = _mean_sd([_value(result, name, metric) for result in group])
        y = 0.05 + 0.11 * (len(groups) - 1 - index) if low else 0.89 - 0.11 * index
        cell.text(0.97, y, text, transform=cell.transAxes, ha="right", fontsize=7, color=colour, bbox=BEHIND)
    cell.set(xlim=(0, 1), ylim=(0, 1.01), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), aspect="equal")


def _ends_high(results: Sequence[SplitResult], name: str) -> bool:
    """Whether precision stays high where recall is: the numbers then stand below."""
    curves = [curve for result in results if (curve := (result.curves.get("precision_recall") or {}).get(name))]
    return bool(curves) and float(np.mean(_mean(curves, "precision")[50:])) > 0.5


def _mean(curves: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    """Of the splits at each place. Of bands too: the mean of the splits' own, wider than the band of their mean."""
    return np.asarray(np.mean([curve[name] for curve in curves], axis=0))


def _value(result: SplitResult, name: str, metric: str) -> float | None:
    rows = result.metrics.get("classification") or []
    values = [
        row["value"] for row in rows if (row["metric"], row["finding"]) == (metric, name) and row["scope"] in SCORED
    ]
    return float(values[0]) if values and values[0] is not None else None


def _mean_sd(given: Sequence[float | None]) -> str:
    """``0.812 ± 0.010``; with the number of values where some are undefined."""
    values = [value for value in given if value is not None]
    if not values:
        return "undefined"
    text = f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")
    return text if len(values) == len(given) else f"{text} ({len(values)} of {len(given)} splits)"
