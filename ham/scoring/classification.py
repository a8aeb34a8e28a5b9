"""Probabilities beside the labels, and what follows from them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from ham.model.metrics import accuracy, any_present, auc, mean_defined, mean_published
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject, defined, metric_row
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
    """AUC, accuracy and majority rate of every finding and of abnormality, and their means, as rows of metrics.json.

    All are over the images whose label is known. Where these have one class only, none of the three is defined: an
    accuracy of 1 would say nothing. ``majority_rate`` is the accuracy of always giving the more frequent answer.
    ``auc_published`` counts an undefined AUC as 0, ``accuracy_published`` counts findings of one class, as the release.
    """
    out: list[dict[str, Any]] = []
    values: dict[str, dict[str, float]] = {"auc": {}, "accuracy": {}, "majority_rate": {}}
    cut = {"auc": None, "accuracy": settings.probability, "majority_rate": None}
    published: list[float] = []
    for subject in (*map(Subject.of_finding, findings), ABNORMALITY):
        labels = table[f"label_{subject.finding}"].to_numpy(float)
        scores = table[f"probability_{subject.finding}"].to_numpy(float)
        positive, known = int((labels == 1).sum()), int((~np.isnan(labels)).sum())
        reason = _explain_undefined(positive, known)
        right = accuracy(labels, scores, settings.probability)
        found = {
            "auc": auc(labels, scores),
            "accuracy": math.nan if reason else right,
            "majority_rate": math.nan if reason else max(positive, known - positive) / known,
        }
        counts = {"n_images": known, "n_positive": positive}
        out += [metric_row(metric, cut[metric], subject, value, reason, **counts) for metric, value in found.items()]
        if subject.scope == "finding":
            published.append(right)
            for metric, value in found.items():
                values[metric][subject.finding] = value
    known = int((~np.isnan(table[[f"label_{name}" for name in findings]].to_numpy(float))).any(axis=1).sum())
    for metric, of_findings in values.items():
        mean, members = mean_defined(np.array(list(of_findings.values()))), defined(of_findings)
        reason = "undefined for every finding"
        out.append(metric_row(metric, cut[metric], MEAN, mean, reason, n_images=known, findings=members))
    means = {
        "auc_published": mean_published(np.array(list(values["auc"].values()))),
        "accuracy_published": mean_defined(np.array(published)),
    }
    for metric, mean in means.items():
        level = cut[metric.removesuffix("_published")]
        out.append(metric_row(metric, level, MEAN, mean, "no label known", n_images=known, findings=list(findings)))
    return out


def _explain_undefined(positive: int, known: int) -> str:
    """Why nothing can be told apart among ``known`` images of which ``positive`` have it; empty where it can."""
    if known == 0:
        return "no label known"
    if positive == 0:
        return "no image has it"
    return "every image has it" if positive == known else ""


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
