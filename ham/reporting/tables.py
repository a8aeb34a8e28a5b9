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
from ham.reporting import markdown_latex, result_tables
from ham.reporting.results import WITHOUT, SplitResult, prior_note, read_results, variants_of
from ham.reporting.settings import ReportingSettings
from ham.runtime.files import write_text

COLUMNS = (
    "experiment", "variant", "split", "truth", "kind", "metric", "threshold", "finding", "value", "low", "high", "n",
)  # fmt: skip
KEY = ("experiment", "variant", "truth", "kind", "metric", "threshold", "finding")
# Rows of images with a finding, and their names in metrics.json
OF_FINDING = {
    "listed": "positives_listed", "present": "positives", "boxes_listed": "pairs_listed", "boxes_present": "pairs",
}  # fmt: skip
TidyRow = dict[str, Any]  # a row of the tidy table, by ``COLUMNS``


def write_tables(splits: Sequence[Path], output_csv: Path, settings: ReportingSettings) -> None:
    """Write the tidy table of one experiment and, beside it, its .md and .tex views.

    ``splits`` are result folders of all splits and variants of the experiment. DataError where they belong to several
    experiments, or a folder lacks its scores.
    """
    results = read_results(splits)
    table = tidy(results)
    output_csv = Path(output_csv)
    write_text(output_csv, table.to_csv(index=False, lineterminator="\n"))
    shown = result_tables.build_tables(table, settings, prior_note(results))
    images = result_tables.images_line(table)
    write_text(output_csv.with_suffix(".md"), markdown_latex.markdown(shown, images))
    write_text(output_csv.with_suffix(".tex"), markdown_latex.latex(shown, images))


def read_table(path: Path) -> pd.DataFrame:
    """A tidy table as ``tidy`` gives it; blank thresholds, values and intervals are NaN, blank findings are ''."""
    text = dict.fromkeys(COLUMNS[:6], str) | {"finding": str}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values={c: [""] for c in COLUMNS if c not in text})


def tidy(results: Sequence[SplitResult]) -> pd.DataFrame:
    """All numbers of one experiment, one a row, with the columns ``COLUMNS``.

    Rows of a split: ``n`` is the number of images or pairs behind the value. With more than one split follow, for each
    number, ``mean`` and ``sd`` over the splits where it is defined (ddof 1; n = number of these splits) and, for
    localization, ``pooled``: the share over all pairs of all splits (n = pairs). Kind ``images`` counts the test images
    that the lists name and that were present, and those of the list with boxes (pooled: their sum); where some are
    absent, also those with each finding. Variants named like a floor are the maps that never look at the image.
    DataError where the results are of several experiments.
    """
    experiments = {result.experiment for result in results}
    if len(experiments) != 1:
        raise DataError(f"A table is of one experiment, not of {len(experiments)}: {', '.join(sorted(experiments))}.")
    rows: list[TidyRow] = []
    for group in variants_of(results).values():
        rows += _with_summaries([row for result in group for row in _scored(result)], _pooled_variant(group))
    rows += _floor_rows(results)
    rows += _image_rows(results)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["n"] = table["n"].astype("Int64")
    return table


def _tidy_row(result: SplitResult, kind: str, scores: Mapping[str, Any], variant: str | None = None) -> TidyRow:
    value = scores.get("value")
    threshold = scores.get("threshold")
    count = scores.get("n")
    return {
        "experiment": result.experiment,
        "variant": result.variant if variant is None else variant,
        "split": result.split,
        "truth": result.truth,
        "kind": kind,
        "metric": scores["metric"],
        "threshold": math.nan if threshold is None else float(threshold),
        "finding": scores.get("finding") or "",
        "value": math.nan if value is None else float(value),
        "low": math.nan,
        "high": math.nan,
        "n": pd.NA if count is None else int(count),
    }


def _scored(result: SplitResult) -> list[TidyRow]:
    kinds = ("classification", "localization")
    return [_tidy_row(result, kind, scores) for kind in kinds for scores in result.metrics.get(kind) or []]


def _with_summaries(rows: list[TidyRow], pooled: Mapping[tuple, Mapping[str, Any]]) -> list[TidyRow]:
    """Rows of one variant grouped by number: its splits, then mean and sd over them, then the pooled value."""
    groups: dict[tuple, list[TidyRow]] = {}
    for row in rows:
        groups.setdefault(_key(row), []).append(row)
    if len({row["split"] for row in rows}) < 2:
        return [row for group in groups.values() for row in group]
    out: list[TidyRow] = []
    for key, group in groups.items():
        values = np.array([row["value"] for row in group], dtype=np.float64)
        values = values[np.isfinite(values)]
        mean = float(values.mean()) if len(values) else math.nan
        sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        out += group
        out.append(group[0] | {"split": "mean", "value": mean, "n": len(values)})
        out.append(group[0] | {"split": "sd", "value": sd, "n": len(values)})
        if key in pooled:
            out.append(group[0] | {"split": "pooled", **pooled[key]})
    return out


def _key(row: TidyRow) -> tuple:
    return tuple("" if isinstance(row[name], float) and math.isnan(row[name]) else row[name] for name in KEY)


def _pooled_variant(group: Sequence[SplitResult]) -> dict[tuple, dict[str, Any]]:
    scored = [
        _tidy_row(result, "localization", scores)
        for result in group
        for scores in result.metrics.get("localization") or []
    ]
    return _pooled(scored, _joined(result.localization for result in group))


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["finding", "iou", "ior"])


def _pooled(rows: Sequence[TidyRow], pairs: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """Value and n, over all ``pairs``, of each number that ``rows`` name; nothing where there is no pair."""
    if pairs.empty:
        return {}
    values = {
        (metric, str(finding)): group[column].to_numpy(dtype=np.float64)
        for metric, column in SHARE_OF.items()
        for finding, group in pairs.groupby("finding", sort=False)
    }
    out: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        metric, threshold, name = row["metric"], row["threshold"], row["finding"]
        if metric not in SHARE_OF:
            continue
        parts = [part for (m, finding), part in values.items() if m == metric and _belongs(finding, name)]
        if parts:
            shares = [share_at_least(part, threshold) for part in parts]
            out[_key(row)] = {"value": float(np.mean(shares)), "n": sum(len(part) for part in parts)}
    return out


def _belongs(finding: str, name: str) -> bool:
    """Whether pairs of ``finding`` go into the row ``name``: a finding, ``mean`` or ``mean_without_<finding>``."""
    if name.startswith(WITHOUT):
        return name != WITHOUT + finding
    return name in ("mean", finding)


def _floor_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """Floors of each split once: they look at the truth only, so that all variants of a split have the same."""
    once: dict[str, SplitResult] = {}
    for result in results:
        if result.metrics.get("floors"):
            once.setdefault(result.split, result)
    names = dict.fromkeys(name for result in once.values() for name in result.metrics["floors"])
    out: list[TidyRow] = []
    for name in names:
        rows = [
            _tidy_row(result, "localization", scores, variant=name)
            for result in once.values()
            for scores in result.metrics["floors"].get(name) or []
        ]
        pairs = _joined(result.floors[result.floors["floor"] == name] for result in once.values())
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
    rows = [
        _tidy_row(result, "images", {"metric": metric, "finding": finding, "value": number, "n": number})
        for result, number in zip(group, numbers, strict=True)
        if number is not None
    ]
    total = sum(int(row["n"]) for row in rows)
    return [*rows, rows[0] | {"split": "pooled", "value": float(total), "n": total}] if len(rows) > 1 else rows
