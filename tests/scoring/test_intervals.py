"""Intervals: resampled scores are those of repeated rows, and their spread is that of an independent formula."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ham.model.metrics import auc
from ham.scoring import classification, localization
from ham.scoring.intervals import Resampling, strata_of
from ham.scoring.metric_rows import MEAN, interval, metric_row
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair, Truth

FINDINGS = ("Mass", "Nodule", "Hernia")


def drawn_truth(images: int = 60, patients: int = 23) -> Truth:
    draw = np.random.default_rng(3)
    names = tuple(f"{place}.png" for place in range(images))
    of = tuple(f"patient {place % patients}" for place in range(images))
    labels = (draw.random((images, 3)) < (0.4, 0.3, 0.05)).astype(np.float32)
    labels[7] = np.nan
    pairs = tuple(
        Pair(names[place], FINDINGS[place % 2], of[place], 1, lambda side: np.ones((side, side), bool))
        for place in range(0, images, 3)
    )
    return Truth("drawn", FINDINGS, FINDINGS, names, of, labels, pairs)


def tables(truth: Truth) -> tuple[pd.DataFrame, pd.DataFrame]:
    """classification.csv and localization.csv of a model, its scores with ties."""
    draw = np.random.default_rng(4)
    scores = {name: (draw.random(len(truth.images)) * 8).round() / 8 for name in (*FINDINGS, "abnormality")}
    joined = classification.join_labels(truth, pd.DataFrame(scores, index=list(truth.images)))
    pairs = pd.DataFrame(
        {
            "patient": [pair.patient for pair in truth.pairs],
            "finding": [pair.finding for pair in truth.pairs],
            "iou": draw.random(len(truth.pairs)).round(1),
            "ior": draw.random(len(truth.pairs)).round(1),
            "empty": draw.integers(0, 2, len(truth.pairs)),
        }
    )
    return joined, pairs


def repeated(table: pd.DataFrame, resampling: Resampling, number: int) -> pd.DataFrame:
    """The rows of a table as often as their patients were drawn."""
    weights = resampling.weights[number, resampling.places(table["patient"].tolist())]
    return table.loc[table.index.repeat(weights)]


def test_every_resampled_score_is_the_score_of_rows_repeated_as_their_patients_were_drawn() -> None:
    truth, settings = drawn_truth(), ScoringSettings(t_iou=(0.3, 0.5), t_ior=(0.5,), leave_out="Mass")
    joined, pairs = tables(truth)
    resampling = Resampling.of_truth(truth, 100, seed=5)

    def scored(joined: pd.DataFrame, pairs: pd.DataFrame, given: Resampling | None) -> list[dict[str, Any]]:
        return [
            *classification.metric_rows(joined, FINDINGS, settings, given),
            *localization.metric_rows(pairs, FINDINGS, FINDINGS, settings, given),
        ]

    rows = scored(joined, pairs, resampling)
    assert {row["metric"] for row in rows} >= {"auc", "auc_published", "accuracy_published", "t_iou_published"}
    compared = 0
    for number in range(20):
        wanted = scored(repeated(joined, resampling, number), repeated(pairs, resampling, number), None)
        for row, other in zip(rows, wanted, strict=True):
            if math.isfinite(row["value"]) and row.get("findings") == other.get("findings"):
                np.testing.assert_allclose(row["samples"][number], other["value"], rtol=1e-12, err_msg=str(row))
                compared += 1
    assert compared > 20 * 0.9 * sum(math.isfinite(row["value"]) for row in rows)


def test_a_patient_is_drawn_among_those_with_the_same_rarest_finding_so_that_none_vanishes() -> None:
    truth = drawn_truth()
    strata = strata_of(truth)
    assert strata["patient 0"].startswith(("pair ", "label "))
    resampling = Resampling.of_truth(truth, 300, seed=0)
    for stratum in set(strata.values()):
        members = [resampling.place[name] for name, own in strata.items() if own == stratum]
        assert (resampling.weights[:, members].sum(axis=1) == len(members)).all()
    hernia = [name for name, labels in zip(truth.patients, truth.labels, strict=True) if labels[2] == 1]
    assert len(set(hernia)) > 1
    assert (resampling.weights[:, resampling.places(hernia)].sum(axis=1) > 0).all()
    assert resampling.weights.std(axis=0).max() > 0.5


def test_the_rarest_finding_of_a_patient_by_hand() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]], np.float32)
    pair = Pair("a", "Mass", "A", 1, lambda side: np.ones((side, side), bool))
    truth = Truth("hand", FINDINGS, FINDINGS, ("a", "b", "c", "d"), ("A", "B", "C", "D"), labels, (pair,))
    assert strata_of(truth) == {"A": "pair Mass", "B": "label Nodule", "C": "label Hernia", "D": ""}


def test_who_is_drawn_follows_from_patients_and_seed_alone() -> None:
    strata = {"b": "x", "a": "x", "c": "y", "d": "y"}
    one = Resampling.of_strata(strata, 100, 0)
    turned = Resampling.of_strata(dict(reversed(strata.items())), 100, 0)
    assert one.place == turned.place
    assert (one.weights == turned.weights).all()
    assert one.drawn_from == turned.drawn_from
    for other in (Resampling.of_strata(strata, 100, 1), Resampling.of_strata(strata | {"d": "z"}, 100, 0)):
        assert (one.weights != other.weights).any()
        assert one.drawn_from != other.drawn_from


def delong(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """The interval of DeLong, DeLong and Clarke-Pearson (1988) by the mean rank of each image among the other class."""
    positives, negatives = scores[labels == 1], scores[labels == 0]
    above = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    variance = above.mean(axis=1).var(ddof=1) / len(positives) + above.mean(axis=0).var(ddof=1) / len(negatives)
    return float(above.mean() - 1.96 * variance**0.5), float(above.mean() + 1.96 * variance**0.5)


def scores_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    labels = (np.arange(count) % 4 == 0).astype(float)
    return labels, (draw.normal(labels, 1.2) * 5).round() / 5


def test_the_interval_of_an_auc_is_delongs_where_every_patient_has_one_image() -> None:
    labels, scores = scores_of(400)
    strata = {str(place): str(label) for place, label in enumerate(labels)}
    resampling = Resampling.of_strata(strata, 4000, 0)
    found = interval(resampling.auc(resampling.places(list(strata)), labels, scores))
    assert delong(labels, scores)[0] < auc(labels, scores) < delong(labels, scores)[1]
    np.testing.assert_allclose(found, delong(labels, scores), atol=0.004)


def test_copies_of_a_patients_image_make_no_interval_narrower() -> None:
    labels, scores = scores_of(200)
    strata = {str(place): str(label) for place, label in enumerate(labels)}
    resampling = Resampling.of_strata(strata, 200, 0)
    places = resampling.places(list(strata))
    once = interval(resampling.auc(places, labels, scores))
    assert interval(resampling.auc(np.tile(places, 3), np.tile(labels, 3), np.tile(scores, 3))) == once
    hits = (scores > 0.5)[:, None]
    thrice = resampling.shares(np.tile(places, 3), np.tile(hits, (3, 1)))
    np.testing.assert_allclose(thrice, resampling.shares(places, hits), rtol=1e-12)


def test_an_interval_is_the_middle_of_what_is_defined_and_says_what_is_not() -> None:
    samples = np.concatenate([np.linspace(0, 1, 201), [math.nan] * 3])
    row = metric_row("t_iou", 0.3, MEAN, 0.5, samples=samples)
    assert (row["low"], row["high"]) == pytest.approx((0.025, 0.975))
    assert row["n_undefined"] == 3
    undefined = metric_row("t_iou", 0.3, MEAN, math.nan, "no pair", samples=samples)
    assert math.isnan(undefined["low"])
    assert math.isnan(undefined["high"])
    assert np.isnan(undefined["samples"]).all()
    assert "n_undefined" not in undefined
