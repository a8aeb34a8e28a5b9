"""Probabilities beside the labels, and what follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from ham.model.metrics import accuracy, any_present, auc, mean_defined, mean_published
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

POINTS = 200  # of a stored ROC curve


def join_labels(truth: Truth, predictions: pd.DataFrame) -> pd.DataFrame:
    """A row a test image: image, patient, then label_<finding> and probability_<finding>, abnormality last.

    ``predictions`` is indexed by image. An image is abnormal when any finding is present, unknown when none is but one
    is unknown.
    """
    predictions = predictions.loc[list(truth.images)]
    table: dict[str, Any] = {"image": list(truth.images), "patient": list(truth.patients)}
    for column, finding in enumerate(truth.findings):
        table[f"label_{finding}"] = truth.labels[:, column]
        table[f"probability_{finding}"] = predictions[finding].to_numpy()
    table["label_abnormality"] = any_present(truth.labels)
    table["probability_abnormality"] = predictions["abnormality"].to_numpy()
    return pd.DataFrame(table)


def metric_rows(table: pd.DataFrame, findings: tuple[str, ...], settings: ScoringSettings) -> list[dict[str, Any]]:
    """AUC and accuracy of every finding, their means and abnormality's, as rows of metrics.json."""
    out: list[dict[str, Any]] = []
    values: dict[str, list[float]] = {"auc": [], "accuracy": []}

    def add(metric: str, threshold: float | None, finding: str, value: float, n: int) -> None:
        out.append({"metric": metric, "threshold": threshold, "finding": finding, "value": value, "n": n})

    for finding in (*findings, "abnormality"):
        labels, scores = table[f"label_{finding}"].to_numpy(float), table[f"probability_{finding}"].to_numpy(float)
        known = int((~np.isnan(labels)).sum())
        area, right = auc(labels, scores), accuracy(labels, scores, settings.probability)
        add("auc", None, finding, area, known)
        add("accuracy", settings.probability, finding, right, known)
        if finding != "abnormality":
            values["auc"].append(area)
            values["accuracy"].append(right)
    add("auc", None, "mean", mean_defined(np.array(values["auc"])), len(table))
    add("auc_published", None, "mean", mean_published(np.array(values["auc"])), len(table))
    add("accuracy", settings.probability, "mean", mean_defined(np.array(values["accuracy"])), len(table))
    return out


def roc_curves(table: pd.DataFrame, findings: tuple[str, ...]) -> dict[str, dict[str, list[float]]]:
    """ROC curve of every finding and of abnormality that has one, at no more than POINTS points."""
    out = {}
    for finding in (*findings, "abnormality"):
        labels, scores = table[f"label_{finding}"].to_numpy(float), table[f"probability_{finding}"].to_numpy(float)
        known = ~np.isnan(labels)
        if not 0 < labels[known].sum() < known.sum():
            continue
        false, true, _ = roc_curve(labels[known], scores[known])
        kept = np.unique(np.linspace(0, len(false) - 1, min(POINTS, len(false))).round().astype(int))
        out[finding] = {"fpr": false[kept].round(6).tolist(), "tpr": true[kept].round(6).tolist()}
    return out
