"""Operating points by hand: thresholds of validation images, and what they do to test images."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from ham.scoring.intervals import Resampling
from ham.scoring.operating_points import OperatingPoints, choose_thresholds, metric_rows

NAN = math.nan
# sorted: + .9, - .8, + .7, + .6, - .4, + .3, - .2, - .1
LABELS = np.array([1, 0, 1, 1, 0, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1])


def test_youdens_threshold_and_that_of_a_sensitivity() -> None:
    # at .6: 3 of 4 and 3 of 4, together 1.5; at .3: 4 of 4 and 2 of 4, 1.5 too: the higher one is taken
    assert choose_thresholds(LABELS, SCORES, 0.9) == (0.6, 0.3)
    assert choose_thresholds(LABELS, SCORES, 0.75) == (0.6, 0.6)
    assert choose_thresholds(LABELS, SCORES, 0.5) == (0.6, 0.7)


def test_one_class_chooses_nothing() -> None:
    for labels in (np.zeros(3), np.ones(3), np.zeros(0)):
        assert all(map(math.isnan, choose_thresholds(labels, np.linspace(0, 1, len(labels)), 0.9)))


def test_scores_that_tell_nothing_call_nobody_positive() -> None:
    youden, target = choose_thresholds(np.array([0, 1]), np.array([0.9, 0.1]), 0.9)
    assert (youden, target) == (1.0, 0.1)


def table(labels: list[float], scores: list[float]) -> pd.DataFrame:
    images = [f"{place}.png" for place in range(len(labels))]
    named = {"image": images, "patient": [f"p{place // 2}" for place in range(len(labels))]}
    return pd.DataFrame(
        named
        | {"label_Mass": labels, "probability_Mass": scores}
        | {"label_Hernia": 0.0, "probability_Hernia": 0.5}
        | {"label_abnormality": labels, "probability_abnormality": scores}
    )


def points() -> OperatingPoints:
    validation = table(LABELS.tolist(), SCORES.tolist())
    return OperatingPoints.choose(validation, ("Mass", "Hernia"), 0.9, list="Main/val", images=8)


def test_what_is_decided_of_test_images_by_hand() -> None:
    # at .6: called .95 +, .6 -, .65 +; not called .5 +, .2 -, .1 -, .05 -; an unknown label counts nowhere
    test = table([1, 0, 1, 1, 0, 0, 0, NAN], [0.95, 0.6, 0.65, 0.5, 0.2, 0.1, 0.05, 0.99])
    rows = metric_rows(test, ("Mass", "Hernia"), points(), None)
    found = {(row["metric"], row["finding"]): row for row in rows}
    at_youden = {name: found[f"{name}_at_youden", "Mass"]["value"] for name in ("sensitivity", "specificity")}
    assert at_youden == {"sensitivity": 2 / 3, "specificity": 3 / 4}
    assert found["ppv_at_youden", "Mass"]["value"] == pytest.approx(2 / 3)
    assert found["npv_at_youden", "Mass"]["value"] == pytest.approx(3 / 4)
    assert found["sensitivity_at_target", "Mass"]["value"] == 1  # from .3 on
    assert (found["ppv_at_target", "Mass"]["n_images"], found["ppv_at_target", "Mass"]["n_positive"]) == (7, 3)
    hernia = found["sensitivity_at_youden", "Hernia"]
    assert math.isnan(hernia["value"])
    assert "do not have both classes" in hernia["reason"]
    mean = found["sensitivity_at_youden", "mean"]
    assert (mean["value"], mean["findings"]) == (2 / 3, ["Mass"])


def test_nobody_called_positive_leaves_the_predictive_value_blank() -> None:
    rows = metric_rows(table([1, 0], [0.1, 0.2]), ("Mass", "Hernia"), points(), None)
    found = {(row["metric"], row["finding"]): row for row in rows}
    assert found["ppv_at_youden", "Mass"]["reason"] == "no image is called positive"
    assert found["sensitivity_at_youden", "Mass"]["value"] == 0


def test_resamples_are_those_of_repeated_rows() -> None:
    test = table([1, 0, 1, 1, 0, 0, 0, 1], [0.95, 0.6, 0.65, 0.5, 0.2, 0.1, 0.05, 0.99])
    resampling = Resampling.of_strata(dict.fromkeys(test["patient"], ""), 50, 0)
    rows = metric_rows(test, ("Mass", "Hernia"), points(), resampling)
    drawn = resampling.weights[:, resampling.places(test["patient"].tolist())]
    for place in range(50):
        again = test.loc[np.repeat(test.index, drawn[place])]
        for own, repeated in zip(rows, metric_rows(again, ("Mass", "Hernia"), points(), None), strict=True):
            assert own["samples"][place] == pytest.approx(repeated["value"], nan_ok=True)
