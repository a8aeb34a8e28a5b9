"""Subgroups in tables: over splits as everything, beside the largest group, and not shown where they are few."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ham.reporting import result_tables, tables
from ham.reporting.comparison_tables import Beside
from ham.reporting.differences import differences
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.reporting.subgroups_figure import write_subgroups
from ham.scoring import localization
from ham.scoring.metric_rows import MEAN, metric_row
from ham.scoring.run import pairs_drawn, take_samples
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

from .test_tables import pick, set_scores

Make = Callable[..., Path]
FINDINGS = ("Mass", "Nodule")
VIEWS = {"0": "AP", "1": "PA", "2": "AP", "3": "PA", "4": "PA", "5": "PA"}  # of patients
IOUS = [
    {"Mass": [0.4, 0.5, 0.1, 0.0, 0.9, 0.1], "Nodule": [0.5, 0.1, 0.6, 0.4]},
    {"Mass": [0.1, 0.4, 0.1, 0.4, 0.1, 0.1], "Nodule": [0.5, 0.9, 0.6, 0.1]},
]


def with_views(folder: Path, ious: dict[str, list[float]]) -> None:
    """The scores of set_scores with those of two views, and AUCs of .8 and .7 that are the same in each resample."""
    resampling = set_scores(folder, ious, 0.8)
    pairs = pd.read_csv(folder / "localization.csv", dtype={"patient": str})
    pairs["view"] = pairs["patient"].map(VIEWS)
    pairs.to_csv(folder / "localization.csv", index=False)
    metrics = json.loads((folder / "metrics.json").read_text())
    settings = ScoringSettings(t_iou=(0.3,), t_ior=(0.5,), leave_out="Mass")
    subgroups = []
    for view, value, images in (("AP", 0.8, 10), ("PA", 0.7, 30)):
        own = pairs[pairs["view"] == view]
        rows = localization.metric_rows(own, FINDINGS, FINDINGS, settings, resampling)
        rows.append(
            metric_row("auc", None, MEAN, value, samples=np.full(200, value), n_images=images, findings=["Mass"])
        )
        subgroups += [{**row, "group": f"view={view}"} for row in rows if row["metric"] in ("auc", "t_iou")]
    truth = Truth("", FINDINGS, FINDINGS, (), (), np.zeros(0), (), {"view": {"0": "AP", "1": "PA"}})
    with np.load(folder / "resamples.npz") as file:
        samples = {name: file[name] for name in file.files if not name.startswith("pairs")}
    taken = take_samples({"classification": [], "localization": [], "floors": {}, "subgroups": subgroups})
    np.savez(folder / "resamples.npz", **samples | taken | pairs_drawn(pairs, truth, resampling))
    (folder / "metrics.json").write_text(json.dumps({**metrics, "subgroups": subgroups}))


@pytest.fixture
def rows(make_split: Make) -> list[tables.TidyRow]:
    folders = [make_split("fold1"), make_split("fold2")]
    for folder, ious in zip(folders, IOUS, strict=True):
        with_views(folder, ious)
    return tables.tidy_rows(read_results(folders))


def test_groups_are_pooled_over_the_pairs_that_they_have(rows: list[tables.TidyRow]) -> None:
    table = tables.framed(rows)
    about = {"metric": "t_iou", "scope": "mean"}
    # AP are patients 0 and 2: Mass .4 .1 .1 .1, Nodule .5 .6 .5 .6; the whole has 12 and 8
    row = pick(table, group="view=AP", split="pooled", **about)
    assert row["value"] == pytest.approx((1 / 4 + 1) / 2)
    assert (row["n_pairs"], row["n_splits"]) == (8, 2)
    assert row["low"] < row["value"] < row["high"]
    whole = pick(table, group="", split="pooled", **about)
    assert whole["value"] == pytest.approx((5 / 12 + 6 / 8) / 2)
    assert pick(table, group="view=PA", split="mean", metric="auc", scope="mean")["value"] == pytest.approx(0.7)


def test_a_group_is_compared_with_the_largest_and_the_whole_is_left_alone(rows: list[tables.TidyRow]) -> None:
    found = differences(rows)
    assert set(zip(found["variant"], found["group"], found["reference"], strict=True)) == {
        ("ham", "view=AP", "view=PA")
    }
    auc = pick(found, metric="auc", scope="mean")
    assert (auc["value"], auc["low"], auc["high"]) == pytest.approx((0.1, 0.1, 0.1))
    # of each fold, mean of Mass and Nodule: AP less PA, PA being patients 1, 3, 4, 5
    one = (1 / 2 + 1) / 2 - (2 / 4 + 1 / 2) / 2
    two = (0 + 1) / 2 - (2 / 4 + 1 / 2) / 2
    assert pick(found, metric="t_iou", scope="mean")["value"] == pytest.approx((one + two) / 2)


def test_a_table_shows_groups_and_hides_what_is_of_few(rows: list[tables.TidyRow]) -> None:
    settings = ReportingSettings(t_iou_thresholds=(0.3,), subgroup_minimum=10)
    beside = Beside(compared=differences(rows), subgroups=tables.framed([row for row in rows if row["group"]]))
    shown = result_tables.build_tables(tables.framed(tables.of_all_images(rows)), settings, beside=beside)
    (table,) = (table for table in shown if table.title == "Subgroups")
    assert [row.label for row in table.rows] == ["AP", "AP less PA", "PA"]
    assert table.rows[0].cells == ["20", "8", "0.800", "n < 10"]
    assert table.rows[1].cells == ["", "", "+0.100*", "n < 10"]
    assert table.rows[2].cells[:3] == ["60", "12", "0.700"]
    assert not [table for table in shown if any(row.label == "AP" for row in table.rows if table.title != "Subgroups")]
    (summary,) = (table for table in shown if table.title == "T(IoU), mean over findings, pooled")
    assert summary.rows[0].cells[0] == f"{(5 / 12 + 6 / 8) / 2:.3f}"


def test_the_figure_shows_groups_and_says_where_there_are_none(make_split: Make, tmp_path: Path) -> None:
    folder = make_split("fold1")
    with_views(folder, IOUS[0])
    settings = ReportingSettings(subgroup_minimum=4)
    tables.write_tables([folder], tmp_path / "tables/e.csv", settings)
    for name, subgroups in (("some", tmp_path / "tables/subgroups/e.csv"), ("none", tmp_path / "none.csv")):
        if name == "none":
            text = (tmp_path / "tables/subgroups/e.csv").read_text()
            subgroups.write_text(text.splitlines()[0] + "\n")
        write_subgroups(tmp_path / "tables/e.csv", subgroups, tmp_path / name, settings)
    some, none = (Image.open(tmp_path / f"{name}.png").size for name in ("some", "none"))
    assert none == (1430, 264)  # a sentence
    assert some[1] > 300  # panels, a line a group


def test_who_reads_the_tidy_table_meets_all_images_only_and_groups_stand_beside(
    make_split: Make, tmp_path: Path
) -> None:
    folder = make_split("fold1")
    with_views(folder, IOUS[0])
    tables.write_tables([folder], tmp_path / "tables/e.csv", ReportingSettings())
    table, groups = (tables.read_table(tmp_path / path) for path in ("tables/e.csv", "tables/subgroups/e.csv"))
    assert set(table["group"]) == {""}
    assert set(groups["group"]) == {"view=AP", "view=PA"}
    assert not table.duplicated(["variant", "split", "metric", "threshold", "scope", "finding"]).any()
