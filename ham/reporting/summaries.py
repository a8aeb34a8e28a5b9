"""Numbers of several splits, or of several seeds, as one: mean, standard deviation, all pairs together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ham.model.metrics import SHARE_OF, share_at_least
from ham.scoring.metric_rows import Subject, interval, list_names, ratio

KEY = ("experiment", "variant", "truth", "kind", "metric", "threshold", "scope", "finding", "group")
COUNTS = ("n_images", "n_positive", "n_pairs", "n_findings", "n_splits", "n_undefined", "seed", "n_seeds")
POOLED = {
    **SHARE_OF,
    "empty_maps": "empty",
    "t_iou_ceiling": "highest_iou",
    "t_iou_reached": "reached_iou",
}  # metric to the column of a pair that it is a share of
SEED_SD = "seed sd"  # the row of a number's standard deviation over seeds
# A row of the tidy table, by ``COLUMNS``; of a mean also the ``findings`` in it; its ``samples`` [B], None where it has
# no interval, and of a finding in a split the pairs ``drawn`` [B]
TidyRow = dict[str, Any]


def over_seeds(
    of_seeds: Sequence[Sequence[TidyRow]], pooled: Sequence[Mapping[tuple, Mapping[str, Any]]]
) -> list[TidyRow]:
    """Rows of one variant that was trained with several seeds: of each split the mean over seeds, then as
    :func:`with_summaries`, then the standard deviation over seeds of each seed's mean over splits.

    ``of_seeds`` are the rows of the splits of each seed, ``pooled`` their pooled numbers. What is undefined with one
    seed is undefined.
    """
    alike: dict[tuple, list[TidyRow]] = {}
    for rows in of_seeds:
        for row in rows:
            alike.setdefault((row["split"], *_key(row)), []).append(row)
    averaged = [_over_seeds(rows) for rows in alike.values()]
    together: dict[tuple, dict[str, Any]] = {}
    for key in pooled[0]:
        own = [of_seed[key] for of_seed in pooled if key in of_seed]
        value = float(np.mean([number["value"] for number in own]))
        together[key] = {**own[0], "value": value, **_interval(value, _mean_samples(own))}
    out = with_summaries(averaged, together)
    means: dict[tuple, list[float]] = {}
    for rows in of_seeds:
        of_numbers: dict[tuple, list[float]] = {}
        for row in rows:
            of_numbers.setdefault(_key(row), []).append(row["value"])
        for key, values in of_numbers.items():
            known = [value for value in values if math.isfinite(value)]
            means.setdefault(key, []).append(float(np.mean(known)) if known else math.nan)
    whole = {_key(row): row for row in out if row["split"] not in ("sd", "pooled")}  # the mean over splits stands last
    for key, values in means.items():
        sd = float(np.std(values, ddof=1)) if math.isfinite(whole[key]["value"]) else math.nan
        out.append(whole[key] | {"split": SEED_SD, "value": sd, "drawn": None, **_interval(math.nan, None)})
    return out


def _over_seeds(rows: Sequence[TidyRow]) -> TidyRow:
    """One number of one split: its mean over seeds, which were tested on the same patients."""
    value = float(np.mean([row["value"] for row in rows]))
    reason = next((row["reason"] for row in rows if row["reason"]), "")
    about = {"value": value, "reason": reason, "seed": pd.NA, "n_seeds": len(rows)}
    return rows[0] | about | _interval(value, _mean_samples(rows))


def with_summaries(rows: list[TidyRow], pooled: Mapping[tuple, Mapping[str, Any]]) -> list[TidyRow]:
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
    counts = {name: sum_known(row[name] for row in known) for name in COUNTS[:3]}
    findings = pd.NA if reason or not known else known[0]["n_findings"]
    row = group[0] | counts | {"n_findings": findings, "n_splits": len(known), "drawn": None}
    alone = "defined in one split only" if len(known) == 1 else ""
    return (
        row | {"split": "mean", "value": mean, "reason": reason, **_interval(mean, _mean_samples(known))},
        row | {"split": "sd", "value": sd, "reason": reason or alone, **_interval(math.nan, None)},
    )


def _mean_samples(rows: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
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


def sum_known(numbers: Iterable[Any]) -> Any:
    known = [number for number in numbers if not pd.isna(number)]
    return sum(known) if known else pd.NA


def _key(row: TidyRow) -> tuple:
    return tuple("" if isinstance(row[name], float) and math.isnan(row[name]) else row[name] for name in KEY)


def join_pairs(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["finding", *POOLED.values()])


def pooled_numbers(rows: Sequence[TidyRow], pairs: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """Value and counts, over all ``pairs``, of each number that ``rows`` name; nothing where there is no pair."""
    of_group = {"": {str(finding): own for finding, own in pairs.groupby("finding", sort=False)}}
    for group in dict.fromkeys(row["group"] for row in rows if row["group"]):
        grouping, value = group.split("=", 1)
        inside = pairs[pairs[grouping] == value]
        of_group[group] = {str(finding): own for finding, own in inside.groupby("finding", sort=False)}
    splits: dict[tuple, int] = {}
    for row in rows:
        splits[_key(row)] = splits.get(_key(row), 0) + (row["n_pairs"] > 0)
    weighed = _weighed(rows)
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
            value, samples = float(np.mean(shares)), _pooled_samples(weighed, row)
            out[_key(row)] = {"value": value, **counts, **findings, "reason": "", **_interval(value, samples)}
    return out


def _weighed(rows: Sequence[TidyRow]) -> dict[tuple, dict[str, list[TidyRow]]]:
    """Rows of findings that have pairs, by what they measure and then by finding."""
    out: dict[tuple, dict[str, list[TidyRow]]] = {}
    for row in rows:
        if row["scope"] == "finding" and row["n_pairs"] > 0:
            out.setdefault(_measured(row), {}).setdefault(row["finding"], []).append(row)
    return out


def _measured(row: TidyRow) -> tuple:
    return row["metric"], "" if math.isnan(row["threshold"]) else row["threshold"], row["group"]


def _pooled_samples(weighed: Mapping[tuple, Mapping[str, list[TidyRow]]], wanted: TidyRow) -> np.ndarray | None:
    """The share over the pairs drawn in all splits, or its mean over findings, in each resample; None without samples.

    ``weighed`` are the rows of findings in all splits; ``wanted`` is a row of a split.
    """
    subject = Subject(wanted["scope"], wanted["finding"])
    of_findings = [own for finding, own in weighed.get(_measured(wanted), {}).items() if subject.covers(finding)]
    if not of_findings or any(row["samples"] is None for own in of_findings for row in own):
        return None
    shares = []
    for own in of_findings:
        drawn = np.array([row["drawn"] for row in own], dtype=np.float64)
        hits = np.nan_to_num(np.array([row["samples"] for row in own], dtype=np.float64)) * drawn
        shares.append(ratio(hits.sum(axis=0), drawn.sum(axis=0)))
    return np.asarray(np.mean(shares, axis=0))
