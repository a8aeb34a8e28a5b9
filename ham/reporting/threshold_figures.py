"""T(IoU) and T(IoR) over the threshold, beside the maps that never look at the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ham.model.metrics import SHARE_OF, share_at_least
from ham.reporting import style
from ham.reporting.numbers import FLOORS, METRICS, Numbers
from ham.reporting.panels import count_pairs, of_one_experiment, put_title, variant_legend
from ham.reporting.published import PublishedRow, published_rows, split_by_protocol
from ham.reporting.results import SplitResult, once_a_split, published_of, variants_of
from ham.reporting.settings import ReportingSettings
from ham.reporting.tables import tidy
from ham.scoring.metric_rows import MEAN, Subject

LEVELS = np.linspace(0, 1, 201)[1:]  # thresholds of the curves
# What maps of the tested shape can reach: the column of a pair, the line, its name
LIMITS: dict[str, tuple[style.Dashes, str]] = {
    "highest_iou": (style.CEILING_DASHES, "no map exceeds"),
    "reached_iou": (style.REACHED_DASHES, "a map reaches"),
}


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
        made = style.figure(3.0 + 1.45 * small)
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
            title = f"{finding} ({count_pairs(results, finding):,})"
            _threshold_panel(cells[-1], title, [finding], metric, results, published, large=False)
            _interval_bars(cells[-1], numbers, metric, Subject.of_finding(finding))
        style.label_bottom(cells, columns, f"threshold on {METRICS[metric][2:-1]}")
        made.supylabel(f"{METRICS[metric]}: share of pairs at or above the threshold", fontsize=7.5, color=style.INK)
        several = "lines: all pairs of all splits; " if len({result.split for result in results}) > 1 else ""
        about = f"{several}bars: 95 % intervals; in brackets: pairs"
        put_title(made, results, METRICS[metric], about, images="with boxes")
        variant_legend(made, results, _other_lines(results, metric, published))
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
        for limit, (dashes, _) in LIMITS.items():
            if limit in bounded:
                curve = _share_curve(bounded, findings, limit)
                cell.plot(LEVELS, curve, color=style.CEILING_COLOUR, linestyle=dashes, linewidth=1.0)
    for index, group in enumerate(variants_of(results).values()):
        colour, line = style.series(index)
        pooled = _share_curve(pd.concat([result.localization for result in group]), findings, column)
        cell.plot(LEVELS, pooled, color=colour, linestyle=line, linewidth=2.0 if large else 1.5)
    cell.set_title(style.fold(title, 2.8 if large else 1.4))
    ticks = (0, 0.1, 0.3, 0.5, 0.7, 0.9) if large else (0.1, 0.3, 0.5, 0.7)
    cell.set(xlim=(0, 1), ylim=(0, 1.01), xticks=ticks, yticks=(0, 0.25, 0.5, 0.75, 1) if large else (0, 0.5, 1))


def _other_lines(results: Sequence[SplitResult], metric: str, published: Sequence[PublishedRow]) -> list[Line2D]:
    """What the legend says beside the variants: floors, what maps can reach, published rows."""
    lines = []
    for name in _floor_pairs(results):
        colour, line = style.FLOOR_LINES.get(name, (style.FAINT, ":"))
        lines.append(Line2D([], [], color=colour, linestyle=line, linewidth=1.4, label=FLOORS.get(name, name)))
    if metric == "t_iou" and (bounded := _bounded(results)) is not None:
        lines += [
            Line2D([], [], color=style.CEILING_COLOUR, linestyle=dashes, linewidth=1.0, label=label)
            for column, (dashes, label) in LIMITS.items()
            if column in bounded
        ]
    for index, label in enumerate(_labels(published)):
        marker = "Dsv^"[index % 4]
        about = f"{label} (other protocol)"
        lines.append(
            Line2D([], [], color=style.FAINT, marker=marker, fillstyle="none", linestyle="", markersize=4, label=about)
        )
    return lines


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
    """Pairs of all splits, each once, with what maps can reach on them; None where it was not computed."""
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
