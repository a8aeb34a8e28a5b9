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
from ham.scoring.intervals import Resampling, mean_samples
from ham.scoring.metric_rows import MEAN, Subject, defined, list_names, metric_row
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair

NO_PAIR = "no pair of image and finding"
# What maps of the tested shape can reach (:mod:`ham.scoring.ceilings`, :mod:`ham.scoring.best_maps`), and its column
LIMITS = {"t_iou_ceiling": "highest_iou", "t_iou_reached": "reached_iou"}
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
    table: pd.DataFrame,
    findings: Sequence[str],
    boxed_findings: Sequence[str],
    settings: ScoringSettings,
    resampling: Resampling | None = None,
) -> list[dict[str, Any]]:
    """T(IoU) and T(IoR) at every threshold of every finding and their means, from columns patient, finding, iou, ior,
    empty; and ``empty_maps``, the share of pairs whose region has no pixel. Where there are columns highest_iou and
    reached_iou, also ``t_iou_ceiling`` and ``t_iou_reached``: the shares of pairs on which no proof keeps maps of this
    shape below the threshold, and on which one is known that reaches it.

    ``t_iou``, ``t_ior`` and ``empty_maps`` are means over the findings that have pairs; ``t_iou_published`` and
    ``t_ior_published`` over all ``findings``, those without counting 0, as the release's means that choose its
    checkpoints.
    """
    pairs = {finding: table[table["finding"] == finding] for finding in boxed_findings}
    means = [MEAN, *(Subject.without(finding) for finding in boxed_findings if finding == settings.leave_out)]
    out: list[dict[str, Any]] = []

    def add(metric: str, level: float | None, column: str) -> None:
        at_least = 1 if level is None else level
        values = {name: share_at_least(of[column].to_numpy(), at_least) for name, of in pairs.items()}
        samples = {name: _resampled(of, column, at_least, resampling) for name, of in pairs.items()}
        for finding, value in values.items():
            count = len(pairs[finding])
            subject = Subject.of_finding(finding)
            out.append(metric_row(metric, level, subject, value, NO_PAIR, samples[finding], n_pairs=count))
        for subject in means:
            members = [finding for finding in defined(values) if subject.covers(finding)]
            mean = mean_defined(np.array([values[finding] for finding in members]))
            count = sum(len(pairs[finding]) for finding in members)
            of_mean = mean_samples([samples[name] for name in members], len(members), resampling)
            out.append(metric_row(metric, level, subject, mean, NO_PAIR, of_mean, n_pairs=count, findings=members))
        if metric in SHARE_OF:
            mean = mean_published(np.array([values.get(finding, float("nan")) for finding in findings]))
            counts = {"n_pairs": len(table), "findings": list(findings)}
            of_mean = mean_samples([samples[name] for name in defined(values)], len(findings), resampling)
            out.append(metric_row(f"{metric}_published", level, MEAN, mean, "", of_mean, **counts))

    for metric, thresholds in (("t_iou", settings.t_iou), ("t_ior", settings.t_ior)):
        for threshold in thresholds:
            add(metric, threshold, SHARE_OF[metric])
    for metric, column in LIMITS.items():
        for threshold in settings.t_iou if column in table else ():
            add(metric, threshold, column)
    add("empty_maps", None, "empty")
    return out


def _resampled(pairs: pd.DataFrame, column: str, at_least: float, resampling: Resampling | None) -> np.ndarray | None:
    """The share of a finding's pairs in each resample, [B]."""
    if resampling is None:
        return None
    hits = pairs[column].to_numpy(float) >= at_least
    return resampling.shares(resampling.places(pairs["patient"].tolist()), hits[:, None])[:, 0]


def describe_empty(table: pd.DataFrame) -> str | None:
    """One line where all regions, or all of a finding, have no pixel; None where there is none such."""
    if len(table) and table["empty"].all():
        return f"all {len(table)} predicted regions are empty: T(IoU) and T(IoR) of 0 say that nothing was predicted"
    names = [str(name) for name, pairs in table.groupby("finding", sort=False) if pairs["empty"].all()]
    return f"all predicted regions of {list_names(names)} are empty" if names else None
