"""The same maps under three ways to find the cut, and the protocol, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ham.reporting import tables
from ham.reporting.cuts import compare_cuts, cuts_beside, read_cuts
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.scoring.chosen_cuts import half_of

from .test_tables import pick, set_scores

Make = Callable[..., Path]
PATIENTS = [str(number) for number in range(6)]
FIXED = {"Mass": [0.4, 0.1, 0.2, 0.9, 0.1, 0.1], "Nodule": [0.5, 0.0, 0.0, 0.0, 0.0, 0.0]}


def test_the_three_ways_by_hand(make_split: Make, tmp_path: Path) -> None:
    split = make_split("fold1")
    set_scores(split, FIXED, 0.8)
    halves = [half_of(patient) for patient in PATIENTS]
    assert 0 < sum(halves) < 6
    # at .2 the pairs of the first half reach .3, at .6 those of the second, at .9 none does
    table = pd.DataFrame({"image": "x.png", "patient": PATIENTS * 2, "finding": ["Mass"] * 6 + ["Nodule"] * 6})
    for cut, half in (("0.2", 0), ("0.6", 1), ("0.9", 2)):
        table[cut] = [0.8 if own == half else 0.1 for own in halves] * 2
    table.to_csv(split / "cuts.csv", index=False)
    found = compare_cuts(read_results([split]))
    first = halves.count(0) / 6
    value = {row["cut_from"]: (row["value"], row["cut"]) for _, row in found.iterrows()}
    assert value["fixed"] == (pytest.approx((2 / 6 + 1 / 6) / 2), "0.469")
    assert value["oracle"] == (pytest.approx(max(first, 1 - first)), "0.2" if first >= 0.5 else "0.6")
    # the first half is scored where the second does best, and the other way round: nothing reaches .3 there
    assert value["held-out boxes"] == (0.0, "0.6/0.2")
    assert set(found["n_pairs"]) == {12}
    tables.write_tables([split], tmp_path / "x.csv", ReportingSettings(t_iou_thresholds=(0.3,)))
    pd.testing.assert_frame_equal(read_cuts(cuts_beside(tmp_path / "x.csv")), found, check_dtype=False)
    text = (tmp_path / "x.md").read_text()
    assert "| fixed as published | 0.250 at 0.469 |" in text
    assert "chosen on the boxes scored: no result" in text


def test_checkpoint_and_cut_stand_in_the_table(make_split: Make, tmp_path: Path) -> None:
    wanted = {"ham": "last epoch", "seen": "best-t-iou on test images", "apart": "best-auc on other images"}
    splits = []
    for variant, checkpoint in wanted.items():
        split = make_split("fold1", variant=variant)
        run, metrics = (json.loads((split / name).read_text()) for name in ("run.json", "metrics.json"))
        run["settings"] = {"checkpoint": checkpoint.split()[0]}
        run["lists"] = {"validation": "Main/test" if variant == "seen" else "Main/val", "validation_boxes": None}
        metrics["lists"] = {"test": "Main/test", "test_boxes": "bbox/test"}
        (split / "run.json").write_text(json.dumps(run))
        (split / "metrics.json").write_text(json.dumps(metrics))
        splits.append(split)
    tables.write_tables(splits, tmp_path / "x.csv", ReportingSettings())
    table = tables.read_table(tmp_path / "x.csv")
    about = {"metric": "t_iou", "threshold": 0.3, "finding": "mean"}
    for variant, checkpoint in wanted.items():
        row = pick(table, variant=variant, **about)
        assert (row["checkpoint"], row["cut"]) == (checkpoint, "fixed at 0.469, in 64 x 64")
        assert pick(table, variant=variant, metric="auc", finding="mean")["cut"] == ""
        assert f"| {variant} | {checkpoint} | fixed at 0.469, in 64 x 64 |" in (tmp_path / "x.md").read_text()
    prior = pick(table, variant="location-prior", **about)
    assert (prior["checkpoint"], prior["cut"]) == ("", "best on the boxes it is made from")
