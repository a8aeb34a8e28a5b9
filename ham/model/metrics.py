"""Classification and localization metrics (docs/method.md, section 5): arrays in, arrays out.

Two readings of what is undefined exist under two names: ``auc`` leaves a finding without positives (or negatives) out
of a mean, ``auc_published`` counts it as 0, as the release does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

SHARE_OF = {"t_iou": "iou", "t_ior": "ior"}  # T(IoU) and T(IoR), and the column of a pair's overlap they are shares of


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve of one finding, ties by trapezoid; nan without positives or without negatives.

    ``labels`` [N] of 1, 0 and nan (unknown, left out); ``scores`` [N].
    """
    known = ~np.isnan(labels)
    labels, scores = labels[known], scores[known]
    if not 0 < labels.sum() < len(labels):
        return float("nan")
    return float(roc_auc_score(labels, scores))


def any_present(labels: np.ndarray) -> np.ndarray:
    """Abnormality, of labels [N, C] of 1, 0 and nan to [N]: 1 where any finding is present; else nan where one is
    unknown; else 0.
    """
    present = (labels == 1).any(axis=1)
    return np.where(present, 1.0, np.where(np.isnan(labels).any(axis=1), np.nan, 0.0))


def accuracy(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> float:
    """Share of known labels [N] that ``scores > threshold`` tells right; nan where none is known."""
    known = ~np.isnan(labels)
    return float(np.mean((scores[known] > threshold) == (labels[known] == 1))) if known.any() else float("nan")


def mean_defined(values: np.ndarray) -> float:
    """Mean of what is defined; nan where nothing is."""
    values = np.asarray(values, dtype=float)
    return float(np.nanmean(values)) if (~np.isnan(values)).any() else float("nan")


def mean_published(values: np.ndarray) -> float:
    """Mean in which an undefined value counts as 0, as published."""
    return float(np.nan_to_num(np.asarray(values, dtype=float), nan=0.0).mean())


class Overlap(NamedTuple):
    """How P predicted regions and true masks overlap; areas in pixels of the compared grid."""

    iou: np.ndarray  # [P] float64
    ior: np.ndarray  # [P] float64
    predicted_area: np.ndarray  # [P] int64
    true_area: np.ndarray  # [P] int64


def overlap(regions: np.ndarray, masks: np.ndarray) -> Overlap:
    """Overlap of bool [P, S, S] arrays."""
    both, predicted, true = (pixels.sum(axis=(1, 2), dtype=np.int64) for pixels in (regions & masks, regions, masks))
    return overlap_of_areas(both, predicted, true)


def overlap_of_areas(both: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> Overlap:
    """IoU = |P and G| / max(|P or G|, 1) and IoR = |P and G| / max(|P|, 1) of areas [P] in pixels."""
    either = predicted + true - both
    return Overlap(both / np.maximum(either, 1), both / np.maximum(predicted, 1), predicted, true)


def share_at_least(values: np.ndarray, threshold: float) -> float:
    """T(IoU) or T(IoR): the share of pairs whose value is at least ``threshold``; nan without pairs."""
    return float(np.mean(np.asarray(values) >= threshold)) if len(values) else float("nan")
