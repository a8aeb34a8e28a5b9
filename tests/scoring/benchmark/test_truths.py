"""Truths of other experts in their own forms, in the pixels of the original; and the table of ChestX-Det's names."""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from conftest import SHARED

from ham.boxes import Box
from ham.datasets.dataset import Dataset
from ham.errors import DataError, HamError
from ham.scoring.benchmark.tables import read_rows
from ham.scoring.benchmark.truths import OutsideTruth, TruthDescription, read_truth

TRUTHS = SHARED / "truths/chestxdet"


@pytest.fixture
def dataset() -> Dataset:
    """Two images of NIH's grid and one of another size."""
    table = pd.DataFrame(
        {
            "patient": ["1", "1", "2"], "width": [1024, 1024, 2048], "height": [1024, 1024, 512],
            "view": "", "sex": "", "age": "", "Mass": [1.0, math.nan, 0.0], "Nodule": 0.0,
        },
        index=pd.Index(["a.png", "b.png", "c.png"], name="image"),
    )  # fmt: skip
    info = {"name": "x", "findings": ["Mass", "Nodule"], "boxed_findings": ["Mass"], "box_grid": 1024, "lists": {}}
    return Dataset(Path("x"), info, table, {"a.png": {"Mass": [[1, 2, 3, 4]]}}, [])


def read(folder: Path, dataset: Dataset, text: str, **files: str | bytes) -> OutsideTruth:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "truth.yaml").write_text(text)
    return read_truth(folder / "truth.yaml", dataset, folder)


def test_the_data_sets_own_boxes_are_a_truth(dataset: Dataset, root: Path) -> None:
    truth = read_truth(root / "config/truths/nih-boxes.yaml", dataset)
    assert truth.boxes == {"a.png": {"Mass": [Box(1, 2, 4, 6)]}}
    assert truth.labels == {"a.png": {"Mass": 1}}
    assert truth.findings == {"Mass": ("Mass",)}


OWN = """
name: mine
licence: mine
findings: {Tumour: Mass, Spot: [Nodule, Mass], Other: null}
boxes: {files: [{file: boxes.csv}], finding: finding, xywh: [x, y, w, h]}
labels: {files: [{file: labels.csv}], image: image}
"""


def test_a_truth_of_ones_own_is_one_more_file(dataset: Dataset, tmp_path: Path) -> None:
    boxes = (
        "image,finding,x,y,w,h\na.png,Tumour,1,2,30,40\na.png,Spot,5,5,5,5\nc.png,Tumour,2000,0,100,100\n"
        "a.png,Other,0,0,9,9\nelsewhere.png,Tumour,0,0,9,9\n"
    )
    boxes = boxes.replace("2000,0,100", "2000,0,90")  # leaves its image by less than half, and is cut there
    labels = "image,Tumour,Spot\nb.png,0,1\nc.png,,0\n"
    truth = read(tmp_path, dataset, OWN, boxes__csv=boxes, labels__csv=labels)
    assert truth.boxes["a.png"] == {"Mass": [Box(1, 2, 31, 42)], "Spot": [Box(5, 5, 10, 10)]}
    assert truth.boxes["c.png"] == {"Mass": [Box(2000, 0, 2048, 100)]}
    assert truth.labels == {
        "a.png": {"Mass": 1, "Spot": 1},
        "b.png": {"Mass": 0, "Spot": 1},
        "c.png": {"Mass": 1, "Spot": 0},
    }
    assert truth.findings == {"Mass": ("Mass",), "Spot": ("Nodule", "Mass")}
    assert truth.notes == ("1 of its images are not in x",)
    pairs = truth.pairs(dataset, ["c.png", "a.png"])
    assert [(pair.image, pair.finding, pair.patient) for pair in pairs] == [
        ("c.png", "Mass", "2"), ("a.png", "Mass", "1"), ("a.png", "Spot", "1"),
    ]  # fmt: skip
    assert int(pairs[1].mask(1024).sum()) == 30 * 40


RSNA = """
name: opacities
licence: theirs
findings: {Lung opacity: [Nodule, Mass]}
images: {file: names.csv.gz, theirs: patientId, ours: nih}
boxes: {files: [{file: labels.csv.gz}], image: patientId, only: Lung opacity, xywh: [x, y, width, height], grid: 1024}
absent: absent
"""


def test_a_row_without_a_box_is_an_image_without_the_finding(dataset: Dataset, tmp_path: Path) -> None:
    labels = "patientId,x,y,width,height,Target\nu,,,,,0\nv,512,256,256,512,1\nw,1,1,9,9,1\n"
    names = gzip.compress(b"patientId,nih\nu,b.png\nv,c.png\n")
    truth = read(tmp_path, dataset, RSNA, names__csv__gz=names, labels__csv__gz=gzip.compress(labels.encode()))
    assert truth.labels == {"b.png": {"Lung opacity": 0}, "c.png": {"Lung opacity": 1}}
    # 1024 across are 2048 pixels, 1024 down are 512
    assert truth.boxes == {"b.png": {}, "c.png": {"Lung opacity": [Box(1024, 128, 1536, 384)]}}


CORNERS = """
name: corners
licence: theirs
findings: {Mass: Mass, Calcification: Calcification}
boxes: {form: chestx-det, grid: 1024, files: [{file: det.json}]}
absent: absent
"""


def test_chestx_dets_corners_are_read_as_corners(dataset: Dataset, tmp_path: Path) -> None:
    entries = [
        {"file_name": "a.png", "syms": ["Mass", "Mass"], "boxes": [[10, 20, 30, 60], [0, 0, 5, 5]]},
        {"file_name": "b.png", "syms": [], "boxes": []},
    ]
    truth = read(tmp_path, dataset, CORNERS, det__json=json.dumps(entries))
    assert truth.boxes == {"a.png": {"Mass": [Box(10, 20, 30, 60), Box(0, 0, 5, 5)]}, "b.png": {}}
    assert truth.labels["b.png"] == {"Mass": 0, "Calcification": 0}


@pytest.mark.parametrize(
    ("text", "boxes", "said"),
    [
        (OWN, "image,finding,x,y,w,h\na.png,Tumor,1,2,3,4\n", "'Tumor' is not among the findings"),
        (OWN, "image,finding,x,y,w,h\na.png,Tumour,1,2,-3,4\n", "no area"),
        (OWN, "image,finding,x,y,w,h\na.png,Tumour,1,2,nan,4\n", "not four numbers"),
        (OWN, "image,finding,x,y,w,h\na.png,Tumour,5000,2,3,4\n", "mostly outside"),
        (OWN, "image,finding,x,y,w\na.png,Tumour,1,2,3\n", "no column h"),
        (OWN, "image,finding,x,y,w,h\na.png,Tumour,1,2,3\n", "5 fields, 6 are expected"),
        (OWN, "image,finding,x,y,w,h\na.png,\xff,1\n", "labels.csv|fields"),
        (OWN.replace("boxes.csv}", f"boxes.csv, sha256: {'a' * 64}}}"), "image\n", "is not the file that"),
        (OWN.replace("boxes.csv}", "absent.csv, address: 'https://x.org'}"), "image\n", "get it from https://x.org"),
        (OWN.replace("xywh", "xyxy"), "image\n", "there is no such key"),
        ("name: x\nlicence: y\n", "image\n", "own: true, or boxes"),
    ],
)
def test_a_mistake_in_a_truth_is_said(text: str, boxes: str, said: str, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(HamError, match=said):
        read(tmp_path, dataset, text, boxes__csv=boxes, labels__csv="image,Tumour,Spot\n")


def test_every_truth_of_the_repository_is_described_whole(root: Path) -> None:
    found = {path.stem: TruthDescription.read(path) for path in (root / "config/truths").glob("*.yaml")}
    assert set(found) == {"nih-boxes", "chestx-det", "rsna", "google-four", "google-all"}
    assert found["rsna"].findings == {"Lung opacity": ("Consolidation", "Infiltration", "Pneumonia")}
    for description in found.values():
        tables = [table for table in (description.boxes, description.labels) if table]
        assert all(file.sha256 and file.address for table in tables for file in table.files)


@pytest.mark.skipif(not TRUTHS.is_dir(), reason=f"the four files of ChestX-Det10 are not at {TRUTHS}")
def test_the_table_of_names_follows_from_chestx_det10s_two_states(root: Path) -> None:
    """The same place in both states, with the same annotations: the same image under two names."""
    kept = {
        entry["file_name"]
        for part in ("train", "test")
        for entry in json.loads((TRUTHS / f"ChestX_Det_{part}.json").read_text())
    }
    derived = {}
    for part in ("train", "test"):
        first, later = (
            json.loads((TRUTHS / f"{name}-{part}.json").read_text()) for name in ("det10-first-names", "det10")
        )
        assert len(first) == len(later)
        for nih, new in zip(first, later, strict=True):
            assert (nih["syms"], nih["boxes"]) == (new["syms"], new["boxes"])
            if new["file_name"] in kept:
                derived[new["file_name"]] = nih["file_name"]
    with open(root / "config/truths/chestxdet-nih-names.csv", newline="") as file:
        table = {row["chestxdet"]: row["nih"] for row in csv.DictReader(file)}
    assert len(table) == 3543
    assert table == derived


def test_a_file_that_is_not_there_is_said_with_its_source(dataset: Dataset, tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataError, match=r"is not in .*config/truths or .*: get it from https"):
        read_truth(root / "config/truths/rsna.yaml", dataset, tmp_path)


def test_tables_are_read_as_those_of_data_sets_are(tmp_path: Path) -> None:
    """Packed and plain alike; a workbook, semicolons and a packed file that was cut are told as what they are."""
    text = "image,finding\na.png,Maß\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    plain, packed = (list(read_rows(tmp_path / name, ["image"])) for name in ("a.csv", "a.csv.gz"))
    assert plain == packed == [(2, {"image": "a.png", "finding": "Maß"})]
    (tmp_path / "sheet.csv").write_bytes(b"PK\x03\x04" + b"\0" * 90)
    (tmp_path / "other.csv").write_text("image;finding\na.png;Mass\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text.encode() * 2000)[:60])
    for name, said in (("sheet.csv", "workbook"), ("other.csv", "semicolons"), ("cut.csv.gz", "cannot be read")):
        with pytest.raises(DataError, match=said):
            list(read_rows(tmp_path / name, ["image"]))
