"""An image store in the workflow."""

from __future__ import annotations

import json

from .conftest import Checkout

FOLD = "results/phantom/localization-5fold/ham/fold1"


def test_with_a_store_a_finished_training_is_another_one_and_says_so(changed: Checkout) -> None:
    changed.edit("small.yaml", "data:", "data:\n  store: 72")
    metrics = changed.folder / FOLD / "metrics.json"
    assert json.loads(metrics.read_text())["store"] is None
    assert changed.planned(f"{FOLD}/metrics.json") == {"store": 1, "train": 1, "predict": 1, "score": 1}
    changed.run(f"{FOLD}/metrics.json")
    assert json.loads(metrics.read_text())["store"] == 72
    assert json.loads((changed.folder / FOLD / "run.json").read_text())["store"] == 72
    assert changed.planned(f"{FOLD}/metrics.json") == {}
