"""Curves by hand, and their bands by explicit repetition of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from ham.scoring import curves as curves_module
from ham.scoring.curves import PLACES, _count_from_above, _precision, _sensitivity, curves
from ham.scoring.intervals import Resampling


def table(labels: list[float], scores: list[float], patients: list[str] | None = None) -> pd.DataFrame:
    named = {"image": [str(place) for place in range(len(labels))], "patient": patients or ["p"] * len(labels)}
    both = {"Mass": (labels, scores), "abnormality": (labels, scores)}
    return pd.DataFrame(
        named
        | {f"label_{name}": given for name, (given, _) in both.items()}
        | {f"probability_{name}": given for name, (_, given) in both.items()}
    )


def at(curve: dict[str, list[float]], axis: str, place: float) -> float:
    return curve[axis][round(place * 100)]


def test_points_of_both_curves_by_hand() -> None:
    # from above: +, +, -, +, -, -: precision 1, 1, 2/3, 3/4; recall 1/3, 2/3, 2/3, 1
    found = curves(table([1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), ["Mass"])
    roc, both = found["roc"]["Mass"], found["precision_recall"]["Mass"]
    assert at(roc, "tpr", 0.34) == pytest.approx(1, abs=0.01)  # a third of the negatives stand above the last positive
    assert at(roc, "tpr", 0.2) == pytest.approx(2 / 3)
    assert [at(both, "precision", place) for place in (0, 0.33, 0.5, 0.66, 0.67, 1)] == [1, 1, 1, 1, 0.75, 0.75]
    assert both["prevalence"] == 0.5
    assert "low" not in roc


def test_equal_scores_are_one_step_and_unknown_labels_none() -> None:
    found = curves(table([1, 0, 1, 0, float("nan")], [0.9, 0.9, 0.2, 0.1, 0.95]), ["Mass"])
    assert at(found["precision_recall"]["Mass"], "precision", 0.5) == 0.5
    assert at(found["roc"]["Mass"], "tpr", 0.25) == pytest.approx(0.25)  # along the step, which goes to (.5, .5)


def test_one_class_has_no_curve() -> None:
    assert curves(table([0, 0], [0.1, 0.2]), ["Mass"]) == {"roc": {}, "precision_recall": {}, "reliability": {}}


def drawn(images: int) -> tuple[pd.DataFrame, Resampling]:
    draw = np.random.default_rng(0)
    labels = (draw.random(images) < 0.3).astype(float)
    scores = ((labels + draw.normal(0, 0.8, images)) * 4).round() / 4  # with ties
    scores = (scores - scores.min()) / (scores.max() - scores.min())
    patients = [f"p{place % (images // 2)}" for place in range(images)]
    return table(labels.tolist(), scores.tolist(), patients), Resampling.of_strata(dict.fromkeys(patients, ""), 200, 0)


@pytest.mark.parametrize("steps", [1000, 7])
def test_a_band_is_that_of_repeated_rows(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    monkeypatch.setattr(curves_module, "STEPS", steps)
    rows, resampling = drawn(60)
    found = curves(rows, ["Mass"], resampling)
    true, precise = [], []
    times = resampling.weights[:, resampling.places(rows["patient"].tolist())]
    for weights in times:
        again = rows.loc[np.repeat(rows.index, weights)]
        labels, scores = again["label_Mass"].to_numpy(), again["probability_Mass"].to_numpy()
        false, rate, _ = roc_curve(labels, scores, drop_intermediate=False)
        true.append(np.interp(PLACES, false, rate))
        precision, recall, _ = precision_recall_curve(labels, scores)
        order = np.argsort(recall[:-1], kind="stable")
        first = np.searchsorted(recall[:-1][::-1], np.maximum(PLACES, 1e-9) - 1e-12)
        precise.append(precision[:-1][::-1][np.minimum(first, len(order) - 1)])
    close = {"abs": 1e-5} if steps == 1000 else {"abs": 0.25}
    for kind, samples in (("roc", true), ("precision_recall", precise)):
        low, high = np.percentile(samples, [2.5, 97.5], axis=0)
        inside = slice(2, None) if kind == "roc" else slice(0, None)  # at rate 0 a vertical step may be read either way
        assert found[kind]["Mass"]["low"][inside] == pytest.approx(low.round(6)[inside], **close)
        assert found[kind]["Mass"]["high"][inside] == pytest.approx(high.round(6)[inside], **close)


def test_average_precision_in_resamples_is_that_of_repeated_rows() -> None:
    rows, resampling = drawn(60)
    labels, scores = rows["label_Mass"].to_numpy(), rows["probability_Mass"].to_numpy()
    places = resampling.places(rows["patient"].tolist())
    found = resampling.average_precision(places, labels, scores)
    for value, weights in zip(found, resampling.weights[:, places], strict=True):
        again = np.repeat(np.arange(60), weights)
        assert value == pytest.approx(average_precision_score(labels[again], scores[again]))


def test_many_images_are_counted_at_a_thousand_places() -> None:
    draw = np.random.default_rng(1)
    labels, scores = (draw.random(5000) < 0.2).astype(float), draw.random(5000)
    positives, called = _count_from_above(labels, scores, np.ones((1, 5000), np.uint8))
    assert called.shape[1] == 1000
    assert (positives[0, -1], called[0, -1]) == (labels.sum(), 5000)
    false, rate, _ = roc_curve(labels, scores)
    assert _sensitivity(positives, called)[0] == pytest.approx(np.interp(PLACES, false, rate), abs=0.005)
    assert _precision(positives, called)[0, 50:] == pytest.approx(np.full(51, 0.2), abs=0.02)
