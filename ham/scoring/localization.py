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
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair

AT_ONCE = 64  # pairs whose full-size regions are in memory together


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
    """T(IoU) and T(IoR) at every threshold of every finding and their means, from columns finding, iou, ior.

    ``t_iou`` and ``t_ior`` are means over the findings that have boxes; ``t_iou_published`` and ``t_ior_published``
    over all ``findings``, those without boxes counting 0, as the release's means that choose its checkpoints.
    """
    out: list[dict[str, Any]] = []

    def add(metric: str, threshold: float, finding: str, value: float, n: int) -> None:
        out.append({"metric": metric, "threshold": threshold, "finding": finding, "value": value, "n": n})

    for metric, thresholds in (("t_iou", settings.t_iou), ("t_ior", settings.t_ior)):
        for threshold in thresholds:
            shares = dict.fromkeys(findings, float("nan"))
            for finding in boxed_findings:
                values = table.loc[table["finding"] == finding, SHARE_OF[metric]].to_numpy()
                shares[finding] = share_at_least(values, threshold)
                add(metric, threshold, finding, shares[finding], len(values))
            every = np.array(list(shares.values()))
            add(metric, threshold, "mean", mean_defined(every), len(table))
            add(f"{metric}_published", threshold, "mean", mean_published(every), len(table))
            if settings.leave_out in boxed_findings:
                rest = np.array([share for finding, share in shares.items() if finding != settings.leave_out])
                pairs = int((table["finding"] != settings.leave_out).sum())
                add(metric, threshold, f"mean_without_{settings.leave_out}", mean_defined(rest), pairs)
    return out
