"""What limits the numbers of each experiment, in a few words each: for the top of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ham.reporting.numbers import EMPTY, Numbers
from ham.reporting.results import SplitResult, once_a_split, variants_of
from ham.reporting.seen_in_training import read_audit
from ham.scoring.metric_rows import MEAN, Subject, list_names

FEW_PAIRS = 10  # of a finding, below which intervals are too narrow (docs/method.md)
MANY_EMPTY = 0.05  # share of pairs


def list_limits(
    groups: Mapping[str, Sequence[SplitResult]], tables: Mapping[str, pd.DataFrame], leakage: Sequence[Path]
) -> dict[str, list[str]]:
    """Experiment to clauses: absent images, patients in training, checkpoints chosen on test images, empty regions,
    findings with few pairs; an experiment that nothing limits is left out."""
    audits = {path.stem: read_audit(path) for path in leakage}
    out = {
        name: [
            *_absent(group),
            *shared_patients(audits.get(name)),
            *_chosen(group),
            *(_empty(Numbers(tables[name])) if name in tables else []),
            *few_pairs(group),
        ]
        for name, group in groups.items()
    }
    return {name: clauses for name, clauses in out.items() if clauses}


def _absent(group: Sequence[SplitResult]) -> list[str]:
    counts = [result.images() for result in once_a_split(group)]
    present, listed = (sum(column) for column in zip(*counts, strict=True))
    return [f"{present:,} of {listed:,} test images were there"] if present < listed else []


def shared_patients(audit: pd.DataFrame | None) -> list[str]:
    """Test images whose patient has other images in training; of localization where there is one."""
    if audit is None:
        return []
    audit = audit[audit["images"] == ("present" if (audit["images"] == "present").any() else "listed")]
    kind = "localization" if (audit["kind"] == "localization").any() else "classification"
    once = audit[audit["kind"] == kind].drop_duplicates("split")
    seen, tested = (int(once[name].sum()) for name in ("test_images_of_train_patients", "test_images"))
    return [f"{100 * seen / tested:.0f} % of the test images are of patients in training"] if seen else []


def _chosen(group: Sequence[SplitResult]) -> list[str]:
    names = [
        variant
        for variant, results in variants_of(group).items()
        if any(result.validated_on_test and result.checkpoint != "last epoch" for result in results)
    ]
    return [f"the tested weights of {list_names(names)} were chosen on the test images"] if names else []


def _empty(numbers: Numbers) -> list[str]:
    out = []
    for variant in numbers.variants:
        share = numbers.value(variant, numbers.summary(variant, pooled=True), (EMPTY, None, MEAN))
        if share >= MANY_EMPTY:
            out.append(f"{100 * share:.0f} % of the regions of {variant} are empty")
    return out


def few_pairs(group: Sequence[SplitResult]) -> list[str]:
    """Findings whose intervals are too narrow, because so few pairs stand behind them."""
    pairs: dict[str, int] = {}
    for result in once_a_split(group):
        for row in result.metrics.get("localization") or []:
            if row["metric"] == EMPTY and row["scope"] == Subject.of_finding("").scope:
                pairs[row["finding"]] = pairs.get(row["finding"], 0) + int(row["n_pairs"])
    few = [name for name, count in pairs.items() if 0 < count < FEW_PAIRS]
    return [f"fewer than {FEW_PAIRS} pairs of {list_names(few)}"] if few else []
