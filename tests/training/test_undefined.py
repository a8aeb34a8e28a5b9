"""What no epoch defines is said, and never passed off as the best."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest

from ham.training.ingredients import Ingredients
from ham.training.run import explain_undefined, write_outputs
from ham.training.settings import TrainingSettings
from ham.training.state import Resume, State
from ham.training.validation import choose_checkpoints

ROW = {"epoch": 1, "steps": 3, "images_per_second": 2.0, "validation_auc": math.nan}


def state(epoch: int, **checkpoints: int) -> State:
    settings = TrainingSettings().plain()
    return State(Ingredients(settings, {}, {}), epoch, 2, checkpoints, {}, {}, [ROW], 1.0, {})


def test_without_a_validation_auc_no_epoch_is_the_best() -> None:
    assert choose_checkpoints({}, ROW) == {}


def test_run_json_and_the_log_say_that_the_last_epoch_stands_in_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resume = Resume(tmp_path / ".resume")
    done = replace(state(2), checkpoints={"last": 2, "best-t-iou": 1, "best-t-ior": 2})
    for epoch in (1, 2):
        path = resume.weights(epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"epoch {epoch}")
    with caplog.at_level(logging.WARNING, "ham"):
        write_outputs(tmp_path / "out", resume, done, TrainingSettings(checkpoint="best-auc"))
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["checkpoints"] == {"last": 2, "best-auc": 2, "best-t-iou": 1, "best-t-ior": 2}
    reason = "no finding has validation images both with and without it, so there is no validation AUC"
    assert run["undefined_checkpoints"] == {"best-auc": reason}
    assert f"the checkpoint best-auc is undefined ({reason}): the last epoch, 2, stands in its place" in caplog.text
    assert (tmp_path / "out/model.safetensors").read_text() == "epoch 2"


def test_without_validation_boxes_what_chooses_by_them_is_undefined() -> None:
    found = explain_undefined(replace(state(2), checkpoints={"last": 2, "best-auc": 1}))
    assert set(found) == {"best-t-iou", "best-t-ior"}
    assert found["best-t-iou"] == "no validation image has boxes, so there is no validation T(IoU)"
