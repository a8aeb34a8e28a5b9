"""What runs again after a change, and what does not."""

from __future__ import annotations

import json
import os
import re

from metrics_schema import check_all

from ham.training.overview import read_trainings

from .conftest import Checkout

TRAININGS = {"train": 2, "predict": 2, "score": 2, "exchange_files": 1}
REPORTS = {
    "table": 1,
    "differences_figure": 1,
    "subgroups_figure": 1,
    "experiment_figures": 1,
    "experiment_gallery": 1,
    "gallery_page": 1,
    "model_card": 2,
    "report_page": 1,
}


def test_a_finished_run_has_everything_and_nothing_to_do(finished: Checkout) -> None:
    results = finished.folder / "results/phantom"
    for name in (
        "report.html",
        "tables/localization-5fold.csv",
        "tables/localization-5fold.tex",
        "tables/leakage/localization-5fold.csv",
        "figures/localization-5fold-t-iou.svg",
        "gallery/localization-5fold/ham.png",
        "exchange/localization-5fold/ham/coco-results.json",
        "cards/localization-5fold/ham/fold2.md",
        "localization-5fold/ham/fold2/maps.npz",
    ):
        assert (results / name).stat().st_size > 0
    assert "Nothing to be done" in finished.run().stdout


def test_a_loss_weight_reruns_trainings_and_what_follows(changed: Checkout) -> None:
    changed.edit("small.yaml", "  batch_size: 8", "  batch_size: 8\n  loss: {weights: {box: 0.4}}")
    assert changed.planned() == {**TRAININGS, **REPORTS}


def test_a_report_option_reruns_reports_only(changed: Checkout) -> None:
    changed.edit("small.yaml", "dataset: phantom", "dataset: phantom\nreporting: {gallery_examples: 2}")
    assert changed.planned() == {rule: jobs for rule, jobs in REPORTS.items() if rule != "gallery_page"}  # has none


def test_a_comment_in_a_loss_reruns_nothing_and_a_constant_reruns_trainings(changed: Checkout) -> None:
    changed.edit("ham/model/losses.py", "TINY = 1e-5", "# a comment\nTINY = 1e-5")
    changed.edit("ham/model/losses.py", '"""The five losses', '"""All five losses')
    assert changed.planned() == {}
    changed.edit("ham/model/losses.py", "TINY = 1e-5", "TINY = 1e-6")
    assert changed.planned() == {**TRAININGS, **REPORTS}


def test_the_plan_of_a_run_is_known_to_who_watches(finished: Checkout) -> None:
    trainings = read_trainings(finished.folder / "results/.resume")
    assert [(one.run, one.state, one.epoch, one.epochs) for one in trainings] == [
        (f"phantom/localization-5fold/ham/fold{number}", "done", 2, 2) for number in (1, 2)
    ]
    plan = json.loads((finished.folder / "results/.resume/phantom/plan.json").read_text())
    assert sorted((one["run"], one["epochs"]) for one in plan) == [(one.run, 2) for one in trainings]


# Each of these once retrained everything, to the same bits.
TALK = [
    ("ham/datasets/acquire/disk_space.py", "GB free and", "GB left and"),
    (
        "ham/datasets/settings.py",
        "What CheXpert's uncertain labels are read as",
        "How CheXpert's uncertain labels are read",
    ),
    ("ham/runtime/locks.py", "POLL = 5.0", "POLL = 7.0"),
    ("ham/datasets/settings.py", "default=600, ge=40", "default=610, ge=40"),
    ("ham/runtime/progress.py", "LOG_EVERY = 60.0", "LOG_EVERY = 30.0"),
    ("ham/training/run.py", "images a second", "images every second"),
    ("ham/training/state.py", "remove what you do not need", "delete what you do not need"),
    ("ham/training/faults.py", "became {value} in epoch", "has become {value} in epoch"),
    ("ham/model/card.py", "a newer one wrote it", "it comes from a newer one"),
    ("ham/errors.py", "A problem that the user can mend.", "A problem that a user can mend."),
]


def test_words_waits_and_defaults_retrain_nothing(changed: Checkout) -> None:
    for file, old, new in TALK:
        changed.edit(file, old, new)
    assert changed.planned() == {}


def test_a_step_that_computes_otherwise_retrains(changed: Checkout) -> None:
    changed.edit("ham/training/step.py", "learner.network.train()", "learner.network.train(True)")
    assert changed.planned() == {**TRAININGS, **REPORTS}


def test_a_converter_that_leaves_what_a_training_uses_sees_no_epoch_run(changed: Checkout) -> None:
    folds = changed.folder / "datasets/Phantom/ImageSets/Main/by-patient/fold1/test.txt"
    listed = folds.read_text()
    changed.edit("small.yaml", "data:", "data:\n  folds: {seed: 1}")  # lists that no training here uses
    before = (changed.folder / "results/phantom/localization-5fold/ham/fold1/model.safetensors").read_bytes()
    source = (changed.folder / "ham/datasets/sources/nih.py").read_text()
    (changed.folder / "ham/datasets/sources/nih.py").write_text(source + "\n\nUNUSED = 1\n")
    planned = changed.planned("trainings")
    assert planned["convert"] == 1
    assert "draw_phantom" not in planned
    text = changed.run("trainings").stdout
    assert not re.search(r"epoch 1 of", text)
    after = (changed.folder / "results/phantom/localization-5fold/ham/fold1/model.safetensors").read_bytes()
    assert after == before
    assert folds.read_text() != listed


def test_a_forced_fold_is_not_trained_again_for_nothing(changed: Checkout) -> None:
    model = "results/phantom/localization-5fold/ham/fold1/model.safetensors"
    text = changed.snakemake(model, *changed.config, "--cores", "2", "--forcerun", "train").stdout
    assert "already trained" in text
    assert "epoch 1 of" not in text


def test_another_checkpoint_is_tested_without_training(changed: Checkout) -> None:
    changed.edit("small.yaml", "training: {epochs: 2, checkpoint: last}", "training: {epochs: 2, checkpoint: best-auc}")
    assert changed.planned("trainings") == {"train": 2}
    assert "epoch 1 of" not in changed.run("trainings").stdout


def test_another_mirror_fetches_nothing_again(changed: Checkout) -> None:
    changed.edit("small.yaml", "data:", "data:\n  mirror: /somewhere/else")
    assert changed.planned() == {}


def test_metrics_hold_the_numbers_of_their_files(finished: Checkout) -> None:
    split = finished.folder / "results/phantom/localization-5fold/ham/fold1"
    metrics = json.loads((split / "metrics.json").read_text())
    pairs = (split / "localization.csv").read_text().splitlines()
    assert metrics["counts"]["pairs"] == len(pairs) - 1 > 0
    for count in metrics["counts"]["findings"].values():
        assert (count["positives"], count["pairs"]) == (count["positives_listed"], count["pairs_listed"])
    measures = {"auc", "auc_published", "accuracy", "accuracy_published", "majority_rate"}
    measures |= {"average_precision", "brier", "calibration_error"}
    assert {row["metric"] for row in metrics["classification"]} == measures
    assert set(metrics["floors"]) == {"location-prior", "random-map", "whole-image"}
    assert {row["group"].split("=")[0] for row in metrics["subgroups"]} == {"view", "sex", "age"}
    assert os.sep + "tmp" not in json.dumps(metrics)


def test_every_metrics_json_is_as_its_schema_describes_it(finished: Checkout) -> None:
    assert check_all(finished.folder / "results") == 2


def test_snakemakes_own_report_is_made(finished: Checkout) -> None:
    finished.run("all", "--report", "report.zip")
    assert (finished.folder / "report.zip").stat().st_size > 10_000
