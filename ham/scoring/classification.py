"""Probabilities beside the labels, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from ham.model.metrics import accuracy, any_present, auc, mean_defined, mean_published
from ham.scoring import calibration
from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject, defined, metric_row, ratio
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

NAMES = ("auc", "accuracy", "majority_rate", "brier", "calibration_error")
AUC_ALONE = ("auc",)
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


def metric_rows(
    table: pd.DataFrame,
    findings: tuple[str, ...],
    settings: ScoringSettings,
    resampling: Resampling | None = None,
    names: Sequence[str] = NAMES,
) -> list[dict[str, Any]]:
    """AUC, accuracy, majority rate, Brier score and calibration error of every finding and of abnormality, and their
    means, as rows of metrics.json; of these what ``names`` says.

    All are over the images whose label is known. Where these have one class only, none of them is defined: an
    accuracy of 1 would say nothing. ``majority_rate`` is the accuracy of always giving the more frequent answer.
    ``auc_published`` counts an undefined AUC as 0, ``accuracy_published`` counts findings of one class, as the release.
    """
    out: list[dict[str, Any]] = []
    published = [f"{name}_published" for name in ("auc", "accuracy") if name in names]
    values: dict[str, dict[str, float]] = {name: {} for name in (*names, *published)}
    samples: dict[str, dict[str, np.ndarray]] = {name: {} for name in values}
    cut = {"accuracy": settings.probability, "accuracy_published": settings.probability}
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
            **_calibration(labels, scores, reason),
        }
        found = {name: found[name] for name in names}
        resampled = _resampled(table, labels, scores, settings.probability, resampling, names)
        counts = {"n_images": known, "n_positive": positive}
        out += [
            metric_row(metric, cut.get(metric), subject, value, reason, resampled.get(metric), **counts)
            for metric, value in found.items()
        ]
        if subject.scope == "finding":
            found |= {name: right if name == "accuracy_published" else found["auc"] for name in published}
            resampled |= {name: resampled[name.removesuffix("_published")] for name in published if resampled}
            for metric, value in found.items():
                values[metric][subject.finding] = value
                samples[metric][subject.finding] = resampled.get(metric, np.zeros(0))
    known = int((~np.isnan(table[[f"label_{name}" for name in findings]].to_numpy(float))).any(axis=1).sum())
    return out + _mean_rows(values, samples, cut, known, resampling)


def _mean_rows(
    values: dict[str, dict[str, float]],
    samples: dict[str, dict[str, np.ndarray]],
    cut: dict[str, float],
    known: int,
    resampling: Resampling | None,
) -> list[dict[str, Any]]:
    """The mean over findings of each metric; ``known`` images have a label of some finding."""
    out = []
    for metric, of_findings in values.items():
        every = np.array(list(of_findings.values()))
        members = list(of_findings) if metric.endswith("_published") else defined(of_findings)
        mean = mean_published(every) if metric == "auc_published" else mean_defined(every)
        reason = "no label known" if metric.endswith("_published") else "undefined for every finding"
        of_mean = _mean_samples(metric, [samples[metric][name] for name in members], resampling)
        out.append(metric_row(metric, cut.get(metric), MEAN, mean, reason, of_mean, n_images=known, findings=members))
    return out


def _resampled(
    table: pd.DataFrame,
    labels: np.ndarray,
    scores: np.ndarray,
    level: float,
    resampling: Resampling | None,
    names: Sequence[str],
) -> dict[str, np.ndarray]:
    """The metrics of one finding in each resample; nothing without resampling."""
    if resampling is None:
        return {}
    known = ~np.isnan(labels)
    places, labels, scores = resampling.places(table["patient"][known].tolist()), labels[known], scores[known]
    if names == AUC_ALONE:
        return {"auc": resampling.auc(places, labels, scores)}
    shares = resampling.shares(places, np.column_stack([(scores > level) == (labels == 1), labels == 1]))
    return {
        "auc": resampling.auc(places, labels, scores),
        "accuracy": shares[:, 0],
        "majority_rate": np.maximum(shares[:, 1], 1 - shares[:, 1]),
        **calibration.resampled(places, labels, scores, resampling),
    }


def _calibration(labels: np.ndarray, scores: np.ndarray, reason: str) -> dict[str, float]:
    known = ~np.isnan(labels)
    return {
        "brier": math.nan if reason else calibration.brier(labels[known], scores[known]),
        "calibration_error": math.nan if reason else calibration.calibration_error(labels[known], scores[known]),
    }


def _mean_samples(metric: str, of_findings: Sequence[np.ndarray], resampling: Resampling | None) -> np.ndarray | None:
    """Mean over findings in each resample: undefined where one of them is, unless the published mean says otherwise."""
    if resampling is None:
        return None
    every = np.stack(of_findings) if of_findings else np.full((1, len(resampling)), math.nan)
    if metric == "auc_published":
        every = np.nan_to_num(every, nan=0.0)
    if metric == "accuracy_published":
        return ratio(np.nansum(every, axis=0), (~np.isnan(every)).sum(axis=0))
    return np.asarray(every.mean(axis=0))


def _explain_undefined(positive: int, known: int) -> str:
    """Why nothing can be told apart among ``known`` images of which ``positive`` have it; empty where it can."""
    if known == 0:
        return "no label known"
    if positive == 0:
        return "no image has it"
    return "every image has it" if positive == known else ""


def curves(table: pd.DataFrame, findings: tuple[str, ...]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """``roc`` at no more than POINTS points and ``reliability``, of every finding and of abnormality that has images of
    both classes."""
    out: dict[str, dict[str, dict[str, list[float]]]] = {"roc": {}, "reliability": {}}
    for finding in (*findings, "abnormality"):
        labels, scores = table[f"label_{finding}"].to_numpy(float), table[f"probability_{finding}"].to_numpy(float)
        known = ~np.isnan(labels)
        if not 0 < labels[known].sum() < known.sum():
            continue
        false, true, _ = roc_curve(labels[known], scores[known])
        kept = np.unique(np.linspace(0, len(false) - 1, min(POINTS, len(false))).round().astype(int))
        out["roc"][finding] = {"fpr": false[kept].round(6).tolist(), "tpr": true[kept].round(6).tolist()}
        out["reliability"][finding] = calibration.reliability(labels[known], scores[known])
    return out
