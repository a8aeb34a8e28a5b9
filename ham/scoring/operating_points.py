"""Operating points: a probability chosen on validation images, and how the test images are told apart there.

Nothing is chosen on test images: an image that is tested chooses no threshold, and where all validation images are
tested, as in the published protocol, there is no operating point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ham.model.decisions import choose_thresholds
from ham.model.metrics import mean_defined
from ham.scoring.decision_names import EMPTY, MEASURES, POINTS, TARGET, UNCHOSEN, YOUDEN
from ham.scoring.intervals import Resampling, mean_samples
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject, defined, metric_row, ratio


@dataclass(frozen=True)
class OperatingPoints:
    """``thresholds[point][finding]``: a probability from which on an image counts as having the finding; nan where it
    could not be chosen. ``chosen_on`` says on what."""

    thresholds: Mapping[str, Mapping[str, float]]
    chosen_on: Mapping[str, Any]

    @classmethod
    def choose(
        cls, validation: pd.DataFrame, findings: Sequence[str], sensitivity: float, **chosen_on: Any
    ) -> OperatingPoints:
        """Of each finding and of abnormality, on ``validation``: rows as of classification.csv."""
        chosen: dict[str, dict[str, float]] = {point: {} for point in POINTS}
        for name in (*findings, ABNORMALITY.finding):
            labels = validation[f"label_{name}"].to_numpy(float)
            known = ~np.isnan(labels)
            scores = validation[f"probability_{name}"].to_numpy(float)[known]
            chosen[YOUDEN][name], chosen[TARGET][name] = choose_thresholds(labels[known], scores, sensitivity)
        return cls(chosen, {**chosen_on, "sensitivity": sensitivity})

    def described(self) -> dict[str, Any]:
        """For metrics.json."""
        return {**self.chosen_on, "thresholds": self.thresholds}


def metric_rows(
    table: pd.DataFrame, findings: Sequence[str], points: OperatingPoints, resampling: Resampling | None
) -> list[dict[str, Any]]:
    """Sensitivity, specificity, positive and negative predictive value at every point, of every finding and of
    abnormality, their means: metrics such as ``sensitivity_at_youden``, ``ppv_at_target``.

    ``table`` is classification.csv or some of its rows. Values are undefined where nothing stands below the line: no
    image has the finding, or none is called positive.
    """
    out: list[dict[str, Any]] = []
    for point in POINTS:
        values: dict[str, dict[str, float]] = {name: {} for name in MEASURES}
        samples: dict[str, dict[str, np.ndarray | None]] = {name: {} for name in MEASURES}
        for subject in (*map(Subject.of_finding, findings), ABNORMALITY):
            own = _rows_at(point, subject, table, points, resampling)
            out += own.values()
            if subject.scope == "finding":
                for name in MEASURES:
                    values[name][subject.finding] = own[name]["value"]
                    samples[name][subject.finding] = own[name].get("samples")
        for name in MEASURES:
            members = defined(values[name])
            out.append(
                metric_row(
                    f"{name}_at_{point}",
                    None,
                    MEAN,
                    mean_defined(np.array([values[name][finding] for finding in members])),
                    "undefined for every finding",
                    mean_samples([samples[name][finding] for finding in members], len(members), resampling),
                    n_images=len(table),
                    findings=members,
                )
            )
    return out


def _rows_at(
    point: str, subject: Subject, table: pd.DataFrame, points: OperatingPoints, resampling: Resampling | None
) -> dict[str, dict[str, Any]]:
    """The rows of one finding at one point, by measure."""
    level = points.thresholds[point][subject.finding]
    labels = table[f"label_{subject.finding}"].to_numpy(float)
    known = ~np.isnan(labels)
    positive = labels[known] == 1
    called = table[f"probability_{subject.finding}"].to_numpy(float)[known] >= level
    right, of = _counted(positive, called)
    found = ratio(right.sum(axis=0), of.sum(axis=0))
    drawn = None
    if resampling is not None:
        sums = resampling.sums(resampling.places(table["patient"][known].tolist()), np.column_stack([right, of]))
        drawn = ratio(sums[:, : len(MEASURES)], sums[:, len(MEASURES) :])
    counts = {"n_images": int(known.sum()), "n_positive": int(positive.sum())}
    own = {}
    for column, name in enumerate(MEASURES):
        value = math.nan if math.isnan(level) else float(found[column])
        reason = UNCHOSEN if math.isnan(level) else EMPTY[name]
        taken = None if drawn is None else drawn[:, column]
        own[name] = metric_row(f"{name}_at_{point}", None, subject, value, reason, taken, **counts)
    return own


def _counted(positive: np.ndarray, called: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each image [N] whether it counts above and below the line of each measure, float64 [N, 4]."""
    above = np.column_stack([positive & called, ~positive & ~called, positive & called, ~positive & ~called])
    below = np.column_stack([positive, ~positive, called, ~called])
    return above.astype(float), below.astype(float)
