"""Groups of images: the scores of their rows alone, on the resamples of the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.scoring import classification, localization
from ham.scoring.intervals import Resampling
from ham.scoring.run import pairs_drawn
from ham.scoring.settings import ScoringSettings
from ham.scoring.subgroups import subgroup_rows
from ham.scoring.truth import Truth

from .test_intervals import FINDINGS, drawn_truth, repeated, tables

SETTINGS = ScoringSettings(t_iou=(0.3,), t_ior=(0.5,), leave_out="Mass")


def grouped() -> tuple[Truth, pd.DataFrame, pd.DataFrame]:
    """The truth and tables of test_intervals.py, every second image of the view AP, of the others one unknown."""
    truth = drawn_truth()
    views = {image: "AP" if place % 2 else "PA" for place, image in enumerate(truth.images)}
    views[truth.images[0]] = "unknown"
    truth = replace(truth, groups={"view": views, "sex": dict.fromkeys(truth.images, "F")})
    joined, pairs = tables(truth)
    pairs.insert(0, "image", [pair.image for pair in truth.pairs])
    for table in (joined, pairs):
        table["view"], table["sex"] = table["image"].map(views), "F"
    return truth, joined, pairs


def number(rows: list[dict[str, Any]], **about: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row[name] == value for name, value in about.items())]
    return row


def test_a_group_has_the_scores_of_its_rows_and_what_all_share_makes_none() -> None:
    truth, joined, pairs = grouped()
    resampling = Resampling.of_truth(truth, 100, 0)
    rows = subgroup_rows(truth, joined, pairs, SETTINGS, resampling)
    assert {row["group"] for row in rows} == {"view=AP", "view=PA", "view=unknown"}
    assert {row["metric"] for row in rows} == {"auc", "t_iou"}
    images, own = joined[joined["view"] == "AP"], pairs[pairs["view"] == "AP"]
    about: dict[str, Any] = {"metric": "auc", "finding": "Nodule"}
    (wanted,) = [r for r in classification.metric_rows(images, FINDINGS, SETTINGS) if r.items() >= about.items()]
    found = number(rows, group="view=AP", **about)
    assert (found["value"], found["n_images"]) == (wanted["value"], wanted["n_images"]) != (0, 60)
    mean = number(rows, group="view=AP", metric="t_iou", scope="mean")
    hits = [(own.loc[own["finding"] == name, "iou"] >= 0.3).mean() for name in own["finding"].unique()]
    assert mean["value"] == np.mean(hits)
    assert mean["n_pairs"] == len(own) < len(pairs)
    for place in range(5):  # the same patients are drawn as of the whole
        drawn = repeated(own, resampling, place)
        if set(drawn["finding"]) == set(own["finding"]):
            (again,) = [
                row["value"]
                for row in localization.metric_rows(drawn, FINDINGS, FINDINGS, SETTINGS)
                if (row["metric"], row["scope"]) == ("t_iou", "mean")
            ]
            np.testing.assert_allclose(mean["samples"][place], again)


def test_the_pairs_drawn_of_groups_add_up_to_those_of_all() -> None:
    truth, _, pairs = grouped()
    drawn = pairs_drawn(pairs, truth, Resampling.of_truth(truth, 100, 0))
    assert list(drawn) == ["pairs", "pairs view=AP", "pairs view=PA", "pairs view=unknown"]
    assert (drawn["pairs"] == sum(value for name, value in drawn.items() if name != "pairs")).all()


def test_views_come_with_the_data_set_and_a_blank_is_unknown(phantom: Path) -> None:
    from ham.datasets.dataset import Dataset  # here: reads the data set of the fixture

    dataset = Dataset.open(phantom)
    images = dataset.listed("Main/fold1/test_0_0.2")
    dataset.table.loc[images[0], "view"] = ""
    truth = Truth.of_dataset(dataset, "Main/fold1/test_0_0.2", "bbox/fold1/test")
    views = truth.groups["view"]
    assert views[images[0]] == "unknown"
    assert all(views[image] == dataset.table.at[image, "view"] for image in images[1:])
    assert {pair.image for pair in truth.pairs} <= set(views)
