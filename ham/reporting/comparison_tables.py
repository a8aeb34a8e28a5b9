"""Tables of what a score is compared with: other variants and floors, the same maps cut elsewhere, the protocol."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from ham.reporting.cells import NOTHING, Table, TableRow, number_text, signed
from ham.reporting.differences import Differences, verdict
from ham.reporting.numbers import FLOORS, SUMMARIES, Number, Numbers, Wanted, interval_text
from ham.reporting.settings import ReportingSettings
from ham.reporting.summaries import SEED_SD
from ham.scoring.metric_rows import MEAN


class Beside(NamedTuple):
    """Tables that stand beside the tidy table of an experiment: paired differences (:mod:`ham.reporting.differences`),
    the same maps cut elsewhere (:mod:`ham.reporting.cuts`), numbers of subgroups; None: not there."""

    compared: pd.DataFrame | None = None
    cuts: pd.DataFrame | None = None
    subgroups: pd.DataFrame | None = None


NOTHING_BESIDE = Beside()
WAYS = {
    "fixed": "fixed as published",
    "held-out boxes": "chosen on held-out boxes",
    "oracle": "chosen on the boxes scored: no result",
}


def differences_table(numbers: Numbers, compared: pd.DataFrame, settings: ReportingSettings) -> Table:
    """Each variant against ``ham`` and against each map that never looks at the image."""
    means = numbers.means()
    levels = numbers.thresholds("t_iou", settings.t_iou_thresholds)
    columns: list[tuple[str, str]] = []
    wanted: list[Wanted] = []
    if (compared["metric"] == "auc").any():
        columns, wanted = [("AUC", "mean")], [("auc", None, MEAN)]
    for subject in means:
        group = f"T(IoU), {numbers.mean_name(subject, 't_iou', levels[0])}" if levels else ""
        columns += [(group, f"{level:g}") for level in levels]
        wanted += [("t_iou", level, subject) for level in levels]
    found = Differences(compared)
    rows = []
    for variant, reference in found.compared:
        cells = [difference_cell(found.number(variant, reference, number)) for number in wanted]
        rows.append(
            TableRow(
                numbers.label(variant),
                [text for text, _ in cells],
                "model",
                block=f"less {FLOORS.get(reference, reference)}",
                intervals=[span for _, span in cells],
            )
        )
    caption = (
        "Paired differences: what stands first less what it is compared with, on the same patients, the mean over the "
        "splits that both have. *: the interval does not hold 0."
    )
    return Table("Differences", caption, columns, rows)


def cuts_table(cuts: pd.DataFrame, settings: ReportingSettings) -> Table:
    """The same maps under three ways to find the cut."""
    levels = [level for level in settings.t_iou_thresholds if (cuts["threshold"] == level).any()]
    rows = []
    for (variant, way), own in cuts.groupby(["variant", "cut_from"], sort=False):
        found = {level: own[own["threshold"] == level].iloc[0] for level in levels}
        cells = [f"{number_text(float(row['value']))} at {row['cut']}" for row in found.values()]
        rows.append(TableRow(WAYS[str(way)], cells, "model" if way == "fixed" else "split", block=str(variant)))
    caption = (
        "T(IoU), mean over findings, all pairs of all splits together, and where the normalised map was cut: as "
        "published; each half of the patients at the cut that does best on the other half; at the cut that does best "
        "on the very boxes that are scored. What the last gains over the first is protocol, not method."
    )
    return Table("The same maps cut elsewhere", caption, [("T(IoU)", f"{level:g}") for level in levels], rows)


def difference_cell(number: Number) -> tuple[str, str]:
    """A difference, with a star where its interval does not hold 0, and the interval."""
    star = "*" * (verdict(number.low, number.high) in ("above", "below"))
    return signed(number.value) + star, interval_text(number.low, number.high, "+")


def seeds_table(numbers: Numbers, settings: ReportingSettings) -> Table:
    """Spread over seeds beside spread over splits, of each variant that was trained with several seeds."""
    levels = numbers.thresholds("t_iou", settings.t_iou_thresholds)
    wanted: list[tuple[str, Wanted]] = [("AUC", ("auc", None, MEAN))]
    wanted += [(f"T(IoU) at {level:g}", ("t_iou", level, MEAN)) for level in levels]
    rows = []
    for variant in numbers.variants:
        for name, number in wanted:
            spread = numbers.number(variant, SEED_SD, number)
            if math.isfinite(spread.value):
                mean = numbers.number(variant, numbers.summary(variant), number)
                splits = numbers.value(variant, "sd", number)
                cells = [number_text(value) for value in (mean.value, splits, spread.value)]
                seeds = f"{spread.n_seeds} seeds"
                rows.append(
                    TableRow(name, cells, "model", block=f"{variant}: {seeds}", intervals=[mean.interval, "", ""])
                )
    caption = (
        "Means over findings. Over splits: standard deviation of the splits, each the mean of its seeds: other images. "
        "Over seeds: standard deviation of the seeds, each the mean of its splits: the same images, another start of "
        "the training and another order of its images. The interval is of the tested patients and holds neither."
    )
    columns = [("", "mean"), ("standard deviation", "over splits"), ("standard deviation", "over seeds")]
    return Table("Seeds", caption, columns, rows, main=False)


def protocol_table(numbers: Numbers) -> Table:
    """Which weights were tested, what chose them, and where maps are cut."""
    table = numbers.table
    rows = []
    for variant in numbers.variants:
        own = table[(table["variant"] == variant) & ~table["split"].isin(SUMMARIES)]
        texts = [
            " or ".join(dict.fromkeys(own.loc[own[name] != "", name])) or NOTHING for name in ("checkpoint", "cut")
        ]
        rows.append(TableRow(variant, texts, "split"))
    caption = (
        "Which epoch's weights are tested, and the images on which it was chosen; where the normalised map is cut, and "
        "the frame in pixels in which the whole image and its boxes are compared. The true region is the union of a "
        "finding's boxes in an image as they were drawn, never refined. Means count each finding once."
    )
    return Table("Protocol", caption, [("", "tested weights"), ("", "cut of the map")], rows)
