"""The figure of subgroups: a point and an interval for each group of test images, beside all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ham.reporting import style
from ham.reporting.numbers import METRICS, Number, Numbers, Wanted
from ham.reporting.settings import ReportingSettings
from ham.reporting.tables import read_table
from ham.scoring.decision_names import YOUDEN
from ham.scoring.metric_rows import MEAN

ALL = "all images"
COLUMNS = 4
SHOWN = 4  # panels of T(IoU) at most


def write_subgroups(table: Path, subgroups: Path, output_stem: Path, settings: ReportingSettings) -> None:
    """Means over findings of AUC, of sensitivity and specificity at Youden's threshold and of T(IoU), a panel each, a
    line a group and a colour a variant; groups of fewer than ``subgroup_minimum`` images or pairs are left out.

    ``table`` is the tidy table of the experiment, ``subgroups`` that of its groups. Writes ``output_stem``.svg, .png.
    """
    whole, groups = Numbers(read_table(table)), read_table(subgroups)
    numbers = {ALL: whole} | {group: Numbers(groups, group) for group in sorted(dict.fromkeys(groups["group"]))}
    wanted: list[tuple[str, Wanted]] = [("AUC", ("auc", None, MEAN))]
    for measure in ("sensitivity", "specificity"):
        if whole.has(f"{measure}_at_{YOUDEN}"):
            wanted.append((measure, (f"{measure}_at_{YOUDEN}", None, MEAN)))
    levels = whole.thresholds("t_iou", settings.t_iou_thresholds)[:SHOWN]
    wanted += [(f"{METRICS['t_iou']} at {level:g}", ("t_iou", level, MEAN)) for level in levels]
    with style.styled():
        if len(numbers) == 1:
            style.sentence(output_stem, "All test images are of one view, one sex and one age, or nobody says which.")
            return
        made = style.figure((0.5 + 0.16 * len(numbers) * len(whole.variants)) * -(-len(wanted) // COLUMNS) + 0.8)
        cells = style.grid_of_axes(made, len(wanted), COLUMNS, sharey=True)
        for cell, (title, number) in zip(cells, wanted, strict=True):
            _panel(cell, numbers, number, whole.variants, settings.subgroup_minimum)
            cell.set_title(title)
        cells[0].set_yticks(range(len(numbers)), [_label(name, own) for name, own in numbers.items()])
        cells[0].set_ylim(len(numbers) - 0.5, -0.5)
        if len(whole.variants) > 1:
            colours = [style.series(place)[0] for place in range(len(whole.variants))]
            handles = [
                Line2D([], [], color=colour, marker="o", markersize=4, label=variant)
                for colour, variant in zip(colours, whole.variants, strict=True)
            ]
            style.legend(made, handles)
        about = "mean over findings; lines: 95 % interval from resampled patients; grey: all images"
        style.title(made, f"Subgroups, {Path(table).stem}", about)
        style.save(made, output_stem)


def _label(name: str, numbers: Numbers) -> str:
    """``sex F (1,234)``: a group and its images, of the variant that has most."""
    images = max((numbers.images(variant) for variant in numbers.variants), default=0)
    return f"{name.replace('=', ' ')} ({images:,})"


def _panel(cell: Axes, numbers: Mapping[str, Numbers], wanted: Wanted, variants: Sequence[str], minimum: int) -> None:
    before = ALL
    for place, (name, own) in enumerate(numbers.items()):
        grouping = name.partition("=")[0]
        if grouping != before:
            cell.axhline(place - 0.5, color=style.GRID, linewidth=0.8)
        before = grouping
        for row, variant in enumerate(variants):
            found = _number(own, variant, wanted)
            count = own.images(variant) if wanted[0] != "t_iou" else found.n_pairs
            if not math.isfinite(found.value) or count < minimum:
                continue
            height = place + 0.6 * ((row + 0.5) / len(variants) - 0.5)
            colour = style.series(row)[0]
            if name == ALL:
                of_all = style.FAINT if len(variants) == 1 else colour
                cell.axvline(found.value, color=of_all, linewidth=0.7, alpha=0.6)
            cell.plot([found.low, found.high], [height, height], color=colour, linewidth=1.4)
            cell.plot([found.value], [height], "o", color=colour, markersize=3.6)
    cell.grid(axis="y", visible=False)
    cell.locator_params(axis="x", nbins=3)


def _number(numbers: Numbers, variant: str, wanted: Wanted) -> Number:
    """Of all splits: AUC and decisions as the mean over them, T(IoU) pooled, as in the tables."""
    if variant not in numbers.variants:
        return Number()
    return numbers.number(variant, numbers.summary(variant, wanted[0] == "t_iou"), wanted)
