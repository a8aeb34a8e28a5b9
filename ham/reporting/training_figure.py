"""Training curves: loss terms and validation metrics over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ham.reporting import style
from ham.reporting.numbers import METRICS
from ham.reporting.panels import of_one_experiment, put_title
from ham.reporting.results import SplitResult, variants_of
from ham.reporting.settings import ReportingSettings

CURVES = {
    "loss": "loss, weighted sum",
    "loss_abnormality": "abnormality loss",
    "loss_classification": "classification loss",
    "loss_box": "box loss",
    "loss_bound": "attention bound loss",
    "loss_union": "attention union loss",
    "validation_loss": "validation loss",
    "validation_auc": "validation AUC",
    "validation_auc_published": "validation AUC, release's mean",
    "validation_auc_abnormality": "validation AUC, abnormality",
    "validation_accuracy": "validation accuracy",
}


def write_training(splits: Sequence[Path], output_stem: Path, settings: ReportingSettings) -> None:
    """Every loss term and validation metric over the epochs, one line a split.

    Splits have colours of their own; where there are several variants, variants have. Writes ``output_stem``.svg and
    .png.
    """
    results = [result for result in of_one_experiment(splits) if result.history is not None]
    names = _curve_names(results, settings)
    with style.styled():
        if not names:
            style.sentence(output_stem, "Nothing was trained here: there is no history of losses.")
            return
        columns = 4
        made = style.figure(1.45 * -(-len(names) // columns) + 0.8)
        axes = style.grid_of_axes(made, len(names), columns, sharex=True)
        handles: dict[str, Line2D] = {}
        for cell, (name, title) in zip(axes, names.items(), strict=True):
            _training_panel(cell, name, title, results, handles)
        style.label_bottom(axes, columns, "epoch")
        about = "losses: means over the steps of an epoch; validation: at the end of each epoch"
        put_title(made, results, "Training", about, images="")
        style.legend(made, list(handles.values()))
        style.save(made, output_stem)


def _training_panel(
    cell: Axes, name: str, title: str, results: Sequence[SplitResult], handles: dict[str, Line2D]
) -> None:
    variants = list(variants_of(results))
    seen: list[float] = []
    for index, result in enumerate(results):
        history = result.history
        if history is None or name not in history.columns:
            continue
        colour, line = style.series(variants.index(result.variant) if len(variants) > 1 else index)
        values = history[name].astype(float)
        seen += values[np.isfinite(values)].tolist()
        marker = "o" if len(history) == 1 else None
        drawn = cell.plot(
            history["epoch"], values, color=colour, linestyle=line, linewidth=1.1, marker=marker, markersize=3
        )
        drawn[0].set_label(result.variant if len(variants) > 1 else result.split)
        handles.setdefault(str(drawn[0].get_label()), drawn[0])
    cell.set_title(style.fold(title, 1.45))
    cell.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if name == "learning_rate":
        cell.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    if seen and max(seen) == min(seen) == 0:
        cell.set_ylim(-0.05, 1)
        cell.text(0.5, 0.5, "0 throughout", transform=cell.transAxes, ha="center", color=style.FAINT, fontsize=7)
    elif name.startswith("loss"):
        cell.set_ylim(bottom=0)


def _curve_names(results: Sequence[SplitResult], settings: ReportingSettings) -> dict[str, str]:
    """Columns to draw and their titles: losses, other validation metrics, the shown thresholds."""
    histories = [result.history for result in results if result.history is not None]
    losses = [column for history in histories for column in history.columns if column.startswith("loss_")]
    wanted = {name: title for name, title in CURVES.items() if name.startswith("loss")}
    wanted |= {name: name.replace("_", " ") for name in losses if name not in CURVES}
    wanted |= CURVES
    for metric, levels in (("t_iou", settings.t_iou_thresholds), ("t_ior", settings.t_ior_thresholds)):
        wanted |= {f"validation_{metric}_{level:g}": f"validation {METRICS[metric]} at {level:g}" for level in levels}
    wanted["learning_rate"] = "learning rate"
    if not any(_differs(history) for history in histories):
        wanted.pop("validation_auc_published")
    drawn = {name for history in histories for name in history.columns if history[name].notna().any()}
    return {name: title for name, title in wanted.items() if name in drawn}


def _differs(history: pd.DataFrame) -> bool:
    both = ("validation_auc", "validation_auc_published")
    if not set(both) <= set(history.columns):
        return False
    return not np.allclose(history[both[0]].astype(float), history[both[1]].astype(float), equal_nan=True)
