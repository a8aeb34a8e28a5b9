"""The folder of a data set: written, read back, and refused when it is not what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ham.boxes import Box
from ham.datasets.dataset import Dataset
from ham.datasets.writer import Content, Problem, write_dataset
from ham.errors import DataError

IMAGES = ["p1/a.png", "p1/b.png", "NA", "c.png"]


def content(tmp_path: Path, **changes: Any) -> Content:
    table = pd.DataFrame(
        {
            "patient": ["1", "1", "NA", "007"],
            "width": [64, 32, 64, 64],
            "height": [48, 32, 64, 64],
            "view": ["PA", "", "AP", "PA"],
            "sex": ["F", "", "M", ""],
            "age": ["58", "", "7", "99"],
            "Mass": [1, 0, np.nan, 0],
            "Edema": [0, 1, 1, np.nan],
        },
        index=pd.Index(IMAGES, name="image"),
    )
    (tmp_path / "list.txt").write_bytes(b"c.png\r\np1/a.png\r\np1/b.png")
    values: dict[str, Any] = {
        "key": "small",
        "name": "Small",
        "source": "nih",
        "findings": ("Mass", "Edema"),
        "boxed_findings": ("Mass",),
        "box_grid": 64,
        "table": table,
        "boxes": {"p1/a.png": {"Mass": [[0.1, 0.7, 0.2, 30.05]]}, "p1/b.png": {"Mass": []}},
        "lists": {"Main/fold1/train": tmp_path / "list.txt"},
        "missing": ["p1/b.png"],
        "partial": True,
        "problems": [Problem("c.png", 'a "problem", with a comma', "repaired")],
        "sources": [{"file": "t.csv", "bytes": 1, "sha256": "0"}],
        "image_digest": "0" * 64,
        "licence": "none",
        "attribution": "nobody",
    }
    return Content(**values | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "Small", content(tmp_path))
    return tmp_path / "Small"


def test_what_was_written_is_read_back(folder: Path) -> None:
    dataset = Dataset.open(folder)
    assert (dataset.name, dataset.findings, dataset.boxed_findings) == ("Small", ("Mass", "Edema"), ("Mass",))
    assert dataset.box_grid == 64
    assert list(dataset.table.index) == IMAGES
    assert dataset.patient("NA") == "NA"
    assert dataset.patient("c.png") == "007"
    assert dataset.size("p1/a.png") == (64, 48)
    assert dataset.path("p1/a.png") == folder / "images/p1/a.png"
    assert dataset.table.loc["p1/b.png", ["view", "sex", "age"]].tolist() == ["", "", ""]
    assert dataset.table["age"].tolist() == ["58", "", "7", "99"]


def test_unknown_labels_stay_unknown(folder: Path) -> None:
    labels = Dataset.open(folder).labels(["c.png", "NA", "p1/a.png"])
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels, [[0, np.nan], [np.nan, 1], [1, 0]])
    assert Dataset.open(folder).labels([]).shape == (0, 2)
    first_rows = (folder / "images.csv").read_text().splitlines()[:2]
    assert first_rows == ["image,patient,width,height,view,sex,age,Mass,Edema", "p1/a.png,1,64,48,PA,F,58,1,0"]


def test_boxes_keep_every_digit_of_their_source(folder: Path) -> None:
    # 0.7 + 30.05 - 0.7 is not 30.05: going through corners would change the number.
    dataset = Dataset.open(folder)
    assert json.loads((folder / "Annotations/BBoxes.json").read_text())["p1/a.png"]["Mass"] == [[0.1, 0.7, 0.2, 30.05]]
    assert dataset.boxes == {"p1/a.png": {"Mass": [Box.from_xywh([0.1, 0.7, 0.2, 30.05])]}}


def test_tags_are_the_releases_view_of_the_table(folder: Path) -> None:
    tags = json.loads((folder / "Annotations/Tags.json").read_text())
    assert tags == {"p1/a.png": ["Mass"], "p1/b.png": ["Edema"], "NA": ["Edema"], "c.png": []}


def test_a_list_gives_the_present_images_in_its_order_and_stays_whole_on_disk(folder: Path, tmp_path: Path) -> None:
    dataset = Dataset.open(folder)
    assert dataset.listed("Main/fold1/train") == ["c.png", "p1/a.png"]
    assert (folder / "ImageSets/Main/fold1/train.txt").read_bytes() == (tmp_path / "list.txt").read_bytes()
    assert dataset.info["lists"]["Main/fold1/train"]["listed"] == 3
    assert dataset.info["lists"]["Main/fold1/train"]["present"] == 2


def test_a_list_of_our_own_is_written_as_the_published_ones_are(tmp_path: Path) -> None:
    write_dataset(tmp_path / "Small", content(tmp_path, lists={"Main/ours/val": ["c.png", "p1/b.png"]}))
    assert (tmp_path / "Small/ImageSets/Main/ours/val.txt").read_bytes() == b"c.png\np1/b.png"
    dataset = Dataset.open(tmp_path / "Small")
    assert dataset.listed("Main/ours/val") == ["c.png"]
    assert (dataset.info["lists"]["Main/ours/val"]["listed"], len(dataset.info["lists"])) == (2, 1)


def test_a_caller_cannot_change_a_list(folder: Path) -> None:
    dataset = Dataset.open(folder)
    dataset.listed("Main/fold1/train").clear()
    assert len(dataset.listed("Main/fold1/train")) == 2


def test_counts_say_how_many_of_how_many_are_there(folder: Path) -> None:
    counts = Dataset.open(folder).info["counts"]
    assert (counts["images"], counts["present"], counts["patients"]) == (4, 3, 3)
    assert (counts["boxes"], counts["present_boxes"]) == (1, 1)
    assert counts["findings"]["Edema"] == {"images": 2, "present": 1, "boxes": 0, "present_boxes": 0}


def test_what_a_list_misses_is_counted_by_finding(folder: Path) -> None:
    # c.png: nothing known to be there; p1/a.png: Mass, with a box; p1/b.png: Edema, absent
    assert (folder / "present.csv").read_text().splitlines() == [
        "list,finding,listed,present,boxes_listed,boxes_present",
        "Main/fold1/train,,3,2,1,1",
        "Main/fold1/train,Mass,1,1,1,1",
        "Main/fold1/train,Edema,1,0,0,0",
    ]


def test_lists_that_miss_nothing_are_not_counted(tmp_path: Path) -> None:
    write_dataset(tmp_path / "Small", content(tmp_path, missing=[], partial=False))
    assert len((tmp_path / "Small/present.csv").read_text().splitlines()) == 1


def test_an_unknown_list_or_image_is_named(folder: Path) -> None:
    dataset = Dataset.open(folder)
    with pytest.raises(DataError, match="no list Main/fold9"):
        dataset.listed("Main/fold9")
    with pytest.raises(DataError, match=r"x\.png is no image of data set Small \(1 of 2 are not\)"):
        dataset.labels(["c.png", "x.png"])
    with pytest.raises(DataError, match=r"x\.png is no image"):
        dataset.size("x.png")


@pytest.mark.parametrize("name", ["images.csv", "Annotations/BBoxes.json", "missing.csv"])
def test_a_file_changed_by_hand_is_noticed(folder: Path, name: str) -> None:
    (folder / name).write_text((folder / name).read_text() + "\n")
    with pytest.raises(DataError, match="was changed since it was made"):
        Dataset.open(folder)


def test_a_list_changed_by_hand_is_noticed(folder: Path) -> None:
    (folder / "ImageSets/Main/fold1/train.txt").write_text("c.png\n")
    with pytest.raises(DataError, match="missing or was changed"):
        Dataset.open(folder).listed("Main/fold1/train")


@pytest.mark.parametrize("name", ["dataset.json", "images.csv", "missing.csv"])
def test_a_folder_that_is_not_whole_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"not a whole data set, .*{name} is missing"):
        Dataset.open(folder)


def test_writing_that_fails_leaves_no_dataset_json(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_dataset(folder, content(tmp_path, lists={"Main/a": tmp_path / "absent.txt"}))
    assert not (folder / "dataset.json").exists()


def test_the_same_content_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "elsewhere/Small", content(tmp_path))
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / "elsewhere/Small" / path.relative_to(folder)).read_bytes()
    assert str(tmp_path) not in (folder / "dataset.json").read_text()
