"""Predicted regions against true masks: a row a pair, and T(IoU) and T(IoR) from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from ham.model.map_file import MapReader
from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import SHARE_OF, Overlap, mean_defined, mean_published, overlap, share_at_least
from ham.scoring.metric_rows import MEAN, Subject, defined, list_names, metric_row
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair

NO_PAIR = "no pair of image and finding"
AT_ONCE = 16  # pairs whose full-size regions are in memory together


def model_overlap(maps: MapReader, pairs: Sequence[Pair], truth: np.ndarray, rule: RegionRule) -> Overlap:
    """Overlap of the regions that ``rule`` makes of the pairs' raw maps with ``truth`` bool [P, S, S], S its size."""
    parts = []
    for start in range(0, len(pairs), AT_ONCE):
        raw = np.stack([maps.read(pair.image, pair.finding) for pair in pairs[start : start + AT_ONCE]])
        regions = predicted_regions(torch.from_numpy(raw), *rule).numpy()
        parts.append(overlap(regions, truth[start : start + AT_ONCE]))
    if not parts:
        return overlap(truth, truth)
    return Overlap(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def pair_table(pairs: Sequence[Pair], found: Overlap, predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows of localization.csv; ``predictions`` is indexed by image. ``score`` is the finding's probability."""
    return pd.DataFrame(
        {
            "image": [pair.image for pair in pairs],
            "patient": [pair.patient for pair in pairs],
            "finding": [pair.finding for pair in pairs],
            "boxes": [pair.boxes for pair in pairs],
            "iou": found.iou,
            "ior": found.ior,
            "predicted_area": found.predicted_area,
            "true_area": found.true_area,
            "empty": (found.predicted_area == 0).astype(int),
            "score": [predictions.at[pair.image, pair.finding] for pair in pairs],
        }
    )


def metric_rows(
    table: pd.DataFrame, findings: Sequence[str], boxed_findings: Sequence[str], settings: ScoringSettings
) -> list[dict[str, Any]]:
    """T(IoU) and T(IoR) at every threshold of every finding and their means, from columns finding, iou, ior, empty;
    and ``empty_maps``, the share of pairs whose region has no pixel.

    ``t_iou``, ``t_ior`` and ``empty_maps`` are means over the findings that have pairs; ``t_iou_published`` and
    ``t_ior_published`` over all ``findings``, those without counting 0, as the release's means that choose its
    checkpoints.
    """
    pairs = {finding: table[table["finding"] == finding] for finding in boxed_findings}
    means = [MEAN, *(Subject.without(finding) for finding in boxed_findings if finding == settings.leave_out)]
    out: list[dict[str, Any]] = []

    def add(metric: str, threshold: float | None, values: dict[str, float]) -> None:
        for finding, value in values.items():
            subject = Subject.of_finding(finding)
            out.append(metric_row(metric, threshold, subject, value, NO_PAIR, n_pairs=len(pairs[finding])))
        for subject in means:
            members = [finding for finding in defined(values) if subject.covers(finding)]
            mean = mean_defined(np.array([values[finding] for finding in members]))
            count = sum(len(pairs[finding]) for finding in members)
            out.append(metric_row(metric, threshold, subject, mean, NO_PAIR, n_pairs=count, findings=members))

    for metric, thresholds in (("t_iou", settings.t_iou), ("t_ior", settings.t_ior)):
        for threshold in thresholds:
            shares = {name: share_at_least(of[SHARE_OF[metric]].to_numpy(), threshold) for name, of in pairs.items()}
            add(metric, threshold, shares)
            every = np.array([shares.get(finding, float("nan")) for finding in findings])
            mean = mean_published(every)
            out.append(
                metric_row(f"{metric}_published", threshold, MEAN, mean, n_pairs=len(table), findings=list(findings))
            )
    add("empty_maps", None, {name: share_at_least(of["empty"].to_numpy(), 1) for name, of in pairs.items()})
    return out


def describe_empty(table: pd.DataFrame) -> str | None:
    """One line where all regions, or all of a finding, have no pixel; None where there is none such."""
    if len(table) and table["empty"].all():
        return f"all {len(table)} predicted regions are empty: T(IoU) and T(IoR) of 0 say that nothing was predicted"
    names = [str(name) for name, pairs in table.groupby("finding", sort=False) if pairs["empty"].all()]
    return f"all predicted regions of {list_names(names)} are empty" if names else None
