"""What a data set has for each part of each fold, counted by hand, and the words where a part is empty or one-sided."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ham.datasets.dataset import Dataset
from ham.datasets.sources.conversion import describe_counts
from ham.datasets.summary import describe, summarize, write_summary
from ham.datasets.writer import Content, write_dataset

IMAGES = ["a1", "a2", "b1", "c1", "gone"]
LISTS = {
    "train": ["a1", "a2", "b1"],
    "train-boxes": ["a1", "a2"],
    "other": ["c1", "gone"],
    "absent": ["gone"],
    "boxless": ["b1"],
}
ROLES = {
    "train": "train",
    "train_boxes": "train-boxes",
    "validation": "other",
    "validation_boxes": "boxless",
    "test": "absent",
    "test_boxes": None,
}
RUNS = [{"experiment": "mine", "split": "fold1", "lists": ROLES}]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    table = pd.DataFrame(
        {
            "patient": ["a", "a", "b", "c", "d"],
            "width": 64,
            "height": 64,
            "view": "",
            "sex": "",
            "age": "",
            "Mass": [1, 1, 0, 0, 1],
            "Edema": [0, np.nan, 0, 1, 1],
        },
        index=pd.Index(IMAGES, name="image"),
    )
    content = Content(
        key="small",
        name="Small",
        source="table",
        findings=("Mass", "Edema"),
        boxed_findings=("Mass",),
        box_grid=64,
        table=table,
        boxes={
            "a1": {"Mass": [[1, 1, 9, 9], [20, 20, 9, 9]]},
            "a2": {"Mass": [[1, 1, 9, 9]]},
            "gone": {"Mass": [[0, 0, 9, 9]]},
        },
        lists=LISTS,
        missing=["gone"],
        partial=True,
        problems=[],
        sources=[],
        image_digest="0" * 64,
        licence="none",
        attribution="nobody",
    )
    write_dataset(tmp_path / "Small", content)
    return Dataset.open(tmp_path / "Small")


def row(table: pd.DataFrame, part: str | None, finding: str) -> list[Any]:
    """images, patients, positive, boxed_images, boxes, pairs, word of one row; None for what is blank."""
    where = table["part"].isna() if part is None else table["part"] == part
    found = table[where & (table["finding"] == finding)]
    assert len(found) == 1
    return [None if pd.isna(value) else value for value in found.iloc[0, 4:].tolist()]


@pytest.mark.parametrize(
    ("part", "finding", "counted"),
    [
        (None, "", [4, 3, 3, 2, 3, 2, ""]),
        (None, "Mass", [4, 3, 2, 2, 3, 2, ""]),
        (None, "Edema", [3, 3, 1, None, None, None, ""]),  # a2 is not known
        ("train", "", [3, 2, 2, 2, 3, 2, ""]),
        ("train", "Mass", [3, 2, 2, 2, 3, 2, ""]),
        ("train", "Edema", [2, 2, 0, None, None, None, "no positive"]),
        ("validation", "", [1, 1, 1, 0, 0, 0, "no boxed image"]),  # its list of boxes has one image without any
        ("validation", "Mass", [1, 1, 0, 0, 0, 0, "no positive; no boxed image"]),
        ("validation", "Edema", [1, 1, 1, None, None, None, "no negative"]),
        ("test", "", [0, 0, 0, None, None, None, "no image"]),
        ("test", "Mass", [0, 0, 0, None, None, None, "no label"]),
    ],
)
def test_every_part_is_counted(dataset: Dataset, part: str | None, finding: str, counted: list[Any]) -> None:
    assert row(summarize(dataset, RUNS), part, finding) == counted


def test_the_short_table_names_what_is_empty_or_one_sided(dataset: Dataset) -> None:
    whole, parts = describe(summarize(dataset, RUNS)).split("\n\n")
    assert [line.split() for line in whole.splitlines()] == [
        ["finding", "images", "patients", "positive", "boxed", "images", "boxes", "pairs"],
        ["all", "4", "3", "3", "2", "3", "2"],
        ["Mass", "4", "3", "2", "2", "3", "2"],
        ["Edema", "3", "3", "1", "-", "-", "-"],
    ]
    train, validation, test = parts.splitlines()[1:]
    assert train.split("  ")[-1] == "no positive: Edema"
    assert validation.endswith("  no boxed image; no positive: Mass; no negative: Edema")
    assert test.split()[-3:] == ["-", "no", "image"]


def test_it_is_written_and_told(dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ham"):
        write_summary(dataset.folder, RUNS, tmp_path / "summary.csv")
    written = pd.read_csv(tmp_path / "summary.csv", keep_default_na=False)
    assert len(written) == 4 * 3
    assert written.loc[3].tolist() == ["mine", "fold1", "train", "", 3, 2, 2, "2", "3", "2", ""]
    assert "no boxed image; no positive: Mass" in caplog.text


def test_a_conversion_says_what_stands_of_how_many(dataset: Dataset) -> None:
    counts = dataset.info["counts"]
    assert describe_counts(counts) == "4 of 5 images, 3 of 4 patients, 3 of 4 boxes on 2 of 3 images"
    whole = counts | {"present": 5, "present_patients": 4, "present_boxes": 4, "present_boxed_images": 3}
    assert describe_counts(whole) == "5 images, 4 patients, 4 boxes on 3 images"
    assert describe_counts(whole | {"boxes": 0}).endswith(", no boxes")
