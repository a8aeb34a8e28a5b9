"""ROC and precision-recall curves with bands, and reliability diagrams: curves.json, what figures are drawn from.

Bands hold the middle 95 % of resampled patients (:mod:`ham.scoring.intervals`) at each place by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ham.scoring import calibration
from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import LEVEL, ratio

PLACES = np.linspace(0, 1, 101)  # false positive rates, and recalls, at which curves are kept
STEPS = 1000  # places of the ranking, at most, at which a resample is counted
DRAWN = 200  # resamples behind a band


def curves(table: pd.DataFrame, findings: Sequence[str], resampling: Resampling | None = None) -> dict[str, Any]:
    """``roc``, ``precision_recall`` and ``reliability`` of every finding and of abnormality that has images of both
    classes, from rows of classification.csv; the first two with ``low`` and ``high`` where there are resamples.

    ``roc``: ``fpr``, ``tpr`` [101]; ``precision_recall``: ``recall``, ``precision`` [101], ``prevalence``.
    """
    out: dict[str, dict[str, Any]] = {"roc": {}, "precision_recall": {}, "reliability": {}}
    for finding in (*findings, "abnormality"):
        labels, scores = table[f"label_{finding}"].to_numpy(float), table[f"probability_{finding}"].to_numpy(float)
        known = ~np.isnan(labels)
        labels, scores = labels[known], scores[known]
        if not 0 < labels.sum() < len(labels):
            continue
        places = None if resampling is None else resampling.places(table["patient"][known].tolist())
        drawn = np.ones((1, len(labels)), dtype=np.uint8)
        positives, called = _count_from_above(labels, scores, drawn)
        sensitivity, precision = _sensitivity(positives, called)[0], _precision(positives, called)[0]
        bands: list[dict[str, list[float]]] = [{}, {}]
        if resampling is not None and places is not None:
            again = _count_from_above(labels, scores, resampling.weights[:DRAWN, places])
            bands = [_band(_sensitivity(*again)), _band(_precision(*again))]
        out["roc"][finding] = {"fpr": _kept(PLACES), "tpr": _kept(sensitivity), **bands[0]}
        out["precision_recall"][finding] = {
            "recall": _kept(PLACES),
            "precision": _kept(precision),
            "prevalence": round(float(labels.mean()), 6),
            **bands[1],
        }
        out["reliability"][finding] = calibration.reliability(labels, scores)
    return out


def _count_from_above(labels: np.ndarray, scores: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives, and images, at and above places of the ranking, int64 [B, K] each, of ``drawn`` [B, N] times an image.

    A place is the end of a run of equal scores; of more than ``STEPS`` some, the last among them.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) + 1
    if len(ends) > STEPS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, STEPS).round().astype(int))]
    starts = np.concatenate([[0], ends[:-1]])
    weights = drawn[:, order].astype(np.int64)
    positives = np.add.reduceat(weights * (labels[order] == 1), starts, axis=1)
    return positives.cumsum(axis=1), np.add.reduceat(weights, starts, axis=1).cumsum(axis=1)


def _sensitivity(positives: np.ndarray, called: np.ndarray) -> np.ndarray:
    """True positive rate at the false positive rates ``PLACES``, linear between places of the ranking, [B, 101]; nan of
    one class."""
    true = ratio(positives.astype(float), positives[:, -1:])
    negatives = called - positives
    false = ratio(negatives.astype(float), negatives[:, -1:])
    rows = [np.interp(PLACES, np.append(0, f), np.append(0, t)) for f, t in zip(false, true, strict=True)]
    return np.array(rows)


def _precision(positives: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Precision at the recalls ``PLACES``, each at the first place of the ranking that reaches it, [B, 101]; nan where
    nothing is positive. Between places there is no line to follow (Davis and Goadrich, 2006)."""
    precision, recall = ratio(positives.astype(float), called), ratio(positives.astype(float), positives[:, -1:])
    out = np.full((len(positives), len(PLACES)), np.nan)
    for row in np.flatnonzero(positives[:, -1] > 0):
        first = np.searchsorted(recall[row], np.maximum(PLACES, 1e-9) - 1e-12)
        out[row] = precision[row, np.minimum(first, precision.shape[1] - 1)]
    return out


def _band(drawn: np.ndarray) -> dict[str, list[float]]:
    known = drawn[~np.isnan(drawn).any(axis=1)]
    if not len(known):
        return {}
    low, high = np.percentile(known, [(100 - LEVEL) / 2, (100 + LEVEL) / 2], axis=0)
    return {"low": _kept(low), "high": _kept(high)}


def _kept(values: np.ndarray) -> list[float]:
    return np.asarray(values).round(6).tolist()
