"""Tables of published figures: ours less theirs where both were tested alike, and those that were tested otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ham.reporting.cells import Table, TableRow, number_text, signed
from ham.reporting.numbers import METRICS, Numbers, Wanted, interval_text
from ham.reporting.published import EIGHT, FOURTEEN, OVERLAPS, PublishedRow
from ham.scoring.metric_rows import MEAN, Subject

OF_FINDINGS = "auc"


def less_published_table(numbers: Numbers, metric: str, levels: Sequence[float], rows: Sequence[PublishedRow]) -> Table:
    """Each variant less each published row that was tested as it was: the AUC of findings and their mean, means of
    T(IoU) and T(IoR) at ``levels``; no rows where nothing was published."""
    rows = [row for row in rows if row.metric == metric]
    if metric == OF_FINDINGS:
        subjects = [*map(Subject.of_finding, numbers.findings("classification")), MEAN]
        wanted: list[Wanted] = [(metric, None, subject) for subject in subjects]
        columns = [("", subject.finding) for subject in subjects]
        findings = numbers.findings("classification")
    else:
        wanted = [(metric, level, subject) for subject in numbers.means() for level in levels]
        columns = [(numbers.mean_name(subject, metric, levels[0]), f"{level:g}") for _, level, subject in wanted]
        findings = numbers.tested(metric, levels[0]) if levels else []
    out = [
        _difference(numbers, variant, wanted, [row for row in rows if row.label == label], findings)
        for variant in numbers.variants
        for label in dict.fromkeys(row.label for row in rows)
    ]
    name = METRICS.get(metric, "AUC")
    caption = (
        f"{name}: ours less theirs, on the same test images. In brackets: the 95 % interval of ours, less theirs, "
        "which is taken as exact, because its own interval was not published. What was trained on differs."
    )
    return Table(f"{name}, ours less published", caption, columns, out, main=False)


def _difference(
    numbers: Numbers, variant: str, wanted: Sequence[Wanted], rows: Sequence[PublishedRow], findings: Sequence[str]
) -> TableRow:
    """A variant less one published method, whose ``rows`` are of several thresholds."""
    cells, intervals = [], []
    for number in wanted:
        ours, theirs = numbers.number(variant, numbers.summary(variant), number), _value(rows, number, findings)
        cells.append(signed(ours.value - theirs))
        intervals.append(interval_text(ours.low - theirs, ours.high - theirs, "+"))
    return TableRow(f"less {rows[0].label}", cells, "split", [], numbers.label(variant), intervals=intervals)


def _value(rows: Sequence[PublishedRow], wanted: Wanted, findings: Sequence[str]) -> float:
    _, level, subject = wanted
    row = next((row for row in rows if level is None or math.isclose(row.threshold, level)), None)
    if row is None:
        return math.nan
    return row.mean([f for f in findings if subject.covers(f)]) if subject.is_mean else _of(row, subject.finding)


def _of(row: PublishedRow, finding: str) -> float:
    return row.values.get(finding, math.nan)


def _members(metric: str) -> tuple[str, ...]:
    """The findings that means of this metric are published for."""
    return FOURTEEN if metric == OF_FINDINGS else EIGHT


def other_protocols_table(apart: Mapping[str, Sequence[PublishedRow]]) -> Table:
    """Means of what was published under other protocols than ours, by the reason why it stands apart."""
    rows = [row for own in apart.values() for row in own]
    levels = {metric: sorted({row.threshold for row in rows if row.metric == metric}) for metric in ("t_iou", "t_ior")}
    columns = [(metric, level) for metric in OVERLAPS for level in levels[metric]]
    plain = [(metric, math.nan) for metric in ("auc", "pointing") if any(row.metric == metric for row in rows)]
    heads = [(f"{METRICS[metric]}, mean of {len(EIGHT)}", f"{level:g}") for metric, level in columns]
    names = {"auc": f"AUC, mean of {len(FOURTEEN)}", "pointing": f"pointing game, mean of {len(EIGHT)}"}
    heads += [("", names[metric]) for metric, _ in plain] + [("", "read in")]
    out = []
    for reason, of_reason in apart.items():
        for label in dict.fromkeys(row.label for row in of_reason):
            own = [row for row in of_reason if row.label == label]
            found = {(row.metric, "" if math.isnan(row.threshold) else row.threshold): row for row in own}
            shown = [found.get((metric, "" if math.isnan(level) else level)) for metric, level in [*columns, *plain]]
            cells = ["" if row is None else number_text(row.mean(_members(row.metric))) for row in shown]
            read = ", ".join(dict.fromkeys(row.certainty for row in own))
            block = f"{reason[0].upper()}{reason[1:]}"
            out.append(TableRow(label, [*cells, read], "published", block=block))
    caption = (
        "Published figures that may not stand in a column with ours, under the reason why. They are means over "
        "findings. Blank: not published, or not read; a dash: left blank, because sources differ or a finding lacks."
    )
    notes = list(dict.fromkeys(f"{row.label}: {row.note}." for row in rows if row.note))
    return Table("Published under other protocols", caption, heads, out, notes, main=False)
