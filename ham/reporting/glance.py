"""The first table of a report: a line a variant, and whether it is above the best map that never looks at the image."""

from __future__ import annotations

import math

import pandas as pd

from ham.reporting.cells import Table, TableRow, number_text
from ham.reporting.differences import Differences, verdict
from ham.reporting.numbers import EMPTY, FLOORS, Numbers, Wanted
from ham.reporting.result_tables import EMPTY_MAPS
from ham.reporting.results import SplitResult
from ham.reporting.settings import ReportingSettings
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject

CAPTION = (
    "Means over the splits that each row has, with their test images and pairs of image and finding, and what a map "
    "that never looks at the image reaches. Empty maps: share of pairs whose predicted region has no pixel. Marked "
    "against the best map that never looks at the image: ▲ above it, ≈ not distinguishable from it, ▼ below; the "
    "differences stand with each experiment."
)
MARKS = {"above": "▲", "not distinguishable": "≈", "below": "▼"}


def glance_table(
    groups: dict[str, list[SplitResult]],
    tables: dict[str, pd.DataFrame],
    compared: dict[str, pd.DataFrame],
    settings: ReportingSettings,
) -> Table:
    """The first table: a line a variant of each experiment, the location prior beneath."""
    numbers = {name: Numbers(table) for name, table in tables.items()}
    levels = settings.t_iou_thresholds
    means = list(dict.fromkeys(subject for found in numbers.values() for subject in found.means()))
    columns = [("", "splits"), ("", "images"), ("", "pairs"), ("AUC", "mean"), ("AUC", "abnormality")]
    wanted: list[Wanted] = [("auc", None, MEAN), ("auc", None, ABNORMALITY)]
    for subject in means:
        columns += [("T(IoU), " + _mean(subject), name) for name in (*(f"{level:g}" for level in levels), EMPTY_MAPS)]
        wanted += [*(("t_iou", level, subject) for level in levels), (EMPTY, None, subject)]
    rows, notes = [], []
    for experiment in groups:
        found = numbers.get(experiment)
        if found is None or not found.splits:
            continue
        differences = Differences(compared[experiment]) if experiment in compared else None
        for variant in [*found.variants, *(name for name in found.floors if name == "location-prior")]:
            floor = variant in FLOORS
            cells = [found.number(variant, found.summary(variant), number) for number in wanted]
            values = [cell.value for cell in cells]
            texts = ["" if floor and math.isnan(value) else number_text(value) for value in values]
            scores = [math.nan if number[0] == EMPTY else value for number, value in zip(wanted, values, strict=True)]
            pairs = max(cell.n_pairs for cell in cells)
            counts = (len(found.splits_of[variant]), found.images(variant), pairs)
            first = [""] * 3 if floor else [f"{count:,}" for count in counts]
            kind, label = "floor" if floor else "model", FLOORS.get(variant, variant)
            rows.append(
                TableRow(
                    label,
                    [*first, *texts],
                    kind,
                    [math.nan] * 3 + scores,
                    experiment,
                    found.whole(variant),
                    [""] * 3 + [cell.interval for cell in cells],
                    [""] * 3 + ["" if floor else _mark(found, differences, variant, number) for number in wanted],
                )
            )
        blank = found.reasons(found.variants, [number for number in wanted if number[2].is_mean])
        notes += [f"{experiment}, no mean over the splits: {reason}." for reason in blank]
    return Table("All experiments", CAPTION, columns, rows, notes)


def _mark(numbers: Numbers, differences: Differences | None, variant: str, wanted: Wanted) -> str:
    """Whether a score is above the best map that never looks at the image; empty where there is none to compare."""
    if wanted[0] == EMPTY or differences is None:
        return ""
    floors = {name: numbers.value(name, numbers.summary(name), wanted) for name in numbers.floors}
    known = {name: value for name, value in floors.items() if math.isfinite(value)}
    if not known:
        return ""
    difference = differences.number(variant, max(known, key=lambda name: known[name]), wanted)
    return verdict(difference.low, difference.high)


def _mean(subject: Subject) -> str:
    return "mean" if subject.left_out is None else f"without {subject.left_out}"
