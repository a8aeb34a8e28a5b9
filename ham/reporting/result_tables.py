"""Which tables a reader gets to see of an experiment's tidy table, and what stands in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from ham.reporting.published import PublishedRow, applies_to, read_published
from ham.reporting.results import WITHOUT, is_finding
from ham.reporting.settings import ReportingSettings

FLOORS = {"location-prior": "location prior", "random-map": "random map", "whole-image": "whole image"}
METRICS = {"t_iou": "T(IoU)", "t_ior": "T(IoR)"}
SUMMARIES = ("mean", "sd", "pooled")
NOTHING = "–"
PROTOCOLS_DIFFER = (
    "Published rows come from other protocols (images, splits, use of boxes, choice of the checkpoint): "
    "context, no comparison."
)
Wanted = Sequence[tuple[str, float | None, str]]  # metric, threshold, finding


@dataclass(frozen=True)
class TableRow:
    """A line of a table. ``kind``: model, floor, published, split, summary or count."""

    label: str
    cells: list[str]
    kind: str = "model"
    numbers: list[float] = field(default_factory=list)  # behind the cells, NaN where there is none
    block: str = ""  # rows of one block stand together under this heading


@dataclass(frozen=True)
class Table:
    """What a reader sees: a title, a caption that says what the numbers are, columns as (group, name), rows."""

    title: str
    caption: str
    columns: list[tuple[str, str]]
    rows: list[TableRow]
    notes: list[str] = field(default_factory=list)
    main: bool = True  # False: shown folded in the page


class Numbers:
    """Values of a tidy table looked up by what they are."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        scored = table[table["kind"] != "images"]
        self.variants = list(dict.fromkeys(v for v in scored["variant"] if v not in FLOORS))
        self.floors = [name for name in FLOORS if (scored["variant"] == name).any()]
        self.splits = list(dict.fromkeys(split for split in scored["split"] if split not in SUMMARIES))
        self.truth = str(table["truth"].iloc[0]) if len(table) else ""
        keys = zip(
            *(table[c] for c in ("variant", "split", "kind", "metric", "threshold", "finding", "value", "n")),
            strict=True,
        )
        self.values: dict[tuple, tuple[float, int]] = {}
        for variant, split, kind, metric, threshold, finding, value, n in keys:
            level = None if pd.isna(threshold) else round(float(threshold), 6)
            number = math.nan if pd.isna(value) else float(value)
            self.values[variant, split, kind, metric, level, finding] = number, 0 if pd.isna(n) else int(n)

    def value(self, variant: str, split: str, metric: str, threshold: float | None, finding: str) -> float:
        """The number, or NaN."""
        kind = "localization" if metric in METRICS else "classification"
        level = None if threshold is None else round(threshold, 6)
        return self.values.get((variant, split, kind, metric, level, finding), (math.nan, 0))[0]

    def n(self, variant: str, split: str, metric: str, threshold: float | None, finding: str) -> int:
        """How many images or pairs the number is from."""
        kind = "localization" if metric in METRICS else "classification"
        level = None if threshold is None else round(threshold, 6)
        return self.values.get((variant, split, kind, metric, level, finding), (math.nan, 0))[1]

    def findings(self, kind: str) -> list[str]:
        """Findings with numbers of this kind, in order."""
        return [
            name for name in dict.fromkeys(self.table.loc[self.table["kind"] == kind, "finding"]) if is_finding(name)
        ]

    def means(self) -> list[str]:
        """``mean`` and every ``mean_without_<finding>`` of the localization."""
        names = dict.fromkeys(self.table.loc[self.table["kind"] == "localization", "finding"])
        return [name for name in names if name == "mean" or name.startswith(WITHOUT)]

    def thresholds(self, metric: str, shown: Sequence[float]) -> list[float]:
        """Those of ``shown`` that were scored."""
        scored = {round(float(t), 6) for t in self.table.loc[self.table["metric"] == metric, "threshold"].dropna()}
        return [threshold for threshold in shown if round(threshold, 6) in scored]


def build_tables(table: pd.DataFrame, settings: ReportingSettings, floor_note: str = "") -> list[Table]:
    """The tables of one experiment, from its tidy table, in reading order.

    ``floor_note`` stands under every table with maps that never look at the image.
    """
    numbers = Numbers(table)
    published = read_published() if settings.published and applies_to(numbers.truth) else []
    out = [_classification(numbers, variant, published) for variant in numbers.variants]
    if len(numbers.variants) and numbers.findings("classification"):
        out.append(_classification_summary(numbers))
    for metric, shown in (("t_iou", settings.t_iou_thresholds), ("t_ior", settings.t_ior_thresholds)):
        out += _localization(numbers, metric, numbers.thresholds(metric, shown), published)
    out.append(_present(table))
    images = images_line(table, short=True)
    return [
        replace(
            shown,
            caption=f"{shown.caption} {images}",
            notes=[note for note in (floor_note if _has_floors(shown) else "", *shown.notes) if note],
        )
        for shown in out
        if shown.rows and shown.columns
    ]


def _has_floors(table: Table) -> bool:
    return any(row.kind == "floor" for row in table.rows)


def images_line(table: pd.DataFrame, short: bool = False) -> str:
    """``Test images present: 481 of 880 (fold1 98 of 186, …).``; ``short`` leaves the splits out."""
    rows = table[(table["kind"] == "images") & (table["finding"] == "")]
    if rows.empty:
        return "Test images present: not recorded."
    rows = rows[rows["variant"] == rows["variant"].iloc[0]]
    count = {(metric, split): int(n) for metric, split, n in zip(rows["metric"], rows["split"], rows["n"], strict=True)}
    splits = list(dict.fromkeys(split for split in rows["split"] if split != "pooled"))
    pairs = [(count.get(("present", split), 0), count.get(("listed", split), 0)) for split in splits]
    boxed = [(count.get(("boxes_present", split), 0), count.get(("boxes_listed", split), 0)) for split in splits]
    present, listed, boxes_present, boxes_listed = (sum(p[i] for p in kind) for kind in (pairs, boxed) for i in (0, 1))
    line = f"Test images present: {present:,} of {listed:,}"
    if boxes_listed:
        line += f"; with boxes: {boxes_present:,} of {boxes_listed:,}"
    if short:
        return f"{line}."
    parts = ", ".join(f"{split} {have:,} of {want:,}" for split, (have, want) in zip(splits, pairs, strict=True))
    missing = (
        "" if (present, boxes_present) == (listed, boxes_listed) else " Incomplete: numbers are of the images present."
    )
    return line + (f" ({parts})." if len(splits) > 1 else ".") + missing


def _present(table: pd.DataFrame) -> Table:
    """How many test images with each finding were there; no rows where none is absent."""
    rows = table[(table["kind"] == "images") & (table["finding"] != "")]
    count = {
        (split, finding, metric): int(n)
        for variant, split, finding, metric, n in zip(
            *(rows[name] for name in ("variant", "split", "finding", "metric", "n")), strict=True
        )
        if variant == rows["variant"].iloc[0]
    }
    split = "pooled" if (rows["split"] == "pooled").any() else "".join(rows["split"].iloc[:1])
    shown = [
        TableRow(finding, [_of(count, split, finding, ""), _of(count, split, finding, "boxes_")], "count")
        for finding in dict.fromkeys(rows["finding"])
    ]
    return Table(
        "Test images present, by finding",
        "Images with the finding, and those with boxes of it, that were there, of those that the test lists name; all "
        "splits together.",
        [("", "with the finding"), ("", "with boxes")],
        shown,
        main=False,
    )


def _of(count: dict[tuple[str, str, str], int], split: str, finding: str, of: str) -> str:
    present, listed = (count.get((split, finding, f"{of}{name}"), 0) for name in ("present", "listed"))
    return f"{present:,} of {listed:,}"


def _classification(numbers: Numbers, variant: str, published: list[PublishedRow]) -> Table:
    findings = numbers.findings("classification")
    names = [*findings, "mean", "abnormality"]
    rows = [
        _split_row(numbers, variant, split, [("auc", None, name) for name in names]) for split in _split_names(numbers)
    ]
    notes = []
    for row in published:
        if row.metric == "auc" and any(math.isfinite(row.values.get(name, math.nan)) for name in findings):
            values = [*(row.values.get(name, math.nan) for name in findings), row.mean(findings), math.nan]
            rows.append(TableRow(row.label, [number_text(value) for value in values], "published", values))
            notes.append(f"{row.label}: {row.protocol}; {row.note}.")
    if notes:
        notes.append(PROTOCOLS_DIFFER)
    notes += _published_mean(numbers, variant)
    if not findings:
        rows = []
    caption = f"Area under the ROC curve of each finding on the test images of each split; {_over(numbers)}"
    return Table(f"AUC, {variant}", caption, [("", name) for name in names], rows, notes)


def _published_mean(numbers: Numbers, variant: str) -> list[str]:
    """A note where the release's mean, which counts an undefined AUC as 0, differs from the mean of those defined."""
    split = "mean" if len(numbers.splits) > 1 else (numbers.splits or [""])[0]
    ours, theirs = (numbers.value(variant, split, metric, None, "mean") for metric in ("auc", "auc_published"))
    if not math.isfinite(theirs) or abs(ours - theirs) < 5e-4:
        return []
    return [f"By the release's rule, which counts an undefined AUC as 0, the mean is {number_text(theirs)}."]


def _classification_summary(numbers: Numbers) -> Table:
    levels = numbers.table.loc[numbers.table["metric"] == "accuracy", "threshold"].dropna().unique()
    shown = [("auc", None, "AUC"), *(("accuracy", float(level), f"accuracy at {level:g}") for level in levels)]
    wanted = [(metric, level, name) for metric, level, _ in shown for name in ("mean", "abnormality")]
    columns = [(group, name) for _, _, group in shown for name in ("mean", "abnormality")]
    rows = [_over_splits(numbers, variant, variant, wanted, "model") for variant in numbers.variants]
    caption = f"Classification of each variant: mean over findings, and abnormal or not; {_over(numbers)}"
    return Table("Classification, all variants", caption, columns, rows, main=False)


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


def _localization_summary(
    numbers: Numbers, metric: str, levels: list[float], published: list[PublishedRow], pooled: bool
) -> Table:
    wanted = [(metric, level, name) for name in numbers.means() for level in levels]
    columns = [(_mean_name(numbers, name), f"{level:g}") for name in numbers.means() for level in levels]
    rows = _methods(numbers, lambda variant, label, kind: _over_splits(numbers, variant, label, wanted, kind, pooled))
    findings = numbers.findings("localization")
    for label in dict.fromkeys(row.label for row in published):
        at = {round(row.threshold, 6): row for row in published if row.label == label}
        values = [
            at[level].mean([finding for finding in findings if name != WITHOUT + finding]) if level in at else math.nan
            for name in numbers.means()
            for level in (round(level, 6) for level in levels)
        ]
        rows.append(TableRow(label, [number_text(value) for value in values], "published", values))
    how = "over all pairs of all splits together" if pooled else _over(numbers).rstrip(".")
    pairs = f"{_pairs(numbers, metric, levels[0])} pairs of image and finding"
    caption = f"{_meaning(metric)}, the mean over findings: {how}; {pairs}."
    title = f"{METRICS[metric]}, mean over findings" + (", pooled" if pooled else "")
    return Table(title, caption, columns, rows, _protocol_notes(published), main=not pooled)


def _per_finding(
    numbers: Numbers, metric: str, levels: list[float], published: list[PublishedRow], pooled: bool, main: bool
) -> Table:
    findings = numbers.findings("localization")
    names = findings + numbers.means()
    columns = [("", _mean_name(numbers, name) if not is_finding(name) else name) for name in names]
    source = (numbers.variants + numbers.floors)[0]
    counts = [_pair_count(numbers, source, metric, levels[0], name) for name in names]
    rows = [TableRow("pairs", [f"{count:,}" for count in counts], "count")]
    for level in levels:
        wanted = [(metric, level, name) for name in names]
        block = f"{METRICS[metric]} at {level:g}"
        rows += _methods(
            numbers,
            lambda variant, label, kind, wanted=wanted, block=block: _over_splits(  # type: ignore[misc]
                numbers, variant, label, wanted, kind, pooled, block
            ),
        )
        for row in published:
            if math.isclose(row.threshold, level):
                means = [row.mean([f for f in findings if name != WITHOUT + f]) for name in numbers.means()]
                values = [*(row.values.get(finding, math.nan) for finding in findings), *means]
                rows.append(TableRow(row.label, [number_text(value) for value in values], "published", values, block))
    how = "over all pairs of all splits together." if pooled else _over(numbers)
    title = f"{METRICS[metric]} of each finding" + (", pooled" if pooled else "")
    return Table(title, f"{_meaning(metric)}: {how}", columns, rows, _protocol_notes(published), main)


def _by_split(numbers: Numbers, variant: str, metric: str, levels: list[float]) -> Table:
    wanted: list[tuple[str, float | None, str]] = [
        (metric, level, name) for name in numbers.means() for level in levels
    ]
    columns = [(_mean_name(numbers, name), f"{level:g}") for name in numbers.means() for level in levels]
    rows = [_split_row(numbers, variant, split, wanted) for split in [*_split_names(numbers), "pooled"]]
    caption = f"{_meaning(metric)} in each split, mean over findings; pooled: over all pairs of all splits together."
    return Table(f"{METRICS[metric]} of each split, {variant}", caption, columns, rows, main=False)


def _methods(numbers: Numbers, row: Callable[[str, str, str], TableRow]) -> list[TableRow]:
    models = [row(variant, variant, "model") for variant in numbers.variants]
    return models + [row(name, FLOORS[name], "floor") for name in numbers.floors]


def _split_names(numbers: Numbers) -> list[str]:
    return [*numbers.splits, "mean", "sd"] if len(numbers.splits) > 1 else numbers.splits


def _split_row(numbers: Numbers, variant: str, split: str, wanted: Wanted) -> TableRow:
    values = [numbers.value(variant, split, metric, level, name) for metric, level, name in wanted]
    return TableRow(
        split, [number_text(value) for value in values], "summary" if split in SUMMARIES else "split", values
    )


def _over_splits(
    numbers: Numbers,
    variant: str,
    label: str,
    wanted: Wanted,
    kind: str,
    pooled: bool = False,
    block: str = "",
) -> TableRow:
    """Mean ± sd over the splits, the pooled value, or the value of the only split."""
    several = len(numbers.splits) > 1
    split = ("pooled" if pooled else "mean") if several else (numbers.splits or [""])[0]
    values = [numbers.value(variant, split, *number) for number in wanted]
    texts = [number_text(value) for value in values]
    if several and not pooled:
        spread = [numbers.value(variant, "sd", *number) for number in wanted]
        texts = [
            f"{text} ± {number_text(sd)}" if math.isfinite(sd) else text for text, sd in zip(texts, spread, strict=True)
        ]
    return TableRow(label, texts, kind, values, block)


def _pair_count(numbers: Numbers, variant: str, metric: str, level: float, name: str) -> int:
    return sum(numbers.n(variant, split, metric, level, name) for split in numbers.splits)


def _pairs(numbers: Numbers, metric: str, level: float) -> str:
    source = (numbers.variants + numbers.floors)[0]
    return f"{sum(_pair_count(numbers, source, metric, level, name) for name in numbers.findings('localization')):,}"


def _mean_name(numbers: Numbers, name: str) -> str:
    count = len(numbers.findings("localization"))
    if name == "mean":
        return f"mean of {count}"
    return f"mean of {count - 1} without {name.removeprefix(WITHOUT)}"


def _meaning(metric: str) -> str:
    ratio = "intersection over union" if metric == "t_iou" else "intersection over predicted region"
    return f"{METRICS[metric]}, the share of pairs whose {ratio} reaches the threshold"


def _over(numbers: Numbers) -> str:
    if len(numbers.splits) > 1:
        return f"mean and standard deviation over {len(numbers.splits)} splits."
    return f"split {numbers.splits[0]}." if numbers.splits else "no split."


def _protocol_notes(published: list[PublishedRow]) -> list[str]:
    if not published:
        return []
    protocols = dict.fromkeys(f"{row.label}: {row.protocol}." for row in published)
    return [*protocols, PROTOCOLS_DIFFER]


def number_text(value: float) -> str:
    """Three decimals, or a dash where there is no number."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING
