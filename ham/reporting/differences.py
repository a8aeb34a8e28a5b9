"""Paired differences: two methods scored on the same patients of the same splits, and the interval of the difference.

The difference of two methods is known better than either, because hard patients are hard for both: it is taken in each
resample, in which both meet the same patients. Two intervals that overlap say nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.errors import DataError
from ham.reporting.numbers import FLOORS, SUMMARIES, Number, Wanted
from ham.scoring.decision_names import BY_GROUP
from ham.scoring.metric_rows import Subject, interval

COLUMNS = (
    "experiment", "variant", "reference", "group", "truth", "kind", "metric", "threshold", "scope", "finding", "value",
    "low", "high", "n_undefined", "n_images", "n_positive", "n_pairs", "n_splits",
)  # fmt: skip
COMPARED = ("auc", "accuracy", "t_iou", "t_ior", "empty_maps", *BY_GROUP)
SAME = ("experiment", "truth", "kind", "metric", "scope", "finding")
COUNTS = ("n_images", "n_positive", "n_pairs")
REFERENCE = "ham"  # of the variants; the first where it is not run
LOOKED_UP = ("variant", "reference", "metric", "threshold", "scope", "finding", "value", "low", "high")
Row = dict[str, Any]


def differences_beside(table: Path) -> Path:
    """Where the differences of an experiment stand, whose tidy table is ``table``."""
    return table.parent / "differences" / table.name


def differences(rows: Sequence[Row]) -> pd.DataFrame:
    """``variant`` minus ``reference`` for every number that both have, with the columns ``COLUMNS``; no rows where the
    scores have no samples.

    ``rows`` are tidy rows with their samples. Variants are compared with ``ham``, all of them with each map that never
    looks at the image; and each ``group`` of images with the largest group of its grouping, which is then the
    ``reference``. A difference is the mean over the splits in which both are defined, ``n_splits`` of them, each
    resampled by itself. DataError where two scores of a split come from different resamples.
    """
    of_splits = [row for row in rows if row["split"] not in SUMMARIES and row["metric"] in COMPARED]
    found: dict[tuple, dict[str, Row]] = {}
    for row in of_splits:
        if row["samples"] is not None and math.isfinite(row["value"]):
            found.setdefault((row["variant"], row["group"], *_key(row)), {})[row["split"]] = row
    variants = list(dict.fromkeys(row["variant"] for row in of_splits if row["variant"] not in FLOORS))
    first = REFERENCE if REFERENCE in variants else next(iter(variants), "")
    numbers = dict.fromkeys(_key(row) for row in of_splits)
    out = [
        _difference(found.get((variant, "", *key), {}), found.get((reference, "", *key), {}), variant, reference)
        for variant in variants
        for reference in dict.fromkeys((first, *FLOORS))
        if reference != variant
        for key in numbers
    ]
    out += [
        _difference(found.get((variant, group, *key), {}), found.get((variant, largest, *key), {}), variant, largest)
        for variant in variants
        for group, largest in _compared_groups(of_splits, variant)
        for key in numbers
    ]
    table = pd.DataFrame([row for row in out if row is not None], columns=list(COLUMNS))
    for column in (*COUNTS, "n_splits", "n_undefined"):
        table[column] = table[column].astype("Int64")
    return table


def _compared_groups(rows: Sequence[Row], variant: str) -> list[tuple[str, str]]:
    """Each group of images beside the largest of its grouping."""
    images: dict[str, int] = {}
    for row in rows:
        if row["group"] and (row["variant"], row["metric"], row["scope"]) == (variant, "auc", "mean"):
            images[row["group"]] = images.get(row["group"], 0) + row["n_images"]
    out = []
    for group in images:
        alike = [other for other in images if other.split("=")[0] == group.split("=")[0]]
        largest = max(alike, key=lambda other: images[other])
        if group != largest:
            out.append((group, largest))
    return out


def _difference(of_variant: dict[str, Row], of_reference: dict[str, Row], variant: str, reference: str) -> Row | None:
    """One row of the table; None where the two have no split in common, or means over
    other findings in each."""
    common = [
        split
        for split, row in of_variant.items()
        if split in of_reference and row["findings"] == of_reference[split]["findings"]
    ]
    if not common:
        return None
    pairs = [(of_variant[split], of_reference[split]) for split in common]
    for own, other in pairs:
        if own["drawn_from"] != other["drawn_from"]:
            raise DataError(
                f"{own['experiment']}, {own['split']}: {variant} and {reference} were scored on different "
                "patients or resamples; score both again."
            )
    value = float(np.mean([own["value"] - other["value"] for own, other in pairs]))
    samples = np.mean([own["samples"].astype(float) - other["samples"] for own, other in pairs], axis=0)
    low, high = interval(samples)
    first = pairs[0][0]
    counts = {name: _sum([own[name] for own, _ in pairs]) for name in COUNTS}
    return {
        **{name: first[name] for name in (*SAME, "threshold")},
        "variant": variant,
        "reference": reference,
        "group": first["group"],
        "value": value,
        "low": low,
        "high": high,
        "n_undefined": int(np.isnan(samples).sum()) or pd.NA,
        **counts,
        "n_splits": len(common),
    }


def _key(row: Row) -> tuple:
    return (*(row[name] for name in SAME), "" if math.isnan(row["threshold"]) else row["threshold"])


def _sum(numbers: Sequence[Any]) -> Any:
    known = [number for number in numbers if not pd.isna(number)]
    return sum(known) if known else pd.NA


def read_differences(path: Path) -> pd.DataFrame:
    """The table of :func:`differences` as it was written."""
    text = ("experiment", "variant", "reference", "group", "truth", "kind", "metric", "scope", "finding")
    numbers = {column: [""] for column in COLUMNS if column not in text}
    return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=numbers)


class Differences:
    """Differences of all images, or of a ``group``, looked up by what they are of.

    ``variants`` in order, ``compared`` the pairs of variant and reference, other variants before maps that never look.
    """

    def __init__(self, table: pd.DataFrame, group: str = "") -> None:
        table = table[table["group"] == group]
        self.variants = list(dict.fromkeys(table["variant"]))
        pairs = zip(table["variant"], table["reference"], strict=True)
        ordered = sorted(dict.fromkeys(pairs), key=lambda pair: pair[1] in FLOORS)  # variants first
        references = list(dict.fromkeys(reference for _, reference in ordered))
        self.compared = [pair for reference in references for pair in ordered if pair[1] == reference]
        self.found = {
            (variant, reference, metric, None if pd.isna(level) else level, Subject(scope, finding)): Number(
                float(value), low=float(low), high=float(high)
            )
            for variant, reference, metric, level, scope, finding, value, low, high in zip(
                *(table[name] for name in COLUMNS if name in LOOKED_UP), strict=True
            )
        }

    def number(self, variant: str, reference: str, wanted: Wanted) -> Number:
        """The difference, undefined where there is none."""
        return self.found.get((variant, reference, *wanted), Number())


def verdict(low: float, high: float) -> str:
    """What the interval of a difference says: ``above``, ``below`` or ``not distinguishable``; empty without one."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return "above" if low > 0 else "below" if high < 0 else "not distinguishable"
