"""The figure of paired differences: a point and an interval for each variant less what it is compared with."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes

from ham.reporting import style
from ham.reporting.differences import Differences, read_differences, verdict
from ham.reporting.numbers import FLOORS, METRICS, Wanted
from ham.reporting.settings import ReportingSettings
from ham.scoring.metric_rows import MEAN

COLUMNS = 3


def write_forest(table: Path, output_stem: Path, settings: ReportingSettings) -> None:
    """Differences of the means over findings in AUC and in T(IoU) at the shown thresholds, a panel each.

    Filled points have intervals that do not hold 0. ``table`` is the csv of the differences. Writes ``output_stem``.svg
    and .png.
    """
    found = Differences(read_differences(table))
    wanted: list[tuple[str, Wanted]] = [("AUC", ("auc", None, MEAN))]
    wanted += [(f"{METRICS['t_iou']} at {level:g}", ("t_iou", level, MEAN)) for level in settings.t_iou_thresholds]
    shown = [
        (title, number)
        for title, number in wanted
        if any(math.isfinite(found.number(*pair, number).value) for pair in found.compared)
    ]
    with style.styled():
        if not shown:
            style.sentence(output_stem, "There is nothing to compare: one variant, and no localization.")
            return
        made = style.figure((0.5 + 0.2 * len(found.compared)) * -(-len(shown) // COLUMNS) + 0.5)
        cells = style.grid_of_axes(made, len(shown), COLUMNS, sharey=True)
        colours = {variant: style.series(place)[0] for place, variant in enumerate(found.variants)}
        for cell, (title, number) in zip(cells, shown, strict=True):
            _panel(cell, found, number, colours)
            cell.set_title(title)
        labels = [f"{variant} less {FLOORS.get(reference, reference)}" for variant, reference in found.compared]
        cells[0].set_yticks(range(len(labels)), labels)
        cells[0].set_ylim(len(labels) - 0.5, -0.5)
        about = "mean over findings; lines: 95 % interval from resampled patients; filled: it does not hold 0"
        style.title(made, f"Paired differences, {Path(table).stem}", about)
        style.save(made, output_stem)


def _panel(cell: Axes, found: Differences, wanted: Wanted, colours: dict[str, str]) -> None:
    cell.axvline(0, color=style.FAINT, linewidth=0.9)
    before = None
    for place, (variant, reference) in enumerate(found.compared):
        if before not in (None, reference):
            cell.axhline(place - 0.5, color=style.GRID, linewidth=0.8)
        before = reference
        number = found.number(variant, reference, wanted)
        if not math.isfinite(number.value):
            continue
        apart = verdict(number.low, number.high) in ("above", "below")
        cell.plot([number.low, number.high], [place, place], color=colours[variant], linewidth=1.4)
        cell.plot(
            [number.value], [place], "o", color=colours[variant], markersize=4.5, fillstyle="full" if apart else "none"
        )
    cell.grid(axis="y", visible=False)
    cell.locator_params(axis="x", nbins=3)
