"""Intervals over splits and paired differences, by hand from the weights of the patients."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ham.errors import DataError
from ham.reporting import result_tables, tables
from ham.reporting.comparison_tables import Beside
from ham.reporting.differences import Differences, differences, read_differences, verdict
from ham.reporting.forest import write_forest
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.scoring.metric_rows import Subject

from .test_tables import pick, set_scores

Make = Callable[..., Path]
ONE = {"Mass": [0.1, 0.5, 0.9, 0.2], "Nodule": [0.9, 0.0, 0.4]}
TWO = {"Mass": [0.3, 0.4, 0.1, 0.2, 0.2, 0.6], "Nodule": [0.0, 0.5, 0.1, 0.9]}
OTHER = {"Mass": [0.4, 0.5, 0.9, 0.1], "Nodule": [0.9, 0.3, 0.4]}  # on the patients of ONE, two pairs better


def middle(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(samples[np.isfinite(samples)], [2.5, 97.5])
    return float(low), float(high)


def hits_and_pairs(weights: np.ndarray, ious: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Drawn pairs at .3 or above, and all drawn, [B], of a finding whose i-th pair is of the i-th patient."""
    own = weights[:, : len(ious)].astype(float)
    return (own * (np.array(ious) >= 0.3)).sum(axis=1), own.sum(axis=1)


def test_intervals_over_splits_are_of_splits_resampled_by_themselves(make_split: Make) -> None:
    folders = [make_split("fold1"), make_split("fold2")]
    weights = [set_scores(folder, ious, 0.8).weights for folder, ious in zip(folders, (ONE, TWO), strict=True)]
    table = tables.tidy(read_results(folders))
    parts = {
        name: [hits_and_pairs(own, ious[name]) for own, ious in zip(weights, (ONE, TWO), strict=True)]
        for name in ("Mass", "Nodule")
    }
    with np.errstate(invalid="ignore"):
        shares = {name: [hits / of for hits, of in own] for name, own in parts.items()}
        pooled = {name: sum(hits for hits, _ in own) / sum(of for _, of in own) for name, own in parts.items()}
    wanted = {
        ("fold1", "Mass"): shares["Mass"][0],
        ("fold2", "mean"): (shares["Mass"][1] + shares["Nodule"][1]) / 2,
        ("mean", "Nodule"): (shares["Nodule"][0] + shares["Nodule"][1]) / 2,
        ("pooled", "Mass"): pooled["Mass"],
        ("pooled", "mean"): (pooled["Mass"] + pooled["Nodule"]) / 2,
        ("pooled", "mean_without_Mass"): pooled["Nodule"],
    }
    for (split, finding), samples in wanted.items():
        row = pick(table, split=split, finding=finding, metric="t_iou", variant="ham")
        assert (row["low"], row["high"]) == pytest.approx(middle(samples), abs=1e-6), (split, finding)
        assert (0 if pd.isna(row["n_undefined"]) else row["n_undefined"]) == np.isnan(samples).sum()
    assert pick(table, split="fold1", finding="Nodule", metric="t_iou")["n_undefined"] > 0  # three of four patients
    assert math.isnan(pick(table, split="sd", finding="Mass", metric="t_iou")["low"])


def test_a_difference_is_of_the_same_patients_and_so_narrower_than_either(make_split: Make, tmp_path: Path) -> None:
    folders = [make_split("fold1"), make_split("fold1", variant="other")]
    weights = set_scores(folders[0], ONE, 0.8).weights
    set_scores(folders[1], OTHER, 0.7)
    tables.write_tables(folders, tmp_path / "tables/x.csv", ReportingSettings())
    found = read_differences(tmp_path / "tables/differences/x.csv")
    assert set(zip(found["variant"], found["reference"], strict=True)) == {("other", "ham")}
    auc = pick(found, metric="auc", finding="Mass")
    assert (auc["value"], auc["low"], auc["high"]) == pytest.approx((-0.1, -0.1, -0.1))
    row = pick(found, metric="t_iou", finding="Mass")
    samples = hits_and_pairs(weights, OTHER["Mass"])[0] / 4 - hits_and_pairs(weights, ONE["Mass"])[0] / 4
    assert row["value"] == 0.25
    assert (row["low"], row["high"]) == pytest.approx(middle(samples), abs=1e-6)
    table = tables.read_table(tmp_path / "tables/x.csv")
    of_ham = pick(table, metric="t_iou", finding="Mass", variant="ham")
    assert row["high"] - row["low"] <= of_ham["high"] - of_ham["low"]
    assert (row["n_pairs"], row["n_splits"]) == (4, 1)


def test_every_variant_is_compared_with_ham_and_with_each_floor_over_the_splits_that_both_have(
    make_split: Make,
) -> None:
    folders = [make_split(f"fold{i}", variant=v, seed=i) for v in ("a", "ham") for i in (1, 2)]
    found = differences(tables.tidy_rows(read_results([*folders, make_split("fold1", variant="b", seed=9)])))
    compared = Differences(found).compared
    floors = ("location-prior", "random-map", "whole-image")
    assert compared == [("a", "ham"), ("b", "ham"), *((v, floor) for floor in floors for v in ("a", "ham", "b"))]
    about = {"metric": "t_iou", "threshold": 0.3, "scope": "mean"}
    assert pick(found, variant="b", reference="ham", **about)["n_splits"] == 1
    row = pick(found, variant="a", reference="location-prior", **about)
    table = tables.tidy(read_results(folders))
    mean = {name: pick(table, variant=name, split="mean", **about)["value"] for name in ("a", "location-prior")}
    assert row["value"] == pytest.approx(mean["a"] - mean["location-prior"])
    assert row["n_splits"] == 2


def test_scores_of_other_resamples_are_not_compared(make_split: Make) -> None:
    folders = [make_split("fold1"), make_split("fold1", variant="other", resamples=100)]
    metrics = json.loads((folders[1] / "metrics.json").read_text())
    metrics["resamples"]["drawn_from"] = "another"
    (folders[1] / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="scored on different patients or resamples; score both again"):
        differences(tables.tidy_rows(read_results(folders)))


@pytest.mark.parametrize("damage", ["absent", "half", "other"])
def test_resamples_that_do_not_fit_their_scores_are_refused(make_split: Make, damage: str) -> None:
    split = make_split("fold1")
    path = split / "resamples.npz"
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes((make_split("fold2", boxed=("Cardiomegaly",)) / "resamples.npz").read_bytes())
    with pytest.raises(DataError, match=r"fold1/resamples.npz (cannot be read|holds other numbers).*score this split"):
        tables.tidy(read_results([split]))


def test_a_table_shows_differences_with_their_sign_and_whether_they_hold_zero(make_split: Make) -> None:
    folders = [make_split("fold1"), make_split("fold1", variant="other", strength=0.9, seed=3)]
    rows = tables.tidy_rows(read_results(folders))
    compared = differences(rows)
    shown = result_tables.build_tables(tables.framed(rows), ReportingSettings(), beside=Beside(compared))
    (table,) = (table for table in shown if table.title == "Differences")
    first = table.rows[0]
    assert (first.label, first.block) == ("other", "less ham")
    number = Differences(compared).number("other", "ham", ("t_iou", 0.5, Subject("mean", "mean")))
    assert verdict(number.low, number.high) == "above"
    place = table.columns.index(("T(IoU), mean of 4", "0.5"))
    assert first.cells[place] == f"{number.value:+.3f}*"
    assert first.intervals[place] == f"[{number.low:+.2f}, {number.high:+.2f}]"
    assert [verdict(*bounds) for bounds in ((-0.1, 0.1), (-0.2, -0.1), (math.nan, math.nan))] == [
        "not distinguishable", "below", "",
    ]  # fmt: skip


def test_the_forest_has_a_point_for_each_comparison_and_says_where_there_is_none(
    make_split: Make, tmp_path: Path
) -> None:
    folders = [make_split("fold1"), make_split("fold1", variant="other", strength=0.9, seed=3)]
    tables.write_tables(folders, tmp_path / "x.csv", ReportingSettings())
    sizes = []
    for name, given in (("both", folders), ("none", [make_split("fold2", boxed=(), floors=())])):
        tables.write_tables(given, tmp_path / f"{name}.csv", ReportingSettings())
        write_forest(tmp_path / f"differences/{name}.csv", tmp_path / name, ReportingSettings())
        with Image.open(tmp_path / f"{name}.png") as image:
            sizes.append(image.size)
    assert sizes[0][1] > 300 > sizes[1][1]  # seven comparisons; a sentence
    assert len(Differences(read_differences(tmp_path / "differences/both.csv")).compared) == 7
    assert read_differences(tmp_path / "differences/none.csv").empty
