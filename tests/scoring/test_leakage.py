"""The audit of the lists, on a case small enough to count by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ham.datasets.dataset import Dataset
from ham.datasets.writer import Content, write_dataset
from ham.errors import DataError
from ham.scoring.leakage import COLUMNS, audit, write_leakage

# Image a2 is the second of patient a.
LISTS = {
    "train": ["a1", "a2", "b1", "c1"],
    "val": ["b2", "d1", "a2"],
    "val_boxes": ["e1"],
    "test": ["a3", "a4", "b2", "e2", "f1", "c1"],
    "test_boxes": ["a3", "f1"],
}


def content(**changes: Any) -> Content:
    images = sorted({image for images in LISTS.values() for image in images})
    table = pd.DataFrame({"patient": [image[0] for image in images]}, index=pd.Index(images, name="image"))
    table = table.assign(width=8, height=8, view="PA", sex="", age="", Mass=1)
    values: dict[str, Any] = {
        "key": "small",
        "name": "Small",
        "source": "nih",
        "findings": ("Mass",),
        "boxed_findings": ("Mass",),
        "box_grid": 8,
        "table": table,
        "boxes": {},
        "lists": LISTS,
        "missing": [],
        "partial": False,
        "problems": [],
        "sources": [],
        "image_digest": "0" * 64,
        "licence": "none",
        "attribution": "nobody",
    }
    return Content(**values | changes)


def dataset(folder: Path, **changes: Any) -> Dataset:
    write_dataset(folder, content(**changes))
    return Dataset.open(folder)


def split(lists: dict[str, str | None] | None = None, **checkpoints: str) -> dict[str, Any]:
    named = {"train": "train", "validation": "val", "validation_boxes": "val_boxes", "test": "test"}
    return {
        "experiment": "small",
        "split": "fold1",
        "lists": named | {"test_boxes": "test_boxes"} | (lists or {}),
        "checkpoints": checkpoints or {"ham": "best-auc"},
    }


def test_every_column_is_what_was_counted_by_hand(tmp_path: Path) -> None:
    classification, localization = audit(dataset(tmp_path), [split()])
    assert classification == {
        "experiment": "small",
        "variant": "ham",
        "split": "fold1",
        "kind": "classification",
        "images": "listed",
        "checkpoint": "best-auc",
        "chosen_on_test": 1,  # b2 is in val and in test
        "train_images": 4,
        "train_patients": 3,  # a b c
        "validation_images": 4,  # val and val_boxes
        "validation_patients": 4,  # a b d e
        "test_images": 6,
        "test_patients": 5,  # a b c e f
        "test_images_in_train": 1,  # c1
        "test_patients_in_train": 3,  # a b c
        "test_images_of_train_patients": 4,  # a3 a4 b2 c1
        "test_images_in_validation": 1,  # b2
        "test_patients_in_validation": 3,  # a b e
        "test_images_of_validation_patients": 4,  # a3 a4 b2 e2
        "validation_images_in_train": 1,  # a2
        "validation_patients_in_train": 2,  # a b
        "validation_images_of_train_patients": 2,  # a2 b2
    }
    assert localization["kind"] == "localization"
    assert (localization["test_images"], localization["test_patients"]) == (2, 2)
    assert localization["test_images_of_train_patients"] == 1  # a3
    assert localization["test_images_in_validation"] == 0
    assert localization["chosen_on_test"] == 0  # no boxed test image is in val or val_boxes
    assert localization["validation_images_of_train_patients"] == 2


def test_the_last_epoch_is_chosen_on_nothing(tmp_path: Path) -> None:
    rows = audit(dataset(tmp_path), [split(ham="last", small="best-t-iou")])
    found = {(row["variant"], row["kind"]): row["chosen_on_test"] for row in rows}
    assert found["ham", "classification"] == 0
    assert found["small", "classification"] == 1


def test_what_chose_weights_that_were_trained_elsewhere_is_left_blank(tmp_path: Path) -> None:
    dataset(tmp_path / "Small")
    write_leakage(tmp_path / "Small", [split(published="given", ham="best-auc")], tmp_path / "leakage.csv")
    with open(tmp_path / "leakage.csv", newline="") as file:
        assert [row["chosen_on_test"] for row in csv.DictReader(file)] == ["", "1", "", "0"]


def test_the_boxes_that_validate_count_as_validation(tmp_path: Path) -> None:
    made = dataset(tmp_path)
    assert audit(made, [split({"validation_boxes": "test_boxes"})])[1]["chosen_on_test"] == 1
    assert audit(made, [split({"validation_boxes": None})])[0]["validation_images"] == 3


def test_an_experiment_that_tests_no_localization_has_no_row_of_it(tmp_path: Path) -> None:
    assert [row["kind"] for row in audit(dataset(tmp_path), [split({"test_boxes": None})])] == ["classification"]


def test_a_partial_download_is_counted_as_listed_and_as_present(tmp_path: Path) -> None:
    rows = audit(dataset(tmp_path, missing=["a1", "a2", "c1"], partial=True), [split()])
    assert [(row["kind"], row["images"]) for row in rows[:2]] == [
        ("classification", "listed"),
        ("classification", "present"),
    ]
    assert (rows[0]["train_images"], rows[0]["test_images_of_train_patients"]) == (4, 4)
    assert (rows[1]["train_images"], rows[1]["test_images_of_train_patients"]) == (1, 1)  # b1 and b2 are left


def test_the_file_holds_the_columns_that_are_documented(tmp_path: Path) -> None:
    dataset(tmp_path / "Small")
    write_leakage(tmp_path / "Small", [split()], tmp_path / "leakage.csv")
    with open(tmp_path / "leakage.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2
    assert rows[0]["test_images_of_train_patients"] == "4"


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no list Main/none"):
        audit(dataset(tmp_path), [split({"train": "Main/none"})])
