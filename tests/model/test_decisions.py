"""Thresholds and calibration that a card carries, against numbers worked out by hand and by scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from ham.model.card import Decisions
from ham.model.decisions import calibrate, calibrated, decisions_of

LABELS = np.array([0, 0, 1, 0, 1, 1, 0, 1], float)
SCORES = np.array([0.1, 0.2, 0.3, 0.35, 0.6, 0.7, 0.4, 0.9])


def test_platt_scaling_is_the_minimum_of_its_loss() -> None:
    """Platt (1999): cross entropy of smoothed labels, here 5/6 and 1/6, by another optimiser."""
    smoothed = np.where(LABELS == 1, 5 / 6, 1 / 6)

    def loss(line: np.ndarray) -> float:
        said = expit(line[0] * logit(SCORES) + line[1])
        return float(-(smoothed * np.log(said) + (1 - smoothed) * np.log(1 - said)).sum())

    slope, intercept = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    found = calibrate(LABELS, SCORES)
    assert found == pytest.approx((slope, intercept), abs=1e-3)
    assert calibrate(LABELS, 1 - SCORES) is None  # it would turn the order round
    assert calibrated(np.array([0.5]), (2.0, 0.0)) == pytest.approx([0.5])
    assert calibrated(np.array([0.8]), (1.0, math.log(0.25))) == pytest.approx([0.5])


def test_decisions_by_hand() -> None:
    """Unknown labels count for nothing; a finding of one class is left out, of all three maps."""
    labels = np.column_stack([LABELS, np.zeros(8), LABELS])
    labels[7, 0] = np.nan
    scores = np.column_stack([SCORES] * 3)
    found = decisions_of(labels, scores, ("Mass", "Nodule"), "Main/fold1/val", 0.9)
    assert isinstance(found, Decisions)
    assert set(found.youden) == set(found.target) == set(found.calibration) == {"Mass", "abnormality"}
    # Mass: positives .3 .6 .7, negatives .1 .2 .35 .4: at .6 sensitivity 2/3, specificity 1; at .3 1 and 1/2
    assert found.youden["Mass"] == pytest.approx(0.6)
    assert found.target["Mass"] == pytest.approx(0.3)
    assert (found.chosen_on, found.images, found.sensitivity) == ("Main/fold1/val", 8, 0.9)
