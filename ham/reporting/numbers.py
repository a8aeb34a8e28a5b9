"""Values of a tidy table looked up by what they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from ham.reporting.results import natural
from ham.reporting.summaries import SEED_SD
from ham.scoring.metric_rows import MEAN, Subject, list_names

FLOORS = {"location-prior": "location prior", "random-map": "random map", "whole-image": "whole image"}
METRICS = {"t_iou": "T(IoU)", "t_ior": "T(IoR)"}
EMPTY = "empty_maps"
SUMMARIES = ("mean", "sd", "pooled", SEED_SD)
Wanted = tuple[str, float | None, Subject]  # metric, threshold, what it is of


class Number(NamedTuple):
    """A number, NaN where it is undefined, then ``reason`` says why; counts are 0 where they say nothing."""

    value: float = math.nan
    n_pairs: int = 0
    n_findings: int = 0
    n_splits: int = 0
    reason: str = ""
    low: float = math.nan
    high: float = math.nan
    n_undefined: int = 0
    n_seeds: int = 1

    @property
    def interval(self) -> str:
        """``[0.62, 0.76]``; empty where there is none."""
        return interval_text(self.low, self.high)


def interval_text(low: float, high: float, sign: str = "") -> str:
    """``[0.62, 0.76]``, with ``sign`` + its bounds signed; empty where there is none."""
    return f"[{low:{sign}.2f}, {high:{sign}.2f}]" if math.isfinite(low) and math.isfinite(high) else ""


class Numbers:
    """Values of a tidy table looked up by what they are: of all images, or of a ``group`` such as ``view=AP``."""

    def __init__(self, table: pd.DataFrame, group: str = "") -> None:
        self.table = table = table[table["group"] == group]
        scored = table[table["kind"] != "images"]
        self.variants = list(dict.fromkeys(v for v in scored["variant"] if v not in FLOORS))
        self.floors = [name for name in FLOORS if (scored["variant"] == name).any()]
        own = dict.fromkeys(
            (v, s) for v, s in zip(scored["variant"], scored["split"], strict=True) if s not in SUMMARIES
        )
        self.splits = natural(dict.fromkeys(split for _, split in own))
        self.splits_of = {
            variant: [split for split in self.splits if (variant, split) in own]
            for variant in (*self.variants, *self.floors)
        }
        counts = ("n_pairs", "n_findings", "n_splits", "n_undefined", "n_seeds")
        names = (
            "variant",
            "split",
            "metric",
            "threshold",
            "scope",
            "finding",
            "value",
            "low",
            "high",
            "reason",
            *counts,
        )
        self.found: dict[tuple[Any, ...], Number] = {}
        for variant, split, metric, threshold, scope, finding, value, low, high, reason, *numbers in zip(
            *(scored[name] for name in names), strict=True
        ):
            subject = Subject(scope, finding)
            pairs, findings, splits, undefined, seeds = (0 if pd.isna(number) else int(number) for number in numbers)
            value, low, high = (math.nan if pd.isna(number) else float(number) for number in (value, low, high))
            number = Number(value, pairs, findings, splits, reason, low, high, undefined, seeds)
            self.found[variant, split, metric, _level(threshold), subject] = number

    def number(self, variant: str, split: str, wanted: Wanted) -> Number:
        """The number with what stands behind it."""
        metric, threshold, subject = wanted
        return self.found.get((variant, split, metric, _level(threshold), subject), Number())

    def value(self, variant: str, split: str, wanted: Wanted) -> float:
        """The number, or NaN."""
        return self.number(variant, split, wanted).value

    def box_share(self, metric: str, finding: str) -> float:
        """Of the boxes of a finding in all splits, NaN where it has none."""
        rows = self.table[(self.table["metric"] == metric) & (self.table["finding"] == finding)]
        return float(rows["value"].iloc[-1]) if len(rows) else math.nan

    def has(self, metric: str) -> bool:
        """Whether anything of this metric stands in the table."""
        return bool((self.table["metric"] == metric).any())

    def whole(self, variant: str) -> bool:
        """Whether a variant has every split that any has."""
        return len(self.splits_of[variant]) == len(self.splits)

    def summary(self, variant: str, pooled: bool = False) -> str:
        """What the table calls the value over a variant's splits: ``mean`` or ``pooled``, or its only split."""
        own = self.splits_of[variant]
        return own[0] if len(own) == 1 else "pooled" if pooled else "mean"

    def label(self, variant: str) -> str:
        """The name of a variant or floor, with its splits where it lacks some."""
        name, own = FLOORS.get(variant, variant), self.splits_of[variant]
        if self.whole(variant):
            return name
        return f"{name} ({own[0] + ' only' if len(own) == 1 else f'{len(own)} of {len(self.splits)} splits'})"

    def findings(self, kind: str) -> list[str]:
        """Findings with rows of this kind, in order."""
        rows = self.table[(self.table["kind"] == kind) & (self.table["scope"] == "finding")]
        return list(dict.fromkeys(rows["finding"]))

    def images(self, variant: str) -> int:
        """Test images of a variant whose labels are known, all splits together."""
        own = self.table[(self.table["variant"] == variant) & (self.table["metric"] == "auc")]
        own = own[(own["scope"] == "mean") & ~own["split"].isin(SUMMARIES)]
        return int(own["n_images"].fillna(0).sum())

    def pairs(self, metric: str, level: float, subject: Subject) -> int:
        """Pairs of all splits, each split once, from any variant that has it."""
        total = 0
        for split in self.splits:
            source = next(name for name in (*self.variants, *self.floors) if split in self.splits_of[name])
            total += self.number(source, split, (metric, level, subject)).n_pairs
        return total

    def tested(self, metric: str, level: float) -> list[str]:
        """Findings that have pairs in some split."""
        return [
            finding
            for finding in self.findings("localization")
            if self.pairs(metric, level, Subject.of_finding(finding))
        ]

    def means(self) -> list[Subject]:
        """The mean over findings, and every mean without one of them, of the localization."""
        rows = self.table[
            (self.table["kind"] == "localization") & self.table["scope"].isin((MEAN.scope, "mean_without"))
        ]
        return list(dict.fromkeys(map(Subject, rows["scope"], rows["finding"])))

    def mean_name(self, subject: Subject, metric: str, level: float) -> str:
        """``mean of 8``, ``mean of 7 without Cardiomegaly``: a mean by the findings that have pairs."""
        count = sum(subject.covers(finding) for finding in self.tested(metric, level))
        return f"mean of {count}" + ("" if subject.left_out is None else f" without {subject.left_out}")

    def thresholds(self, metric: str, shown: Sequence[float]) -> list[float]:
        """Those of ``shown`` that were scored."""
        scored = {_level(t) for t in self.table.loc[self.table["metric"] == metric, "threshold"].dropna()}
        return [threshold for threshold in shown if _level(threshold) in scored]

    def reasons(self, variants: Sequence[str], wanted: Sequence[Wanted]) -> list[str]:
        """Why numbers over the splits are blank, each reason once."""
        found = (self.number(variant, self.summary(variant), number) for variant in variants for number in wanted)
        return list(dict.fromkeys(number.reason for number in found if number.reason))

    def without_pairs(self, metric: str, level: float) -> str:
        """A note that names the findings without a pair; empty where all have some."""
        tested = self.tested(metric, level)
        names = [finding for finding in self.findings("localization") if finding not in tested]
        if not names:
            return ""
        has, stands = ("has", "is") if len(names) == 1 else ("have", "are")
        return f"{list_names(names)} {has} no pair of image and finding here and {stands} in no mean."


def _level(threshold: float | None) -> float | None:
    return None if threshold is None or pd.isna(threshold) else round(float(threshold), 6)
