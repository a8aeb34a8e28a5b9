"""Predicted regions against box masks: a row a pair, and T(IoU) and T(IoR) from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from ham.datasets.dataset import Dataset
from ham.model.maps import predicted_regions
from ham.model.metrics import Overlap, mean_defined, mean_published, overlap, share_at_least
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair
from ham.settings import LossSettings

AT_ONCE = 64  # pairs whose full-size regions are in memory together


def model_overlap(
    maps: Mapping[str, np.ndarray], tested: Sequence[Pair], truth: np.ndarray, loss: LossSettings, certainty: float
) -> Overlap:
    """Overlap of the regions of raw ``maps`` (keyed image/finding) with ``truth`` bool [P, S, S]."""
    parts = []
    for start in range(0, len(tested), AT_ONCE):
        chosen = tested[start : start + AT_ONCE]
        raw = torch.from_numpy(np.stack([maps[f"{pair.image}/{pair.finding}"] for pair in chosen]))
        regions = predicted_regions(raw, truth.shape[-1], loss.refined_threshold, loss.refined_slope, certainty)
        parts.append(overlap(regions.numpy(), truth[start : start + AT_ONCE]))
    if not parts:
        return overlap(truth, truth)
    return Overlap(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def pair_table(dataset: Dataset, tested: Sequence[Pair], found: Overlap, predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows of localization.csv; ``predictions`` is indexed by image. ``score`` is the finding's probability."""
    return pd.DataFrame(
        {
            "image": [pair.image for pair in tested],
            "patient": [dataset.patient(pair.image) for pair in tested],
            "finding": [pair.finding for pair in tested],
            "boxes": [len(dataset.boxes[pair.image][pair.finding]) for pair in tested],
            "iou": found.iou,
            "ior": found.ior,
            "predicted_area": found.predicted_area,
            "true_area": found.true_area,
            "empty": (found.predicted_area == 0).astype(int),
            "score": [predictions.at[pair.image, pair.finding] for pair in tested],
        }
    )


def rows(
    table: pd.DataFrame, findings: Sequence[str], boxed_findings: Sequence[str], settings: ScoringSettings
) -> list[dict[str, Any]]:
    """T(IoU) and T(IoR) at every threshold of every finding and their means, from columns finding, iou, ior.

    ``t_iou`` and ``t_ior`` are means over the findings that have boxes; ``t_iou_published`` and ``t_ior_published``
    over all ``findings``, those without boxes counting 0, as the release's means that choose its checkpoints.
    """
    out: list[dict[str, Any]] = []
    for metric, column, thresholds in (("t_iou", "iou", settings.t_iou), ("t_ior", "ior", settings.t_ior)):
        for threshold in thresholds:
            shares = dict.fromkeys(findings, float("nan"))
            for finding in boxed_findings:
                values = table.loc[table["finding"] == finding, column].to_numpy()
                shares[finding] = share_at_least(values, threshold)
                out.append(_row(metric, threshold, finding, shares[finding], len(values)))
            values = np.array(list(shares.values()))
            out.append(_row(metric, threshold, "mean", mean_defined(values), len(table)))
            out.append(_row(f"{metric}_published", threshold, "mean", mean_published(values), len(table)))
            if settings.leave_out in boxed_findings:
                rest = np.array([share for finding, share in shares.items() if finding != settings.leave_out])
                pairs = int((table["finding"] != settings.leave_out).sum())
                out.append(_row(metric, threshold, f"mean_without_{settings.leave_out}", mean_defined(rest), pairs))
    return out


def _row(metric: str, threshold: float, finding: str, value: float, n: int) -> dict[str, Any]:
    return {"metric": metric, "threshold": threshold, "finding": finding, "value": value, "n": n}
