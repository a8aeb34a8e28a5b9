"""Figures of an experiment: T(IoU) and T(IoR) over the threshold, training curves; and what all figures share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ham.errors import DataError
from ham.model.metrics import SHARE_OF, share_at_least
from ham.reporting import style
from ham.reporting.numbers import FLOORS, METRICS, Numbers
from ham.reporting.published import PublishedRow, published_rows, split_by_protocol
from ham.reporting.results import SplitResult, once_a_split, published_of, read_results, variants_of
from ham.reporting.settings import ReportingSettings
from ham.reporting.tables import tidy
from ham.scoring.metric_rows import MEAN, Subject

LEVELS = np.linspace(0, 1, 201)[1:]  # thresholds of the T(IoU) and T(IoR) curves
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


def save_panels(
    results: Sequence[SplitResult],
    names: Sequence[str],
    panel: Callable[[Axes, str, Sequence[SplitResult]], None],
    axes_names: tuple[str, str],
    said: tuple[str, str],
    output_stem: Path,
) -> None:
    """A small square panel for each of ``names``, drawn by ``panel``; ``said`` is what is shown, and about it."""
    columns = 5
    made = style.figure(10, 2.05 * -(-len(names) // columns) + 0.6)
    axes = style.grid_of_axes(made, len(names), columns, sharex=True, sharey=True)
    for cell, name in zip(axes, names, strict=True):
        panel(cell, name, results)
    style.label_bottom(axes, columns, axes_names[0])
    made.supylabel(axes_names[1], fontsize=8, color=style.INK)
    put_title(made, results, *said)
    variant_legend(made, results)
    style.save(made, output_stem)


def write_thresholds(
    splits: Sequence[Path], metric: Literal["t_iou", "t_ior"], output_stem: Path, settings: ReportingSettings
) -> None:
    """T(IoU) or T(IoR) over the threshold, the variants and the maps that never look at the image.

    Two large panels: the mean over findings, and without the one left out; below, a small one a finding. Lines are over
    the pairs of all splits; bars are their 95 % intervals at the thresholds that were scored. Writes
    ``output_stem``.svg and .png.
    """
    results = of_one_experiment(splits)
    findings = list(dict.fromkeys(name for result in results for name in result.boxed_findings))
    published = _published(results, metric, settings)
    numbers = Numbers(tidy(results))
    with style.styled():
        if not findings:
            style.sentence(
                output_stem, "No test image of this experiment has boxes: there is no localization to score."
            )
            return
        columns, small = 4, -(-len(findings) // 4)
        made = style.figure(10, 3.6 + 1.75 * small)
        grid = made.add_gridspec(1 + small, 2 * columns, height_ratios=[2.0] + [1.0] * small)
        tested = [finding for finding in findings if any(_has_pairs(result, finding) for result in results)]
        means: list[tuple[str, list[str], Subject]] = [(f"mean of {len(tested)} findings", tested, MEAN)]
        for name in results[0].left_out:
            rest = [finding for finding in tested if finding != name]
            means.append((f"mean of {len(rest)} without {name}", rest, Subject.without(name)))
        width = 2 * columns // len(means)
        for index, (title, members, subject) in enumerate(means):
            cell = made.add_subplot(grid[0, index * width : (index + 1) * width])
            _threshold_panel(cell, title, members, metric, results, published, large=True)
            _interval_bars(cell, numbers, metric, subject)
        cells: list[Axes] = []
        for index, finding in enumerate(findings):
            row, column = divmod(index, columns)
            cells.append(made.add_subplot(grid[1 + row, 2 * column : 2 * column + 2]))
            title = f"{finding} ({_pairs(results, finding)})"
            _threshold_panel(cells[-1], title, [finding], metric, results, published, large=False)
            _interval_bars(cells[-1], numbers, metric, Subject.of_finding(finding))
        style.label_bottom(cells, columns, f"threshold on {METRICS[metric][2:-1]}")
        made.supylabel(f"{METRICS[metric]}: share of pairs at or above the threshold", fontsize=8, color=style.INK)
        several = "lines: all pairs of all splits; " if len({result.split for result in results}) > 1 else ""
        about = f"{several}bars: 95 % intervals; in brackets: pairs"
        put_title(made, results, METRICS[metric], about, images="with boxes")
        variant_legend(made, results, floors=True, published=_labels(published), ceiling=metric == "t_iou")
        style.save(made, output_stem)


def _threshold_panel(
    cell: Axes,
    title: str,
    findings: Sequence[str],
    metric: str,
    results: Sequence[SplitResult],
    published: Sequence[PublishedRow],
    large: bool,
) -> None:
    for index, label in enumerate(_labels(published)):
        rows = [row for row in published if row.label == label]
        marker, size = "Dsv^"[index % 4], 4.0 if large else 2.8
        values = [row.mean(findings) for row in rows]
        cell.plot(
            [row.threshold for row in rows],
            values,
            marker,
            color=style.FAINT,
            markersize=size,
            fillstyle="none",
            zorder=3,
        )
    column = SHARE_OF[metric]
    for name, pairs in _floor_pairs(results).items():
        colour, line = style.FLOOR_LINES.get(name, (style.FAINT, ":"))
        curve = _share_curve(pairs, findings, column)
        cell.plot(LEVELS, curve, color=colour, linestyle=line, linewidth=1.4 if large else 1.1)
    if metric == "t_iou" and (bounded := _bounded(results)) is not None:
        curve = _share_curve(bounded, findings, "highest_iou")
        cell.plot(LEVELS, curve, color=style.CEILING_COLOUR, linestyle=style.CEILING_DASHES, linewidth=1.0)
    for index, group in enumerate(variants_of(results).values()):
        colour, line = style.series(index)
        pooled = _share_curve(pd.concat([result.localization for result in group]), findings, column)
        cell.plot(LEVELS, pooled, color=colour, linestyle=line, linewidth=2.0 if large else 1.5)
    cell.set_title(title)
    ticks = (0, 0.1, 0.3, 0.5, 0.7, 0.9) if large else (0.1, 0.3, 0.5, 0.7)
    cell.set(xlim=(0, 1), ylim=(0, 1.01), xticks=ticks, yticks=(0, 0.25, 0.5, 0.75, 1) if large else (0, 0.5, 1))


def _interval_bars(cell: Axes, numbers: Numbers, metric: str, subject: Subject) -> None:
    """The 95 % interval of all pairs together at each threshold that was scored, variants a little apart."""
    levels = sorted(numbers.table.loc[numbers.table["metric"] == metric, "threshold"].dropna().unique())
    for index, variant in enumerate(numbers.variants):
        colour, place = style.series(index)[0], 0.008 * (index - (len(numbers.variants) - 1) / 2)
        for level in levels:
            found = numbers.number(variant, numbers.summary(variant, pooled=True), (metric, float(level), subject))
            if math.isfinite(found.low):
                cell.plot([level + place] * 2, [found.low, found.high], color=colour, linewidth=1.0, alpha=0.8)


def _bounded(results: Sequence[SplitResult]) -> pd.DataFrame | None:
    """Pairs of all splits, each once, with the IoU that no map exceeds; None where it was not computed."""
    tables = [result.localization for result in once_a_split(results) if "highest_iou" in result.localization]
    return pd.concat(tables, ignore_index=True) if tables else None


def _has_pairs(result: SplitResult, finding: str) -> bool:
    return bool((result.localization["finding"] == finding).any())


def _share_curve(pairs: pd.DataFrame, findings: Sequence[str], column: str) -> np.ndarray:
    """Share at or above each of ``LEVELS``, mean over the findings that have pairs; NaN where there is no pair."""
    shares = []
    for finding in findings:
        values = pairs.loc[pairs["finding"] == finding, column].to_numpy(dtype=np.float64)
        if len(values):
            shares.append([share_at_least(values, level) for level in LEVELS])
    return np.mean(shares, axis=0) if shares else np.full(len(LEVELS), math.nan)


def _published(results: Sequence[SplitResult], metric: str, settings: ReportingSettings) -> list[PublishedRow]:
    rows = published_rows(published_of(results)) if settings.published else []
    boxed = sum(result.images(boxes=True)[0] for result in once_a_split(results))
    beside, _ = split_by_protocol([row for row in rows if row.metric == metric], 0, boxed)
    return beside


def _labels(published: Sequence[PublishedRow]) -> list[str]:
    return list(dict.fromkeys(row.label for row in published))


def _floor_pairs(results: Sequence[SplitResult]) -> dict[str, pd.DataFrame]:
    """Pairs of each floor, each split once: every variant of a split has the same."""
    tables = [result.floors for result in once_a_split([result for result in results if len(result.floors)])]
    if not tables:
        return {}
    pairs = pd.concat(tables, ignore_index=True)
    names = sorted(pairs["floor"].unique(), key=lambda name: (list(FLOORS).index(name) if name in FLOORS else 99, name))
    return {name: pairs[pairs["floor"] == name] for name in names}


def _pairs(results: Sequence[SplitResult], finding: str) -> str:
    return f"{sum(int((result.localization['finding'] == finding).sum()) for result in once_a_split(results)):,}"


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
        columns = 5
        made = style.figure(10, 1.75 * -(-len(names) // columns) + 0.8)
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
    cell.set_title(title)
    cell.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if name == "learning_rate":
        cell.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    if seen and max(seen) == min(seen) == 0:
        cell.set_ylim(-0.05, 1)
        cell.text(0.5, 0.5, "0 throughout", transform=cell.transAxes, ha="center", color=style.FAINT, fontsize=7.5)
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


def of_one_experiment(splits: Sequence[Path]) -> list[SplitResult]:
    """The results of splits; DataError where they are of several experiments."""
    results = read_results(splits)
    names = {result.experiment for result in results}
    if len(names) != 1:
        raise DataError(f"A figure is of one experiment, not of {len(names)}: {', '.join(sorted(names))}.")
    return results


def put_title(made: Figure, results: Sequence[SplitResult], what: str, about: str, images: str = "all") -> None:
    """Two lines over a figure: what it shows of which experiment, and splits, images present, ``about``."""
    first = results[0]
    group = once_a_split(results)
    pairs = [result.images(boxes=images == "with boxes") for result in group]
    present, listed = (sum(pair[i] for pair in pairs) for i in (0, 1))
    several = f"{len(group)} splits" if len(group) > 1 else f"split {first.split}"
    kind = "test images with boxes" if images == "with boxes" else "test images"
    there = f"{present:,} of {listed:,} {kind} present" if listed and images else ""
    parts = [part for part in (several, there, about) if part]
    made.suptitle(f"{what}, {first.experiment} on {first.dataset}\n{'; '.join(parts)}", fontsize=9, x=0.01, ha="left")


def variant_legend(
    made: Figure,
    results: Sequence[SplitResult],
    floors: bool = False,
    published: Sequence[str] = (),
    ceiling: bool = False,
) -> None:
    """A line for each variant, where asked for also for each floor, published row and the ceiling."""
    handles = [
        Line2D([], [], color=style.series(index)[0], linestyle=style.series(index)[1], linewidth=2, label=name)
        for index, name in enumerate(_labelled_variants(results))
    ]
    for name in _floor_pairs(results) if floors else ():
        colour, line = style.FLOOR_LINES.get(name, (style.FAINT, ":"))
        handles.append(Line2D([], [], color=colour, linestyle=line, linewidth=1.4, label=FLOORS.get(name, name)))
    if ceiling and _bounded(results) is not None:
        dashes, colour = style.CEILING_DASHES, style.CEILING_COLOUR
        handles.append(Line2D([], [], color=colour, linestyle=dashes, linewidth=1.0, label="no map exceeds"))
    for index, label in enumerate(published):
        marker = "Dsv^"[index % 4]
        about = f"{label} (other protocol)"
        handles.append(
            Line2D([], [], color=style.FAINT, marker=marker, fillstyle="none", linestyle="", markersize=4, label=about)
        )
    style.legend(made, handles)


def _labelled_variants(results: Sequence[SplitResult]) -> list[str]:
    """Names of the variants, with the number of their splits where they lack some."""
    splits = len({result.split for result in results})
    groups = variants_of(results).items()
    return [name if len(own) == splits else f"{name} ({len(own)} of {splits} splits)" for name, own in groups]
