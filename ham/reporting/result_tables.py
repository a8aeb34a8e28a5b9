"""Which tables a reader gets to see of an experiment's tidy table, and what stands in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from ham.reporting.ceiling_tables import box_sizes_table, ceiling_rows
from ham.reporting.cells import NOTHING, Table, TableRow, number_text
from ham.reporting.clinical_tables import operating_points_table, subgroups_table
from ham.reporting.comparison_tables import (
    NOTHING_BESIDE,
    Beside,
    cuts_table,
    differences_table,
    protocol_table,
    seeds_table,
)
from ham.reporting.image_counts import count_by_finding, images_line, tested_images
from ham.reporting.numbers import EMPTY, METRICS, SUMMARIES, Numbers, Wanted
from ham.reporting.published import PublishedRow, published_rows, split_by_protocol
from ham.reporting.published_tables import less_published_table, other_protocols_table
from ham.reporting.settings import ReportingSettings
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject

TRAININGS_DIFFER = (
    "Published rows were tested on the same images and, of maps, with a fixed cut; training, use of boxes and choice "
    "of the checkpoint differ."
)
EMPTY_MAPS = "empty maps"
ABOUT_INTERVALS = "In brackets: 95 % interval, from resampled patients."
ABOUT_EMPTY = "Empty maps: share of pairs whose predicted region has no pixel."


def build_tables(
    table: pd.DataFrame,
    settings: ReportingSettings,
    floor_note: str = "",
    published: str | None = None,
    beside: Beside = NOTHING_BESIDE,
) -> list[Table]:
    """The tables of one experiment, from its tidy table, in reading order.

    ``floor_note`` stands under every table with maps that never look at the image; ``published`` is the data set whose
    published numbers may stand beside; ``beside`` the experiment's other tables.
    """
    numbers = Numbers(table)
    rows, apart = split_by_protocol(published_rows(published) if settings.published else [], *tested_images(table))
    out = [_classification(numbers, variant, rows) for variant in numbers.variants]
    if len(numbers.variants) and numbers.findings("classification"):
        out.append(_classification_summary(numbers))
    if beside.compared is not None:
        out.append(differences_table(numbers, beside.compared, settings))
    levels = {metric: numbers.thresholds(metric, shown) for metric, shown in _thresholds(settings).items()}
    for metric, shown in levels.items():
        out += _localization(numbers, metric, shown, rows)
    out += [less_published_table(numbers, metric, levels.get(metric, []), rows) for metric in ("auc", *levels)]
    out += [other_protocols_table(apart), operating_points_table(numbers)]
    if beside.subgroups is not None:
        out.append(subgroups_table(beside.subgroups, beside.compared, settings))
    if beside.cuts is not None:
        out.append(cuts_table(beside.cuts, settings))
    out.append(box_sizes_table(numbers, numbers.thresholds("t_iou", settings.t_iou_thresholds)))
    out += [seeds_table(numbers, settings), protocol_table(numbers), _present(table)]
    images = images_line(table, short=True)
    return [
        replace(
            shown,
            caption=f"{shown.caption} {images}",
            notes=[note for note in (*_interval_notes(shown), floor_note * _has_floors(shown), *shown.notes) if note],
        )
        for shown in out
        if shown.rows and shown.columns
    ]


def _thresholds(settings: ReportingSettings) -> dict[str, tuple[float, ...]]:
    return {"t_iou": settings.t_iou_thresholds, "t_ior": settings.t_ior_thresholds}


def _has_floors(table: Table) -> bool:
    return any(row.kind == "floor" for row in table.rows)


def _interval_notes(table: Table) -> list[str]:
    return [ABOUT_INTERVALS] if any(text for row in table.rows for text in row.intervals) else []


def _present(table: pd.DataFrame) -> Table:
    """How many test images with each finding were there; no rows where none is absent."""
    counted = count_by_finding(table)
    rows = [
        TableRow(finding, [f"{present:,} of {listed:,}" for present, listed in pairs], "count")
        for finding, pairs in counted.items()
    ]
    return Table(
        "Test images present, by finding",
        "Images with the finding, and those with boxes of it, that were there, of those that the test lists name; all "
        "splits together.",
        [("", "with the finding"), ("", "with boxes")],
        rows,
        main=False,
    )


def _classification(numbers: Numbers, variant: str, published: list[PublishedRow]) -> Table:
    findings = numbers.findings("classification")
    subjects = [*map(Subject.of_finding, findings), MEAN, ABNORMALITY]
    wanted: list[Wanted] = [("auc", None, subject) for subject in subjects]
    rows = [_split_row(numbers, variant, split, wanted) for split in _split_names(numbers, variant)]
    notes = _explain_means(numbers, [variant], wanted)
    beside = []
    for row in published:
        values = [*(row.values.get(name, math.nan) for name in findings), row.mean(findings), math.nan]
        if row.metric == "auc" and any(map(math.isfinite, values)):
            rows.append(TableRow(row.label, [number_text(value) for value in values], "published", values))
            beside.append(row)
    notes += _published_notes(beside)
    notes += _published_mean(numbers, variant)
    if not findings:
        rows = []
    caption = f"Area under the ROC curve of each finding on the test images of each split; {_over(numbers, [variant])}"
    return Table(f"AUC, {variant}", caption, [("", subject.finding) for subject in subjects], rows, notes)


def _published_mean(numbers: Numbers, variant: str) -> list[str]:
    """A note where the release's mean, which counts an undefined AUC as 0, differs from the mean of those defined."""
    split = numbers.summary(variant)
    ours, theirs = (numbers.value(variant, split, (metric, None, MEAN)) for metric in ("auc", "auc_published"))
    if not math.isfinite(theirs) or abs(ours - theirs) < 5e-4:
        return []
    return [f"By the release's rule, which counts an undefined AUC as 0, the mean is {number_text(theirs)}."]


def _classification_summary(numbers: Numbers) -> Table:
    levels = numbers.table.loc[numbers.table["metric"] == "accuracy", "threshold"].dropna().unique()
    shown = [("auc", None, "AUC"), *(("accuracy", float(level), f"accuracy at {level:g}") for level in levels)]
    shown += [("majority_rate", None, "always the more frequent answer")] if len(levels) else []
    calibrated = ("brier", "Brier score"), ("calibration_error", "calibration error")
    shown += [(metric, None, name) for metric, name in calibrated if (numbers.table["metric"] == metric).any()]
    subjects = {"mean": MEAN, "abnormality": ABNORMALITY}
    wanted: list[Wanted] = [(metric, level, subject) for metric, level, _ in shown for subject in subjects.values()]
    columns = [(group, name) for _, _, group in shown for name in subjects]
    rows = [_over_splits(numbers, variant, wanted, "model") for variant in numbers.variants]
    caption = (
        f"Classification of each variant: mean over findings, and abnormal or not; {_over(numbers)} Brier score: mean "
        "squared distance of probability and label; calibration error: of probabilities in 15 bins from the share of "
        "positives there. Of both less is better."
    )
    notes = _explain_means(numbers, numbers.variants, wanted)
    return Table("Classification, all variants", caption, columns, rows, notes, main=False)


def _localization(numbers: Numbers, metric: str, levels: list[float], published: list[PublishedRow]) -> Iterator[Table]:
    if not levels or not numbers.findings("localization"):
        return
    several = len(numbers.splits) > 1
    published = [row for row in published if row.metric == metric]
    first = metric == "t_iou"
    yield _localization_summary(numbers, metric, levels, published, pooled=False)
    if several:
        yield _localization_summary(numbers, metric, levels, [], pooled=True)
    yield _per_finding(numbers, metric, levels, published, pooled=False, main=first)
    if several:
        yield _per_finding(numbers, metric, levels, [], pooled=True, main=False)
        for variant in numbers.variants:
            yield _by_split(numbers, variant, metric, levels)


def _of_means(numbers: Numbers, metric: str, levels: Sequence[float]) -> tuple[list[Wanted], list[tuple[str, str]]]:
    """The means over findings at each threshold with the share of empty maps beside them, and their columns."""
    wanted: list[Wanted] = []
    columns = []
    for subject in numbers.means():
        group = numbers.mean_name(subject, metric, levels[0])
        wanted += [*((metric, level, subject) for level in levels), (EMPTY, None, subject)]
        columns += [*((group, f"{level:g}") for level in levels), (group, EMPTY_MAPS)]
    return wanted, columns


def _localization_summary(
    numbers: Numbers, metric: str, levels: list[float], published: list[PublishedRow], pooled: bool
) -> Table:
    wanted, columns = _of_means(numbers, metric, levels)
    rows = _methods(numbers, lambda variant, kind: _over_splits(numbers, variant, wanted, kind, pooled))
    rows += ceiling_rows(numbers, wanted, pooled)
    findings = numbers.tested(metric, levels[0])
    for label in dict.fromkeys(row.label for row in published):
        at = {round(row.threshold, 6): row for row in published if row.label == label}
        values = [
            at[round(level, 6)].mean([finding for finding in findings if subject.covers(finding)])
            if level is not None and round(level, 6) in at
            else math.nan
            for _, level, subject in wanted
        ]
        rows.append(TableRow(label, [number_text(value) for value in values], "published", values))
    how = "over all pairs of all splits together" if pooled else _over(numbers).rstrip(".")
    pairs = f"{numbers.pairs(metric, levels[0], MEAN):,} pairs of image and finding"
    caption = f"{_meaning(metric)}, the mean over findings: {how}; {pairs}. {ABOUT_EMPTY}"
    title = f"{METRICS[metric]}, mean over findings" + (", pooled" if pooled else "")
    notes = [numbers.without_pairs(metric, levels[0])]
    notes += [] if pooled else _explain_means(numbers, [*numbers.variants, *numbers.floors], wanted)
    return Table(title, caption, columns, rows, [*notes, *_published_notes(published)], main=not pooled)


def _per_finding(
    numbers: Numbers, metric: str, levels: list[float], published: list[PublishedRow], pooled: bool, main: bool
) -> Table:
    findings = numbers.findings("localization")
    subjects = [*map(Subject.of_finding, findings), *numbers.means()]
    columns = [
        ("", numbers.mean_name(subject, metric, levels[0]) if subject.is_mean else subject.finding)
        for subject in subjects
    ]
    rows = [TableRow("pairs", [f"{numbers.pairs(metric, levels[0], subject):,}" for subject in subjects], "count")]
    for shown, level in (*((metric, level) for level in levels), (EMPTY, None)):
        wanted: list[Wanted] = [(shown, level, subject) for subject in subjects]
        block = EMPTY_MAPS if level is None else f"{METRICS[metric]} at {level:g}"
        methods = _methods(
            numbers,
            lambda variant, kind, wanted=wanted, block=block: _over_splits(  # type: ignore[misc]
                numbers, variant, wanted, kind, pooled, block
            ),
        )
        methods += [
            row for row in ceiling_rows(numbers, wanted, pooled, block) if any(text != "1.000" for text in row.cells)
        ]
        rows += [row for row in methods if row.kind != "floor" or any(value > 0 for value in row.numbers)]
        for row in published:
            if level is not None and math.isclose(row.threshold, level):
                tested = numbers.tested(metric, level)
                means = [row.mean([f for f in tested if subject.covers(f)]) for subject in numbers.means()]
                values = [*(row.values.get(finding, math.nan) for finding in findings), *means]
                rows.append(TableRow(row.label, [number_text(value) for value in values], "published", values, block))
    how = "over all pairs of all splits together." if pooled else _over(numbers)
    title = f"{METRICS[metric]} of each finding" + (", pooled" if pooled else "")
    notes = [numbers.without_pairs(metric, levels[0])]
    if not pooled:
        of_means: list[Wanted] = [(metric, levels[0], subject) for subject in numbers.means()]
        notes += _explain_means(numbers, [*numbers.variants, *numbers.floors], of_means)
    caption = f"{_meaning(metric)}: {how} {ABOUT_EMPTY} Maps that never look are left out where all they reach is 0."
    return Table(title, caption, columns, rows, [*notes, *_published_notes(published)], main)


def _by_split(numbers: Numbers, variant: str, metric: str, levels: list[float]) -> Table:
    wanted, columns = _of_means(numbers, metric, levels)
    splits = _split_names(numbers, variant)
    rows = [_split_row(numbers, variant, split, wanted) for split in [*splits, *["pooled"][: len(splits) > 1]]]
    caption = (
        f"{_meaning(metric)} in each split, mean over findings; pooled: over all pairs of all splits together. "
        f"{ABOUT_EMPTY}"
    )
    notes = [numbers.without_pairs(metric, levels[0]), *_explain_means(numbers, [variant], wanted)]
    return Table(f"{METRICS[metric]} of each split, {variant}", caption, columns, rows, notes, main=False)


def _methods(numbers: Numbers, row: Callable[[str, str], TableRow]) -> list[TableRow]:
    models = [row(variant, "model") for variant in numbers.variants]
    return models + [row(name, "floor") for name in numbers.floors]


def _split_names(numbers: Numbers, variant: str) -> list[str]:
    own = numbers.splits_of[variant]
    return [*own, "mean", "sd"] if len(own) > 1 else own


def _split_row(numbers: Numbers, variant: str, split: str, wanted: Sequence[Wanted]) -> TableRow:
    """Numbers of a split; where a mean is over fewer findings than in other splits, with their number."""
    found = [numbers.number(variant, split, number) for number in wanted]
    own = numbers.splits_of[variant]
    most = [max(numbers.number(variant, other, number).n_findings for other in own) for number in wanted]
    fewer = [0 < number.n_findings < count for number, count in zip(found, most, strict=True)]
    texts = [
        f"{number_text(number.value)} ({number.n_findings} of {count})" if few else number_text(number.value)
        for number, count, few in zip(found, most, fewer, strict=True)
    ]
    values = [number.value for number in found]
    intervals = [number.interval for number in found]
    return TableRow(split, texts, "summary" if split in SUMMARIES else "split", values, intervals=intervals)


def _over_splits(
    numbers: Numbers, variant: str, wanted: Sequence[Wanted], kind: str, pooled: bool = False, block: str = ""
) -> TableRow:
    """Mean ± sd over the splits, the pooled value, or the value of the only split; said where splits are lacking."""
    own, split = numbers.splits_of[variant], numbers.summary(variant, pooled)
    found = [numbers.number(variant, split, number) for number in wanted]
    texts = [number_text(number.value) for number in found]
    if split == "mean":
        spread = [numbers.value(variant, "sd", number) for number in wanted]
        fewer = [f" ({number.n_splits} of {len(own)})" if 0 < number.n_splits < len(own) else "" for number in found]
        texts = [
            f"{text} ± {number_text(sd)}{few}" if math.isfinite(sd) else f"{text}{few if text != NOTHING else ''}"
            for text, sd, few in zip(texts, spread, fewer, strict=True)
        ]
    # a share of empty maps is no score: less of it is no reason to be marked
    scores = [
        math.nan if metric == EMPTY else number.value for (metric, _, _), number in zip(wanted, found, strict=True)
    ]
    intervals = [number.interval for number in found]
    return TableRow(numbers.label(variant), texts, kind, scores, block, numbers.whole(variant), intervals)


def _explain_means(numbers: Numbers, variants: Sequence[str], wanted: Sequence[Wanted]) -> list[str]:
    """Notes on the means over findings that have none over the splits."""
    means = [number for number in wanted if number[2].is_mean]
    return [f"No mean over the splits: {reason}." for reason in numbers.reasons(variants, means)]


def _meaning(metric: str) -> str:
    ratio = "intersection over union" if metric == "t_iou" else "intersection over predicted region"
    return f"{METRICS[metric]}, the share of pairs whose {ratio} reaches the threshold"


def _over(numbers: Numbers, variants: Sequence[str] | None = None) -> str:
    names = numbers.variants if variants is None else variants
    counts = sorted({len(numbers.splits_of[name]) for name in names} - {0})
    if len(names) == 1 and counts == [1]:
        return f"split {numbers.splits_of[names[0]][0]}."
    if counts == [1]:
        return f"split {numbers.splits[0]}." if len(numbers.splits) == 1 else "a split each."
    if len(counts) == 1:
        return f"mean and standard deviation over {counts[0]} splits."
    if counts:
        return (
            f"mean and standard deviation over the splits that a row has, {len(numbers.splits)} unless it says fewer."
        )
    return "no split."


def _published_notes(published: Sequence[PublishedRow]) -> list[str]:
    """What is known of each published row, rows alike together."""
    alike: dict[str, list[str]] = {}
    for row in published:
        alike.setdefault(row.about, []).append(row.label)
    notes = [f"{'; '.join(dict.fromkeys(labels))}: {about}." for about, labels in alike.items()]
    return [*notes, TRAININGS_DIFFER] if notes else []
