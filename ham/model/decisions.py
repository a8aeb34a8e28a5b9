"""From probabilities to decisions: thresholds and calibration, chosen on validation images that look at no test image.

A network's card carries them (:class:`~ham.model.card.Decisions`), for images that nobody labelled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from ham.model.card import ABNORMALITY, Decisions

TARGET_SENSITIVITY = 0.9  # of the second threshold in a card
EDGE = 1e-7  # probabilities are kept so far from 0 and 1, where a logit is infinite
STRENGTH = 1e6  # of scikit-learn's C: so weak a penalty changes nothing, and smoothed labels keep the fit finite


def choose_thresholds(labels: np.ndarray, scores: np.ndarray, sensitivity: float) -> tuple[float, float]:
    """Youden's threshold and that of a target ``sensitivity``, of known ``labels`` [N] of 1 and 0: the highest scores
    at which sensitivity + specificity is largest, and at which sensitivity reaches the target. nan of one class."""
    if not 0 < labels.sum() < len(labels):
        return math.nan, math.nan
    from sklearn.metrics import roc_curve  # here: half a second, which predicting need not wait for

    false, true, levels = roc_curve(labels, scores, drop_intermediate=False)
    best = np.flatnonzero(np.isclose(true - false, (true - false).max(), rtol=0, atol=1e-12))[0]
    enough = np.flatnonzero(true >= sensitivity - 1e-12)[0]
    return float(min(levels[best], 1.0)), float(levels[enough])


def calibrate(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float] | None:
    """Slope and intercept of Platt scaling: of known ``labels`` [N] of 1 and 0, the logistic regression of labels on
    logits of ``scores``, with Platt's smoothed labels (Platt 1999, section 2.2). None of one class, and where a higher
    score is no higher probability."""
    positive = labels == 1
    if not 0 < positive.sum() < len(labels):
        return None
    from sklearn.linear_model import LogisticRegression

    smoothed = np.where(positive, (positive.sum() + 1) / (positive.sum() + 2), 1 / ((~positive).sum() + 2))
    values = np.tile(_logits(scores), 2)[:, None]
    classes = np.repeat([1, 0], len(labels))
    fit = LogisticRegression(C=STRENGTH, max_iter=1000).fit(
        values, classes, sample_weight=np.concatenate([smoothed, 1 - smoothed])
    )
    slope, intercept = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    return (slope, intercept) if slope > 0 else None


def calibrated(scores: np.ndarray, line: tuple[float, float]) -> np.ndarray:
    """Probabilities after :func:`calibrate`, of any shape."""
    slope, intercept = line
    return np.asarray(expit(slope * _logits(scores) + intercept))


def decisions_of(
    labels: np.ndarray, probabilities: np.ndarray, findings: Sequence[str], chosen_on: str, sensitivity: float
) -> Decisions:
    """What is chosen on validation images: ``labels`` [N, C + 1] of 1, 0 and nan, and ``probabilities`` alike, of the
    ``findings`` and then of abnormality. A finding of one class has no threshold and no calibration."""
    youden: dict[str, float] = {}
    target: dict[str, float] = {}
    lines: dict[str, tuple[float, float]] = {}
    for column, name in enumerate((*findings, ABNORMALITY)):
        known = ~np.isnan(labels[:, column])
        truth, scores = labels[known, column], probabilities[known, column].astype(float)
        best, enough = choose_thresholds(truth, scores, sensitivity)
        line = calibrate(truth, scores)
        if not math.isnan(best):
            youden[name], target[name] = best, enough
        if line is not None:
            lines[name] = line
    return Decisions(
        youden=youden,
        target=target,
        calibration=lines,
        chosen_on=chosen_on,
        images=len(labels),
        sensitivity=sensitivity,
    )


def _logits(scores: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(scores, EDGE, 1 - EDGE)))
