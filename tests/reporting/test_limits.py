"""What limits an experiment is said in a clause each, and nothing is said where nothing does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ham.reporting import tables
from ham.reporting.leakage_figure import write_leakage
from ham.reporting.limits import list_limits
from ham.reporting.results import read_results
from ham.scoring.leakage import COLUMNS

from .test_page import lists
from .test_tables import set_scores

Make = Callable[..., Path]


def audit(path: Path, counts: list[tuple[int, int]]) -> Path:
    """A leakage audit with test images, and those of them whose patients are in training, of each fold."""
    rows = [
        dict.fromkeys(COLUMNS, 0)
        | {"experiment": path.stem, "variant": "ham", "split": f"fold{fold}", "kind": kind, "images": "listed"}
        | {"checkpoint": "last", "test_images": tested, "test_images_of_train_patients": seen}
        for fold, (tested, seen) in enumerate(counts, 1)
        for kind in ("classification", "localization")
    ]
    pd.DataFrame(rows)[list(COLUMNS)].to_csv(path, index=False)
    return path


def test_each_limit_is_a_clause(make_split: Make, tmp_path: Path) -> None:
    folder = make_split("fold1")
    set_scores(folder, {"Mass": [0.0, 0.5, 0.5, 0.5, 0.5], "Nodule": [0.4] * 10}, 0.8)
    lists(folder, "best-t-iou", "Main/test")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["counts"] |= {"present": 9, "listed": 12}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    group = read_results([folder])
    found = list_limits({"e": group}, {"e": tables.tidy(group)}, [audit(tmp_path / "e.csv", [(30, 20), (10, 9)])])
    assert found == {
        "e": [
            "9 of 12 test images were there",
            "72 % of the test images are of patients in training",  # 29 of 40
            "the tested weights of ham were chosen on the test images",
            "10 % of the regions of ham are empty",  # mean of 1 in 5 and 0 in 10
            "fewer than 10 pairs of Mass",
        ]
    }


def test_an_experiment_that_nothing_limits_is_not_named(make_split: Make, tmp_path: Path) -> None:
    folder = make_split("fold1")
    set_scores(folder, {"Mass": [0.5] * 10, "Nodule": [0.4] * 10}, 0.8)
    lists(folder, "best-t-iou", "Main/other")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["counts"] |= {"present": 9, "listed": 9}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    group = read_results([folder])
    assert list_limits({"e": group}, {"e": tables.tidy(group)}, [audit(tmp_path / "e.csv", [(30, 0)])]) == {}


def test_the_figure_of_an_audit_has_a_point_for_each_split_and_share(tmp_path: Path) -> None:
    write_leakage(audit(tmp_path / "e.csv", [(30, 20), (10, 9)]), tmp_path / "one")
    write_leakage(audit(tmp_path / "e.csv", [(30, 20), (10, 9)]), tmp_path / "again")
    write_leakage(audit(tmp_path / "e.csv", [(30, 20), (10, 3)]), tmp_path / "other")
    one, again, other = ((tmp_path / f"{name}.svg").read_bytes() for name in ("one", "again", "other"))
    assert one == again != other
