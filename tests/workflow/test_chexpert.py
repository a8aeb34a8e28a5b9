"""The phantom in CheXpert's layout, through to tables and pictures: boxes must sit where they were drawn."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from metrics_schema import check_all
from PIL import Image, ImageColor
from pycocotools import mask as run_lengths

from ham.datasets.dataset import Dataset
from ham.model.overlays import BOX_COLOUR
from ham.reporting.gallery import MARGIN, SIDE, choose_examples, panels
from ham.reporting.results import read_results
from ham.scoring.truth import find_pairs, masks_of

from .conftest import Checkout, copy_of_workflow

SMALL = """
dataset: chexpert-phantom
experiments: [localization-5fold-by-patient]
data:
  folds: {count: 2}
  phantom: {seed: 0, images: 60, patients: 34, boxed: 0.7}
training:
  image_size: 64
  batch_size: 8
  epochs: 1
  checkpoint: last
  network: {architecture: resnet18, pretrained: null, batch_norm_images: null}
define:
  experiments:
    localization-5fold-by-patient: {splits: [fold1, fold2], training: {epochs: 1, checkpoint: last}}
"""
RESULTS = "results/chexpert-phantom"
LOCALIZATION = f"{RESULTS}/localization-5fold-by-patient/ham"
VALID = f"{RESULTS}/classification-train-valid/ham/valid"
SPELT = {"edema": "Edema", "Enlarg_Cardiomediastinum": "Enlarged_Cardiomediastinum"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the small run has been made."""
    checkout = copy_of_workflow(tmp_path_factory.mktemp("chexpert") / "checkout")
    (checkout.folder / "small.yaml").write_text(SMALL)
    checkout.config = ["--configfile", "config/chexpert.yaml", "small.yaml"]
    checkout.run("report", "exchange", f"{VALID}/metrics.json")
    return checkout


@pytest.fixture
def dataset(finished: Checkout) -> Dataset:
    return Dataset.open(finished.work / "datasets/CheXpertPhantom")


@pytest.fixture
def corners(dataset: Dataset) -> dict[tuple[str, str], list[list[int]]]:
    """The authors' corners of every image and finding, read without ham."""
    given = json.loads((dataset.folder / ".drawn/BBoxes.json").read_text())
    return {
        (image, SPELT.get(name, name)): boxes
        for image, found in given.items()
        for name, boxes in found.items()
        if boxes
    }


def rows(path: Path) -> list[dict[str, Any]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_it_runs_through_to_tables_and_a_page_that_says_drawn(finished: Checkout, dataset: Dataset) -> None:
    table = pd.read_csv(finished.work / RESULTS / "tables/localization-5fold-by-patient.csv")
    assert {"auc", "t_iou", "t_ior"} <= set(table["metric"])
    whole = table[table["group"].isna()]
    assert np.isfinite(whole.query("metric == 't_iou' and finding == 'mean' and split == 'mean'")["value"]).all()
    assert "Drawn images." in (finished.work / RESULTS / "report.html").read_text()
    metrics = json.loads((finished.work / VALID / "metrics.json").read_text())
    assert metrics["counts"]["images"] == len(dataset.listed("Main/valid"))
    history = pd.read_csv(finished.work / VALID / "history.csv")
    assert np.isfinite(history["loss"]).all()
    assert dataset.table[list(dataset.findings)].isna().to_numpy().any()  # uncertain labels that were left out
    assert finished.planned("report") == {}


def test_every_annotated_image_is_tested_once_without_its_patient_in_training(
    finished: Checkout, corners: dict[tuple[str, str], Any]
) -> None:
    tested = [
        row for fold in ("fold1", "fold2") for row in rows(finished.work / LOCALIZATION / fold / "localization.csv")
    ]
    assert sorted((row["image"], row["finding"]) for row in tested) == sorted(corners)
    for audit in (finished.work / RESULTS / "tables/leakage").iterdir():
        assert {row["test_images_of_train_patients"] for row in rows(audit)} == {"0"}


def test_truth_masks_are_the_corners_scaled_along_each_axis(
    finished: Checkout, dataset: Dataset, corners: dict[tuple[str, str], list[list[int]]]
) -> None:
    wanted = find_pairs(dataset, list(dataset.boxes))
    truth = masks_of(wanted, 64)
    oblong = 0
    for pair, mask in zip(wanted, truth, strict=True):
        with Image.open(dataset.folder / ".drawn" / pair.image) as image:
            width, height = image.size
        oblong += width != height
        xs, ys = ((np.arange(64) + 0.5) * width / 64).astype(int), ((np.arange(64) + 0.5) * height / 64).astype(int)
        expected = np.zeros((64, 64), dtype=bool)
        for x0, y0, x1, y1 in corners[pair.image, pair.finding]:
            expected |= ((ys >= y0) & (ys < y1))[:, None] & ((xs >= x0) & (xs < x1))[None, :]
        np.testing.assert_array_equal(mask, expected, err_msg=str(pair))
    assert oblong > 10
    areas = {(pair.image, pair.finding): int(mask.sum()) for pair, mask in zip(wanted, truth, strict=True)}
    for row in rows(finished.work / LOCALIZATION / "fold1" / "localization.csv"):
        assert int(row["true_area"]) == areas[row["image"], row["finding"]]


def test_every_metrics_json_is_as_its_schema_describes_it(finished: Checkout) -> None:
    assert check_all(finished.work / RESULTS) == 3


def test_boxes_in_the_gallery_sit_where_they_were_drawn(
    finished: Checkout, dataset: Dataset, corners: dict[tuple[str, str], list[list[int]]]
) -> None:
    results = read_results([finished.work / LOCALIZATION / fold for fold in ("fold1", "fold2")])
    sheet = np.asarray(Image.open(finished.work / RESULTS / "gallery/localization-5fold-by-patient/ham.png"))
    colour = np.array(ImageColor.getrgb(BOX_COLOUR))
    seen = set()
    for finding in dataset.boxed_findings:
        for number, example in enumerate(choose_examples(results, finding, 4)):
            panel = np.asarray(panels(dataset, example)[0])
            with Image.open(dataset.folder / ".drawn" / example.image) as image:
                width, height = image.size
            scale = SIDE / max(width, height)
            left, top = (SIDE - round(width * scale)) // 2, (SIDE - round(height * scale)) // 2
            ((x0, y0, x1, y1),) = corners[example.image, finding]
            expected = [left + x0 * scale, top + y0 * scale, left + x1 * scale, top + y1 * scale]
            marked = (panel == colour).all(axis=2)
            columns, lines = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
            np.testing.assert_allclose([columns[0], lines[0], columns[-1], lines[-1]], expected, atol=1.01)
            seen.add(width > height)
            if number == 0:  # the first of a finding stands at the sheet's left margin
                strip = sheet[:, MARGIN : MARGIN + SIDE]
                starts = [y for y in range(len(strip) - SIDE) if np.array_equal(strip[y : y + SIDE], panel)]
                assert len(starts) == 1, example.image
    assert seen == {True, False}


def test_chexlocalizes_form_has_the_boxes_under_its_own_keys(
    finished: Checkout, dataset: Dataset, corners: dict[tuple[str, str], list[list[int]]]
) -> None:
    folder = finished.work / RESULTS / "exchange/localization-5fold-by-patient/ham"
    truth, predicted = (json.loads((folder / f"chexlocalize-{name}.json").read_text()) for name in ("truth", "results"))
    images = [image for fold in ("fold1", "fold2") for image in dataset.listed(f"bbox/by-patient/{fold}/test")]
    keys = {image: "_".join(Path(image).with_suffix("").parts[1:]) for image in images}
    assert list(truth) == list(predicted) == list(keys.values())
    assert all(key.startswith("patient") and key.endswith(("_frontal", "_lateral")) for key in keys.values())
    seen = 0
    for (image, finding), given in corners.items():
        if image not in keys:
            continue
        with Image.open(dataset.folder / ".drawn" / image) as opened:
            expected = np.zeros((opened.height, opened.width), dtype=bool)
        for x0, y0, x1, y1 in given:
            expected[y0:y1, x0:x1] = True
        task = finding.replace("_", " ")
        np.testing.assert_array_equal(run_lengths.decode(truth[keys[image]][task]), expected)
        assert run_lengths.decode(predicted[keys[image]][task]).shape == expected.shape
        seen += expected.shape[0] != expected.shape[1]
    assert seen > 10


def test_a_users_folder_is_watched_and_may_be_away(finished: Checkout, dataset: Dataset, tmp_path: Path) -> None:
    own = tmp_path / "CheXpert-v1.0"
    shutil.copytree(dataset.folder / ".drawn", own)
    checkout = copy_of_workflow(tmp_path / "checkout")
    descriptions = checkout.folder / "config/datasets"
    text = (descriptions / "chexpert-phantom.yaml").read_text()
    text = text.replace("drawn: chexpert_phantom", "").replace("name: CheXpertPhantom", "name: Own")
    (descriptions / "own.yaml").write_text(text)
    small = SMALL.replace("dataset: chexpert-phantom", "dataset: own")
    (checkout.folder / "small.yaml").write_text(small.replace("data:", f"data:\n  folder: {own}\n  mirror: {own}"))
    checkout.config = ["--configfile", "config/chexpert.yaml", "small.yaml"]
    checkout.run("datasets")
    assert checkout.planned("datasets") == {}
    own.rename(tmp_path / "away")
    assert checkout.planned("datasets") == {}
    (tmp_path / "away").rename(own)
    assert checkout.planned("datasets") == {}
    first, second = sorted((own / "train").rglob("*.jpg"))[:2]
    os.utime(second, (1, 1))
    second.replace(first)
    assert checkout.planned("datasets")["convert"] == 1
    done = checkout.snakemake("datasets", *checkout.config, "--cores", "1", check=False)
    assert done.returncode == 1  # an image of the table is not there any more
    assert "Own has a mistake" in done.stdout.rstrip().splitlines()[-2]
