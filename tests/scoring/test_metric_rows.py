"""Rows of metrics.json from tables whose numbers are known by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ham.scoring import classification, localization
from ham.scoring.curves import curves
from ham.scoring.settings import ScoringSettings


def value(rows: list[dict], metric: str, finding: str, threshold: float | None = None) -> float:
    return float(pick(rows, metric, finding, threshold)["value"])


def pick(rows: list[dict], metric: str, finding: str, threshold: float | None = None) -> dict:
    """The one row of these."""
    (found,) = [
        row for row in rows if (row["metric"], row["finding"], row["threshold"]) == (metric, finding, threshold)
    ]
    return found


def test_shares_means_and_the_mean_without_the_finding_that_carries_it() -> None:
    table = pd.DataFrame(
        {
            "finding": ["Cardiomegaly", "Cardiomegaly", "Mass", "Mass"],
            "iou": [0.9, 0.8, 0.3, 0.29],
            "ior": [1.0, 1.0, 0.0, 0.5],
            "empty": [0, 0, 1, 0],
        }
    )
    rows = localization.metric_rows(
        table, ("Cardiomegaly", "Mass", "Hernia", "Edema"), ("Cardiomegaly", "Mass"), ScoringSettings()
    )
    assert value(rows, "t_iou", "Cardiomegaly", 0.3) == 1.0
    assert value(rows, "t_iou", "Mass", 0.3) == 0.5  # 0.3 itself counts
    assert value(rows, "t_iou", "mean", 0.3) == 0.75
    assert value(rows, "t_iou", "mean_without_Cardiomegaly", 0.3) == 0.5
    assert value(rows, "t_ior", "mean", 0.5) == 0.75
    # the published mean counts Hernia and Edema, which have no boxes, as 0: (1.0 + 0.5 + 0 + 0) / 4
    assert value(rows, "t_iou_published", "mean", 0.3) == 0.375
    assert value(rows, "t_ior_published", "mean", 0.5) == 0.375
    # one of the two regions of Mass has no pixel: mean of 0 and 1/2
    assert value(rows, "empty_maps", "Mass") == 0.5
    assert value(rows, "empty_maps", "mean") == 0.25
    assert value(rows, "empty_maps", "mean_without_Cardiomegaly") == 0.5


def test_a_finding_without_pairs_is_left_out_of_the_mean() -> None:
    table = pd.DataFrame({"finding": ["Mass"], "iou": [0.9], "ior": [0.9], "empty": [0]})
    rows = localization.metric_rows(table, ("Mass", "Nodule"), ("Mass", "Nodule"), ScoringSettings())
    assert np.isnan(value(rows, "t_iou", "Nodule", 0.5))
    assert value(rows, "t_iou", "mean", 0.5) == 1.0
    nodule = pick(rows, "t_iou", "Nodule", 0.5)
    assert (nodule["n_pairs"], nodule["reason"]) == (0, "no pair of image and finding")
    mean = pick(rows, "t_iou", "mean", 0.5)
    assert (mean["n_pairs"], mean["findings"]) == (1, ["Mass"])
    assert "reason" not in mean


def test_a_finding_may_bear_the_name_of_a_mean() -> None:
    table = pd.DataFrame({"finding": ["mean", "mean_without_Mass"], "iou": [1.0, 0.0], "ior": [1.0, 0.0], "empty": 0})
    names = ("mean", "mean_without_Mass", "Mass")
    rows = localization.metric_rows(table, names, names, ScoringSettings(leave_out="Mass"))
    found = {(row["scope"], row["finding"]): row["value"] for row in rows if row["metric"] == "empty_maps"}
    assert len(found) == 5  # three findings, two means
    values = {(row["scope"], row["finding"]): row["value"] for row in rows if row["threshold"] == 0.3}
    assert values["finding", "mean"] == 1.0
    assert values["finding", "mean_without_Mass"] == 0.0
    assert values["mean_without", "mean_without_Mass"] == 0.5


@pytest.mark.parametrize(
    ("empty", "said"),
    [
        ([1, 1, 1], "all 3 predicted regions are empty: T(IoU) and T(IoR) of 0 say that nothing was predicted"),
        ([1, 1, 0], "all predicted regions of Mass are empty"),
        ([1, 0, 0], None),
    ],
)
def test_maps_that_are_all_empty_are_said(empty: list[int], said: str | None) -> None:
    table = pd.DataFrame({"finding": ["Mass", "Mass", "Nodule"], "empty": empty})
    assert localization.describe_empty(table) == said
    assert localization.describe_empty(table[:0]) is None


def classified(**labels: list[float]) -> pd.DataFrame:
    """Labels of findings, with the probabilities .9, .8, .3 … of the images."""
    scores = [0.9, 0.8, 0.3, 0.2]
    count = len(next(iter(labels.values())))
    columns = {f"label_{name}": values for name, values in labels.items()}
    return pd.DataFrame(columns | {f"probability_{name}": scores[:count] for name in labels})


def test_unlabelled_images_count_as_nothing() -> None:
    nan = np.nan
    table = classified(Mass=[1.0, nan, nan, 0.0], abnormality=[1.0, nan, nan, 0.0])
    rows = classification.metric_rows(table, ("Mass",), ScoringSettings())
    # two images are known, .9 with and .2 without: both right; .8 of an unknown one is neither right nor wrong
    accuracy = pick(rows, "accuracy", "Mass", 0.5)
    assert (accuracy["value"], accuracy["n_images"], accuracy["n_positive"]) == (1.0, 2, 1)
    assert value(rows, "majority_rate", "Mass") == 0.5
    assert pick(rows, "accuracy", "mean", 0.5)["n_images"] == 2
    curve = curves(table, ("Mass",))["roc"]["Mass"]
    assert (curve["fpr"][-1], curve["tpr"][-1]) == (1.0, 1.0)
    assert set(curve["tpr"][1:]) == {1.0}


def test_an_accuracy_where_one_class_is_absent_is_blank_with_its_reason() -> None:
    nan = np.nan
    table = classified(
        Mass=[1.0, 0.0, 0.0, 0.0], Hernia=[0.0] * 4, Edema=[1.0] * 4, Fibrosis=[nan] * 4, abnormality=[1.0] * 4
    )
    rows = classification.metric_rows(table, ("Mass", "Hernia", "Edema", "Fibrosis"), ScoringSettings())
    for finding, reason, known, positive in (
        ("Hernia", "no image has it", 4, 0),
        ("Edema", "every image has it", 4, 4),
        ("Fibrosis", "no label known", 0, 0),
        ("abnormality", "every image has it", 4, 4),
    ):
        for metric, threshold in (("auc", None), ("accuracy", 0.5), ("majority_rate", None)):
            row = pick(rows, metric, finding, threshold)
            assert np.isnan(row["value"])
            assert (row["reason"], row["n_images"], row["n_positive"]) == (reason, known, positive)
    # .8 of an image without Mass is wrong: 3 of 4, as always saying no
    for metric, threshold in (("accuracy", 0.5), ("majority_rate", None)):
        mean = pick(rows, metric, "mean", threshold)
        assert (mean["value"], mean["findings"]) == (0.75, ["Mass"])
    # the release's mean counts Hernia (2 of 4 are below .5) and Edema (2 of 4) too: (3/4 + 1/2 + 1/2) / 3
    assert value(rows, "accuracy_published", "mean", 0.5) == pytest.approx(7 / 12)


def test_both_readings_of_an_undefined_auc_exist_under_their_names() -> None:
    table = pd.DataFrame(
        {
            "label_Mass": [1.0, 0.0, np.nan],
            "probability_Mass": [0.9, 0.1, 0.5],
            "label_Hernia": [0.0, 0.0, 0.0],
            "probability_Hernia": [0.1, 0.2, 0.3],
            "label_abnormality": [1.0, 0.0, np.nan],
            "probability_abnormality": [0.2, 0.3, 0.1],
        }
    )
    rows = classification.metric_rows(table, ("Mass", "Hernia"), ScoringSettings())
    assert value(rows, "auc", "mean") == 1.0
    assert value(rows, "auc_published", "mean") == 0.5
    assert value(rows, "auc", "abnormality") == 0.0
    assert np.isnan(value(rows, "auc", "Hernia"))
    assert curves(table, ("Mass", "Hernia"))["roc"].keys() == {"Mass", "abnormality"}
    assert next(row["n_images"] for row in rows if row["finding"] == "Mass") == 2
