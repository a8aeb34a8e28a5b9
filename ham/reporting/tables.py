"""The tidy table of an experiment: the numbers of its splits, with mean, standard deviation and pooled value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.errors import DataError
from ham.model.metrics import SHARE_OF, share_at_least
from ham.reporting import result_tables
from ham.reporting.comparison_tables import Beside
from ham.reporting.cuts import compare_cuts, cuts_beside
from ham.reporting.differences import differences, differences_beside
from ham.reporting.image_counts import images_line
from ham.reporting.latex import latex
from ham.reporting.markdown import markdown
from ham.reporting.results import SplitResult, once_a_split, prior_note, published_of, read_results, variants_of
from ham.reporting.settings import ReportingSettings
from ham.runtime.files import write_text
from ham.scoring.decision_names import DECIDED
from ham.scoring.metric_rows import Subject, interval, list_names, ratio

COLUMNS = (
    "experiment", "variant", "split", "truth", "kind", "metric", "threshold", "scope", "finding", "value", "low",
    "high", "n_undefined", "n_images", "n_positive", "n_pairs", "n_findings", "n_splits", "reason",
    "checkpoint", "cut", "group",
)  # fmt: skip
KEY = ("experiment", "variant", "truth", "kind", "metric", "threshold", "scope", "finding", "group")
COUNTS = ("n_images", "n_positive", "n_pairs", "n_findings", "n_splits", "n_undefined")
TEXT = (
    "experiment", "variant", "split", "truth", "kind", "metric", "scope", "finding", "reason", "checkpoint", "cut",
    "group",
)  # fmt: skip
VALUES = ("value", "low", "high")
KIND_OF = {"auc": "classification", "t_iou": "localization"} | dict.fromkeys(DECIDED, "decisions")  # of subgroups
POOLED = {**SHARE_OF, "empty_maps": "empty"}  # metric to the column of a pair that it is a share of
# Rows of images with a finding, and their names in metrics.json
OF_FINDING = {
    "listed": "positives_listed", "present": "positives", "boxes_listed": "pairs_listed", "boxes_present": "pairs",
}  # fmt: skip
# A row of the tidy table, by ``COLUMNS``; of a mean also the ``findings`` in it; its ``samples`` [B], None where it has
# no interval, and of a finding in a split the pairs ``drawn`` [B]
TidyRow = dict[str, Any]


def write_tables(splits: Sequence[Path], output_csv: Path, settings: ReportingSettings) -> None:
    """Write the tidy table of one experiment, beside it its .md and .tex views, and differences/, subgroups/ and
    cuts/<experiment>.csv.

    ``splits`` are result folders of all splits and variants of the experiment. DataError where they belong to several
    experiments, or a folder lacks its scores.
    """
    results = read_results(splits)
    rows = tidy_rows(results)
    table, subgroups = framed(of_all_images(rows)), framed([row for row in rows if row["group"]])
    compared, cuts = differences(rows), compare_cuts(results)
    output_csv = Path(output_csv)
    for path, written in (
        (output_csv, table),
        (differences_beside(output_csv), compared),
        (subgroups_beside(output_csv), subgroups),
        (cuts_beside(output_csv), cuts),
    ):
        write_text(path, written.to_csv(index=False, lineterminator="\n"))
    beside = Beside(compared, cuts, subgroups)
    shown = result_tables.build_tables(table, settings, prior_note(results), published_of(results), beside)
    images = images_line(table)
    write_text(output_csv.with_suffix(".md"), markdown(shown, images))
    write_text(output_csv.with_suffix(".tex"), latex(shown, images, output_csv.stem))


def read_table(path: Path) -> pd.DataFrame:
    """A tidy table as ``tidy`` gives it; blank numbers are NaN, blank texts are ''."""
    numbers = {column: [""] for column in COLUMNS if column not in TEXT}
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=numbers)


def tidy(results: Sequence[SplitResult]) -> pd.DataFrame:
    """All numbers of all images of one experiment, one a row, with the columns ``COLUMNS``."""
    return framed(of_all_images(tidy_rows(results)))


def of_all_images(rows: Iterable[TidyRow]) -> list[TidyRow]:
    """The rows that are of no subgroup."""
    return [row for row in rows if not row["group"]]


def subgroups_beside(table: Path) -> Path:
    """Where the numbers of an experiment's subgroups stand, whose tidy table is ``table``; columns are the same."""
    return table.parent / "subgroups" / table.name


def framed(rows: Sequence[TidyRow]) -> pd.DataFrame:
    """Rows as the table that is written."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in COUNTS:
        table[column] = table[column].astype("Int64")
    return table


def tidy_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """All numbers of one experiment, those of subgroups among them.

    A row of a split is one of metrics.json (:mod:`ham.scoring.metric_rows`). With more than one split of a variant
    follow, for each number, ``mean`` and ``sd`` over the splits where it is defined (ddof 1) and, for localization,
    ``pooled``: the share over all pairs of all splits. A mean over findings that is not over the same findings in each
    of these splits has no mean over them: blank, with the reason.

    ==========  ========================================================================================================
    column      meaning, blank where it has none
    ==========  ========================================================================================================
    low, high   95 % interval (:mod:`ham.scoring.intervals`): of ``mean`` and ``pooled`` each split resampled by itself
    n_undefined resamples, of a thousand unless configured otherwise, in which the value was undefined; blank: none
    scope       what the number is of: finding, abnormality, mean, mean_without (one finding), images
    n_images    test images whose label is known; of kind ``images`` those that are counted
    n_positive  those of them that have the finding
    n_pairs     pairs of image and finding
    n_findings  findings in a mean
    n_splits    splits behind the value: 1 in the row of a split; of ``mean``, ``sd`` and ``pooled`` those where it is
                defined, over which the other counts are sums
    reason      why there is no value
    checkpoint  which weights were tested, and on which images they were chosen
    cut         of localization: where the normalised map is cut, and the frame in which regions are compared
    group       of subgroups: the images that it is of, such as ``view=AP``; blank: all
    ==========  ========================================================================================================

    Kind ``images`` counts the test images that the lists name and that were present, and those of the list with boxes
    (pooled: their sum); where some are absent, also those with each finding. Variants named like a floor are the maps
    that never look at the image. DataError where the results are of several experiments.
    """
    experiments = {result.experiment for result in results}
    if len(experiments) != 1:
        raise DataError(f"A table is of one experiment, not of {len(experiments)}: {', '.join(sorted(experiments))}.")
    rows: list[TidyRow] = []
    for group in variants_of(results).values():
        rows += _with_summaries([row for result in group for row in _scored(result)], _pooled_variant(group))
    rows += _floor_rows(results)
    return rows + _image_rows(results)


def _tidy_row(result: SplitResult, kind: str, scores: Mapping[str, Any], variant: str | None = None) -> TidyRow:
    value, low, high = (math.nan if scores.get(name) is None else float(scores[name]) for name in VALUES)
    threshold = scores.get("threshold")
    findings = scores.get("findings")
    return {
        "experiment": result.experiment,
        "variant": result.variant if variant is None else variant,
        "split": result.split,
        "truth": result.truth,
        "kind": kind,
        "metric": scores["metric"],
        "threshold": math.nan if threshold is None else float(threshold),
        "scope": scores["scope"],
        "finding": scores["finding"],
        "value": value,
        "low": low,
        "high": high,
        "n_undefined": scores.get("n_undefined", pd.NA),
        **{name: pd.NA if scores.get(name) is None else int(scores[name]) for name in COUNTS[:3]},
        "n_findings": pd.NA if findings is None else len(findings),
        "n_splits": 1,
        "reason": scores.get("reason") or "",
        "checkpoint": "" if variant or kind == "images" else result.checkpoint,
        "cut": _cut(result, variant) if kind == "localization" else "",
        "group": scores.get("group") or "",
        "findings": None if findings is None else tuple(findings),
        "samples": None,
        "drawn": None,
        "drawn_from": result.drawn_from,
    }


def _cut(result: SplitResult, floor: str | None) -> str:
    if floor:
        return "best on the boxes it is made from" if floor == "location-prior" else ""
    return (
        f"fixed at {result.fixed_cut:.3g}, in {result.metrics['region']['size']} x {result.metrics['region']['size']}"
    )


def _scored(result: SplitResult) -> list[TidyRow]:
    kinds = ("classification", "decisions", "localization", "subgroups")
    rows = [row for kind in kinds for row in _rows_of(result, kind, result.metrics.get(kind) or [])]
    return rows + [_tidy_row(result, "decisions", row) for row in result.threshold_rows]


def _rows_of(result: SplitResult, kind: str, scores: Sequence[Mapping[str, Any]], floor: str = "") -> list[TidyRow]:
    """Rows of metrics.json as tidy rows, with their samples."""
    rows = [_tidy_row(result, KIND_OF.get(row["metric"], kind), row, variant=floor or None) for row in scores]
    samples = result.samples.get(f"floor {floor}" if floor else kind)
    if samples is not None:
        for row, own in zip(rows, samples, strict=True):
            drawn = result.samples.get(f"pairs {row['group']}".rstrip())
            weighed = row["scope"] == "finding" and row["kind"] == "localization" and drawn is not None
            place = result.boxed_findings.index(row["finding"]) if weighed else 0
            row |= {"samples": own, "drawn": drawn[place] if weighed and drawn is not None else None}
    return rows


def _with_summaries(rows: list[TidyRow], pooled: Mapping[tuple, Mapping[str, Any]]) -> list[TidyRow]:
    """Rows of one variant grouped by number: its splits, then mean and sd over them, then the pooled value."""
    groups: dict[tuple, list[TidyRow]] = {}
    for row in rows:
        groups.setdefault(_key(row), []).append(row)
    if len({row["split"] for row in rows}) < 2:
        return [row for group in groups.values() for row in group]
    out: list[TidyRow] = []
    for key, group in groups.items():
        out += [*group, *_over_splits(group)]
        if key in pooled:
            out.append(group[0] | {"split": "pooled", **pooled[key]})
    return out


def _over_splits(group: Sequence[TidyRow]) -> tuple[TidyRow, TidyRow]:
    """Mean and sd of one number over the splits where it is defined."""
    known = [row for row in group if math.isfinite(row["value"])]
    values = np.array([row["value"] for row in known], dtype=np.float64)
    reason = _differing(known) if known else group[0]["reason"]
    mean = math.nan if reason else float(values.mean())
    sd = math.nan if reason or len(values) < 2 else float(values.std(ddof=1))
    counts = {name: _sum(row[name] for row in known) for name in COUNTS[:3]}
    findings = pd.NA if reason or not known else known[0]["n_findings"]
    row = group[0] | counts | {"n_findings": findings, "n_splits": len(known), "drawn": None}
    alone = "defined in one split only" if len(known) == 1 else ""
    return (
        row | {"split": "mean", "value": mean, "reason": reason, **_interval(mean, _mean_samples(known))},
        row | {"split": "sd", "value": sd, "reason": reason or alone, **_interval(math.nan, None)},
    )


def _mean_samples(rows: Sequence[TidyRow]) -> np.ndarray | None:
    """The mean over splits in each resample, each split resampled by itself; None where one has no samples."""
    samples = [row["samples"] for row in rows]
    if not samples or any(own is None for own in samples):
        return None
    return np.array(samples, dtype=np.float64).mean(axis=0)


def _interval(value: float, samples: np.ndarray | None) -> dict[str, Any]:
    """samples, low, high and n_undefined of a row."""
    if samples is None or not math.isfinite(value):
        return {"samples": None, "low": math.nan, "high": math.nan, "n_undefined": pd.NA}
    low, high = interval(samples)
    undefined = int(np.isnan(samples).sum())
    return {"samples": samples, "low": low, "high": high, "n_undefined": undefined or pd.NA}


def _differing(rows: Sequence[TidyRow]) -> str:
    """Why means over findings may not be averaged: which splits lack which findings; empty where none does."""
    if rows[0]["findings"] is None:
        return ""
    every = dict.fromkeys(finding for row in rows for finding in row["findings"])
    lacking = {row["split"]: [finding for finding in every if finding not in row["findings"]] for row in rows}
    said = [f"{split} without {list_names(names)}" for split, names in lacking.items() if names]
    return f"not over the same findings in each split: {'; '.join(said)}" if said else ""


def _sum(numbers: Iterable[Any]) -> Any:
    known = [number for number in numbers if not pd.isna(number)]
    return sum(known) if known else pd.NA


def _key(row: TidyRow) -> tuple:
    return tuple("" if isinstance(row[name], float) and math.isnan(row[name]) else row[name] for name in KEY)


def _pooled_variant(group: Sequence[SplitResult]) -> dict[tuple, dict[str, Any]]:
    scored = [row for result in group for row in _scored(result) if row["kind"] == "localization"]
    return _pooled(scored, _joined(result.localization for result in group))


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["finding", *POOLED.values()])


def _pooled(rows: Sequence[TidyRow], pairs: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """Value and counts, over all ``pairs``, of each number that ``rows`` name; nothing where there is no pair."""
    of_group = {"": {str(finding): own for finding, own in pairs.groupby("finding", sort=False)}}
    for group in dict.fromkeys(row["group"] for row in rows if row["group"]):
        grouping, value = group.split("=", 1)
        inside = pairs[pairs[grouping] == value]
        of_group[group] = {str(finding): own for finding, own in inside.groupby("finding", sort=False)}
    splits: dict[tuple, int] = {}
    for row in rows:
        splits[_key(row)] = splits.get(_key(row), 0) + (row["n_pairs"] > 0)
    out: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        if _key(row) in out:
            continue
        subject = Subject(row["scope"], row["finding"])
        parts = [group for finding, group in of_group[row["group"]].items() if subject.covers(finding)]
        if row["metric"] in POOLED and parts:
            column = POOLED[row["metric"]]
            level = 1.0 if row["metric"] == "empty_maps" else row["threshold"]
            shares = [share_at_least(part[column].to_numpy(dtype=np.float64), level) for part in parts]
            counts = {"n_pairs": sum(map(len, parts)), "n_splits": splits[_key(row)]}
            findings = {"n_findings": len(parts) if subject.is_mean else pd.NA}
            value, samples = float(np.mean(shares)), _pooled_samples(rows, row)
            out[_key(row)] = {"value": value, **counts, **findings, "reason": "", **_interval(value, samples)}
    return out


def _pooled_samples(rows: Sequence[TidyRow], wanted: TidyRow) -> np.ndarray | None:
    """The share over the pairs drawn in all splits, or its mean over findings, in each resample; None without samples.

    ``rows`` are of all splits; ``wanted`` is one of them.
    """
    subject = Subject(wanted["scope"], wanted["finding"])
    of_findings: dict[str, list[TidyRow]] = {}
    for row in rows:
        same = all(row[name] == wanted[name] or row[name] != row[name] for name in ("metric", "threshold", "group"))
        if same and row["scope"] == "finding" and subject.covers(row["finding"]) and row["n_pairs"] > 0:
            of_findings.setdefault(row["finding"], []).append(row)
    parts = [row for own in of_findings.values() for row in own]
    if not parts or any(row["samples"] is None for row in parts):
        return None
    shares = []
    for own in of_findings.values():
        drawn = np.array([row["drawn"] for row in own], dtype=np.float64)
        hits = np.nan_to_num(np.array([row["samples"] for row in own], dtype=np.float64)) * drawn
        shares.append(ratio(hits.sum(axis=0), drawn.sum(axis=0)))
    return np.asarray(np.mean(shares, axis=0))


def _floor_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """Floors of each split once: they look at the truth only, so that all variants of a split have the same."""
    once = once_a_split([result for result in results if result.metrics.get("floors")])
    names = dict.fromkeys(name for result in once for name in result.metrics["floors"])
    out: list[TidyRow] = []
    for name in names:
        rows = [
            row
            for result in once
            for row in _rows_of(result, "localization", result.metrics["floors"].get(name) or [], floor=name)
        ]
        pairs = _joined(result.floors[result.floors["floor"] == name] for result in once)
        out += _with_summaries(rows, _pooled(rows, pairs))
    return out


def _image_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    out: list[TidyRow] = []
    for group in variants_of(results).values():
        for name in ("listed", "present", "boxes_listed", "boxes_present"):
            out += _summed(group, name, "", [result.counts.get(name) for result in group])
        counts = [result.counts.get("findings") or {} for result in group]
        for finding in dict.fromkeys(finding for count in counts for finding in count):
            of_finding = [count.get(finding) or {} for count in counts]
            if any(_lacks(count) for count in of_finding):
                for name, key in OF_FINDING.items():
                    out += _summed(group, name, finding, [count.get(key) for count in of_finding])
    return out


def _lacks(count: Mapping[str, Any]) -> bool:
    return any(count.get(f"{key}_listed", count.get(key)) != count.get(key) for key in ("positives", "pairs"))


def _summed(group: Sequence[SplitResult], metric: str, finding: str, numbers: Sequence[int | None]) -> list[TidyRow]:
    """Rows of counts, one a split where it is known, and their sum."""
    about = {"metric": metric, "scope": "finding" if finding else "images", "finding": finding}
    rows = [
        _tidy_row(result, "images", {**about, "value": number, "n_images": number})
        for result, number in zip(group, numbers, strict=True)
        if number is not None
    ]
    total = sum(int(row["n_images"]) for row in rows)
    summed = {"split": "pooled", "value": float(total), "n_images": total, "n_splits": len(rows)}
    return [*rows, rows[0] | summed] if len(rows) > 1 else rows
