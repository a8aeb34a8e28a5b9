"""Rows of metrics.json from tables whose numbers are known by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ham.scoring import classification, localization
from ham.scoring.settings import ScoringSettings


def value(rows: list[dict], metric: str, finding: str, threshold: float | None = None) -> float:
    (found,) = [
        row["value"]
        for row in rows
        if (row["metric"], row["finding"], row["threshold"]) == (metric, finding, threshold)
    ]
    return float(found)


def test_shares_means_and_the_mean_without_the_finding_that_carries_it() -> None:
    table = pd.DataFrame(
        {
            "finding": ["Cardiomegaly", "Cardiomegaly", "Mass", "Mass"],
            "iou": [0.9, 0.8, 0.3, 0.29],
            "ior": [1.0, 1.0, 0.0, 0.5],
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


def test_a_finding_without_pairs_is_left_out_of_the_mean() -> None:
    table = pd.DataFrame({"finding": ["Mass"], "iou": [0.9], "ior": [0.9]})
    rows = localization.metric_rows(table, ("Mass", "Nodule"), ("Mass", "Nodule"), ScoringSettings())
    assert np.isnan(value(rows, "t_iou", "Nodule", 0.5))
    assert value(rows, "t_iou", "mean", 0.5) == 1.0


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
    assert value(rows, "accuracy", "Hernia", 0.5) == 1.0
    assert classification.roc_curves(table, ("Mass", "Hernia")).keys() == {"Mass", "abnormality"}
    assert next(row["n"] for row in rows if row["finding"] == "Mass") == pytest.approx(2)
