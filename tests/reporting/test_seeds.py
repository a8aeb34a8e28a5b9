"""Several seeds of one variant: one row of the tables, by hand, and each seed by itself in a table of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ham.reporting import result_tables, tables
from ham.reporting.differences import differences
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings

from .test_tables import pick, set_scores

Make = Callable[..., Path]
# T(IoU) at .3 of Mass, Nodule: seed 0 1/2 1 and 1/4 0; seed 1 1 1 and 3/4 1
SEEDS = {
    "ham": [({"Mass": [0.1, 0.5], "Nodule": [0.9]}, 0.8), ({"Mass": [0.3, 0.1, 0.1, 0.2], "Nodule": [0.0]}, 0.7)],
    "ham-seed1": [({"Mass": [0.4, 0.5], "Nodule": [0.9]}, 0.9), ({"Mass": [0.3, 0.4, 0.6, 0.2], "Nodule": [0.5]}, 0.7)],
}


@pytest.fixture
def folders(make_split: Make) -> list[Path]:
    out = []
    for seed, (variant, folds) in enumerate(SEEDS.items()):
        for number, (pairs, auc) in enumerate(folds, 1):
            folder = make_split(f"fold{number}", variant=variant)
            set_scores(folder, pairs, auc)
            metrics = json.loads((folder / "metrics.json").read_text())
            (folder / "metrics.json").write_text(json.dumps(metrics | {"base": "ham", "seed": seed}))
            out.append(folder)
    return out


def test_a_split_is_the_mean_of_its_seeds_and_the_spread_over_seeds_stands_beside(folders: list[Path]) -> None:
    rows = tables.tidy_rows(read_results(folders))
    table = tables.framed(rows)
    assert set(table["variant"]) == {"ham"}
    mean = {"metric": "t_iou", "scope": "mean"}
    assert pick(table, split="fold1", **mean)["value"] == pytest.approx((0.75 + 1) / 2)
    assert pick(table, split="fold2", **mean)["value"] == pytest.approx((0.125 + 0.875) / 2)
    over_splits = pick(table, split="mean", **mean)
    assert over_splits["value"] == pytest.approx((0.875 + 0.5) / 2)
    assert (over_splits["n_seeds"], over_splits["n_pairs"]) == (2, 8)
    assert over_splits["low"] < over_splits["value"] < over_splits["high"]
    assert pick(table, split="sd", **mean)["value"] == pytest.approx(np.std([0.875, 0.5], ddof=1))
    # of seeds: (.75 + .125) / 2 and (1 + .875) / 2
    assert pick(table, split="seed sd", **mean)["value"] == pytest.approx(np.std([0.4375, 0.9375], ddof=1))
    # all pairs together: Mass 2/6 and 5/6, Nodule 1/2 and 2/2
    assert pick(table, split="pooled", **mean)["value"] == pytest.approx((2 / 6 + 1 / 2 + 5 / 6 + 1) / 4)
    auc = {"metric": "auc", "finding": "Mass"}
    assert pick(table, split="seed sd", **auc)["value"] == pytest.approx(np.std([0.75, 0.8], ddof=1))


def test_seeds_are_no_variants_to_compare_and_each_stands_by_itself_elsewhere(
    folders: list[Path], tmp_path: Path
) -> None:
    assert differences(tables.tidy_rows(read_results(folders))).empty
    tables.write_tables(folders, tmp_path / "tables/e.csv", ReportingSettings())
    alone = tables.read_table(tmp_path / "tables/seeds/e.csv")
    about = {"variant": "ham", "metric": "t_iou", "scope": "mean", "split": "mean"}
    assert pick(alone, seed=0, **about)["value"] == pytest.approx(0.4375)
    assert pick(alone, seed=1, **about)["value"] == pytest.approx(0.9375)
    (shown,) = (
        table
        for table in result_tables.build_tables(tables.read_table(tmp_path / "tables/e.csv"), ReportingSettings())
        if table.title == "Seeds"
    )
    (row,) = (row for row in shown.rows if row.label == "T(IoU) at 0.3")
    assert (row.block, row.cells) == ("ham: 2 seeds", ["0.688", "0.265", "0.354"])


def test_one_seed_changes_nothing(folders: list[Path], tmp_path: Path) -> None:
    tables.write_tables(folders[:2], tmp_path / "tables/e.csv", ReportingSettings())
    table = tables.read_table(tmp_path / "tables/e.csv")
    assert "seed sd" not in set(table["split"])
    assert set(table["n_seeds"]) == {1}
    assert tables.read_table(tmp_path / "tables/seeds/e.csv").empty


def test_a_number_that_one_seed_lacks_has_no_mean(folders: list[Path]) -> None:
    set_scores(folders[2], SEEDS["ham-seed1"][0][0], None)
    metrics = json.loads((folders[2] / "metrics.json").read_text())
    (folders[2] / "metrics.json").write_text(json.dumps(metrics | {"base": "ham", "seed": 1}))
    row = pick(tables.framed(tables.tidy_rows(read_results(folders))), split="fold1", metric="auc", finding="Mass")
    assert math.isnan(row["value"])
    assert row["reason"] == "no image has it"
