"""What a dry run plans; nothing is computed here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, Checkout, copy_of_workflow


@pytest.fixture
def paper(tmp_path: Path) -> Checkout:
    checkout = copy_of_workflow(tmp_path / "checkout")
    shutil.copy(ROOT / "pyproject.toml", checkout.folder)  # snakefmt reads its line length there
    checkout.config = []
    return checkout


def test_the_paper_is_twelve_trainings(paper: Checkout) -> None:
    found = paper.planned()
    assert (found["train"], found["predict"], found["score"]) == (12, 12, 12)
    assert (found["fetch_archive"], found["unpack"], found["convert"], found["table"]) == (12, 12, 1, 4)
    assert found["leakage"] == 4  # an audit an experiment
    assert "refine" not in found
    assert "draw_phantom" not in found


def test_each_experiment_has_an_audit_of_its_own(paper: Checkout) -> None:
    """Fewer experiments asked for do not overwrite the audit of the others."""
    done = paper.snakemake("tables", "-n", "--config", "experiments=[localization-without-boxes]")
    assert "seen of the test images of localization-without-boxes" in done.stdout
    assert "seen of the test images of localization-5fold" not in done.stdout


def test_results_of_another_data_set_under_the_same_key_stop_the_plan(paper: Checkout) -> None:
    folder = paper.work / "results/nih/localization-5fold/ham/fold1"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"dataset": "nih", "dataset_name": "Other"}')
    done = paper.snakemake("tables", "-n", check=False)
    assert done.returncode != 0
    assert "is of the data set Other, and the description nih is now of NIHChestXray14" in done.stdout


def test_one_fold_is_one_training(paper: Checkout) -> None:
    assert paper.planned("results/nih/localization-5fold/ham/fold1/metrics.json")["train"] == 1


def test_the_twins_by_patient_can_be_asked_for(paper: Checkout) -> None:
    folds = [
        f"results/nih/{name}-5fold-by-patient/ham/fold5/metrics.json" for name in ("classification", "localization")
    ]
    assert paper.planned(*folds)["train"] == 2


def test_refined_boxes_are_made_once_and_only_where_a_variant_wants_them(paper: Checkout) -> None:
    folds = [f"results/nih/localization-5fold/with-crf/fold{k}/metrics.json" for k in (1, 2)]
    found = paper.planned(*folds)
    assert (found["refine"], found["train"]) == (1, 2)


def test_an_image_store_is_made_once_and_only_where_it_is_configured(paper: Checkout) -> None:
    folds = [f"results/nih/localization-5fold/ham/fold{k}/metrics.json" for k in (1, 2)]
    assert "store" not in paper.planned(*folds)
    (paper.folder / "store.yaml").write_text("data: {store: 576}\n")
    found = paper.planned(*folds, "--configfile", "store.yaml")
    assert (found["store"], found["train"], found["predict"]) == (1, 2, 2)
    (paper.folder / "store.yaml").write_text("data: {store: 256}\n")
    done = paper.snakemake(*folds, "-n", "--configfile", "store.yaml", check=False)
    assert "data.store: 256 pixels are too few for training.image_size 512" in done.stdout


def test_the_authors_checkpoints_are_tested_without_training(paper: Checkout) -> None:
    found = paper.planned("tables", "--config", "variants=[published]")
    assert "train" not in found
    assert (found["fetch_weights"], found["import_weights"], found["score"], found["table"]) == (2, 2, 2, 2)


def test_the_ablations_train_and_fetch_no_checkpoint(paper: Checkout) -> None:
    assert "import_weights" not in paper.planned("ablations")


def test_chexpert_is_six_trainings_and_is_planned_without_its_files(paper: Checkout) -> None:
    paper.config = ["--configfile", "config/config.yaml", "config/chexpert.yaml"]
    found = paper.planned()
    assert (found["train"], found["predict"], found["score"], found["table"]) == (6, 6, 6, 2)
    assert (found["fetch_tables"], found["convert"]) == (1, 1)
    assert not {"fetch_archive", "unpack", "link_images", "check_images", "draw_chexpert_phantom"} & set(found)


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ([], "data.folder: give the folder that holds"),
        (["data={folder: /nowhere}"], "/nowhere has no train.csv and no"),
    ],
)
def test_chexpert_is_not_begun_without_its_files(paper: Checkout, folder: list[str], said: str) -> None:
    words = ["datasets", "--configfile", "config/chexpert.yaml", "--cores", "1"]
    done = paper.snakemake(*words, *(["--config", *folder] if folder else []), check=False)
    assert done.returncode != 0
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert not (paper.work / "datasets").exists()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("results/nih/localization-5fold/ham/fold6/metrics.json", "fold6"),
        ("results/nih/localization-5fold/ham/official/metrics.json", "has no split official"),
        ("results/nih/localization-5fold/hamm/fold1/metrics.json", "hamm"),
    ],
)
def test_a_target_that_cannot_be_fails_before_anything_runs(paper: Checkout, target: str, said: str) -> None:
    done = paper.snakemake(target, "-n", check=False)
    assert done.returncode != 0
    assert said in done.stdout


def test_all_mistakes_of_a_configuration_stop_everything(paper: Checkout, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("traning: {}\ntraining: {epochs: 0, network: {downsampling: 4}}\n")
    done = paper.snakemake("--configfile", str(tmp_path / "wrong.yaml"), "-n", check=False)
    assert done.returncode != 0
    for said in ("3 mistakes", "traning: there is no such key", "training.epochs", "training.network.downsampling"):
        assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_formatting_is_snakefmts(paper: Checkout) -> None:
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    done = subprocess.run(command, cwd=paper.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--configfile", "config/chexpert.yaml"],
        ["--configfile", "config/chexpert.yaml", "--config", "dataset=chexpert-phantom"],
    ],
)
def test_lint_has_nothing_to_say(paper: Checkout, words: list[str]) -> None:
    assert "good condition" in paper.snakemake("--lint", *words).stdout
