"""Whether probabilities are what they say: Brier score, expected calibration error, and the reliability diagram."""

from __future__ import annotations

import numpy as np

from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import BINS, ratio


def brier(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean squared distance of probability and label, both [N]; 0 is best, p (1 - p) is always saying the share p."""
    return float(np.mean((scores - labels) ** 2))


def calibration_error(labels: np.ndarray, scores: np.ndarray) -> float:
    """Expected calibration error: the mean over images of how far their bin's mean probability is from its share of
    positives; ``labels`` and ``scores`` [N]."""
    apart = (_by_bin(scores) * (scores - labels)[:, None]).sum(axis=0)
    return float(np.abs(apart).sum() / len(scores))


def resampled(
    places: np.ndarray, labels: np.ndarray, scores: np.ndarray, resampling: Resampling
) -> dict[str, np.ndarray]:
    """Brier score and calibration error in each resample, [B]."""
    squared = ((scores - labels) ** 2)[:, None]
    apart = _by_bin(scores) * (scores - labels)[:, None]
    sums = resampling.sums(places, np.column_stack([squared, apart, np.ones(len(scores))]))
    return {
        "brier": ratio(sums[:, 0], sums[:, -1]),
        "calibration_error": ratio(np.abs(sums[:, 1:-1]).sum(axis=1), sums[:, -1]),
    }


def reliability(labels: np.ndarray, scores: np.ndarray) -> dict[str, list[float]]:
    """Mean probability, share of positives and number of images of each bin that has images."""
    inside = _by_bin(scores)
    count = inside.sum(axis=0)
    there = count > 0
    return {
        "probability": ((inside * scores[:, None]).sum(axis=0)[there] / count[there]).round(6).tolist(),
        "positives": ((inside * labels[:, None]).sum(axis=0)[there] / count[there]).round(6).tolist(),
        "images": count[there].astype(int).tolist(),
    }


def _by_bin(scores: np.ndarray) -> np.ndarray:
    """Whether each image falls into each bin, float64 [N, BINS]; a probability of 1 belongs to the last."""
    return np.eye(BINS)[np.minimum((scores * BINS).astype(int), BINS - 1)]
