"""What limits the numbers of one trained network, in sentences: for its model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ham.reporting.caveats import list_caveats
from ham.reporting.limits import few_pairs, shared_patients
from ham.reporting.numbers import EMPTY
from ham.reporting.results import SplitResult, subject_of
from ham.reporting.seen_in_training import read_audit
from ham.scoring.metric_rows import MEAN


def list_card_limits(result: SplitResult, info: Mapping[str, Any], leakage: Path) -> list[str]:
    """Sentences: absent images, patients in training, how the weights were chosen, empty regions, few pairs, labels.

    ``info`` is dataset.json, ``leakage`` the audit of the experiment.
    """
    present, listed = result.images()
    audit = read_audit(leakage)
    own = audit[audit["split"] == result.split]  # counts do not depend on the variant
    clauses = [
        *([f"{present:,} of {listed:,} test images were there: not comparable with the whole"] * (present < listed)),
        *shared_patients(own),
        *_empty(result),
        *few_pairs([result]),
    ]
    counted = f"what training has seen of the test images is counted in tables/leakage/{result.experiment}.csv"
    return [
        *(f"{clause[0].upper()}{clause[1:]}." for clause in [*clauses, counted]),
        *(_capital(sentence.removeprefix(f"{result.variant}: ")) for sentence in list_caveats([result])),
        _labels(info),
        "No test on images of another source stands here.",
    ]


def _labels(info: Mapping[str, Any]) -> str:
    if info.get("drawn"):
        return "Labels and boxes are drawn with the images: no person has read them."
    if info.get("published") == "nih" or info.get("source") == "chexpert":  # a table in NIH's form may be anyone's
        return "Labels were read from radiology reports by a program, and hold its mistakes and those of the reports."
    return "Labels are as the data set gives them."


def _empty(result: SplitResult) -> list[str]:
    rows = [row for row in result.metrics["localization"] if row["metric"] == EMPTY and subject_of(row) == MEAN]
    share = rows[0]["value"] if rows else None
    return [f"{100 * share:.0f} % of the predicted regions are empty"] if share else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
