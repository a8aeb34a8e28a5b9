"""Brier score and calibration error by hand; in resamples they are those of repeated rows (test_intervals.py)."""

from __future__ import annotations

import numpy as np
import pytest

from ham.scoring.calibration import brier, calibration_error, reliability

# bins of 1/15: .02 and .05 fall into the first, .35 into the sixth, 1.0 into the last
SCORES = np.array([0.02, 0.05, 0.35, 1.0, 1.0])
LABELS = np.array([0.0, 1.0, 0.0, 1.0, 0.0])


def test_brier_score_by_hand() -> None:
    assert brier(LABELS, SCORES) == pytest.approx((0.02**2 + 0.95**2 + 0.35**2 + 0 + 1) / 5)


def test_calibration_error_by_hand() -> None:
    # |.07 - 1| of the first bin, |.35 - 0| of the sixth, |2 - 1| of the last, over five images
    assert calibration_error(LABELS, SCORES) == pytest.approx((0.93 + 0.35 + 1) / 5)


def test_the_reliability_diagram_has_the_bins_with_images() -> None:
    assert reliability(LABELS, SCORES) == {
        "probability": [0.035, 0.35, 1.0],
        "positives": [0.5, 0.0, 0.5],
        "images": [2, 1, 2],
    }


def test_probabilities_that_are_what_they_say_have_no_calibration_error() -> None:
    draw = np.random.default_rng(0)
    scores = draw.random(200_000)
    labels = (draw.random(200_000) < scores).astype(float)
    assert calibration_error(labels, scores) < 0.01
    assert brier(labels, scores) == pytest.approx(1 / 6, abs=0.003)  # the mean of p (1 - p)
    assert calibration_error(labels, scores**3) > 0.2
