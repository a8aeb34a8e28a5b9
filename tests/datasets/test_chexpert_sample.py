"""The authors' boxes of CheXpert, the real file: counts that were taken from it by hand."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from small_chexpert import jpeg

from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.phantom.chexpert_distribution import HEADER
from ham.runtime.files import sha256

BOXES = Path(__file__).resolve().parents[3] / "shared/chexpert/BBoxes.json"
pytestmark = [
    pytest.mark.sample,
    pytest.mark.skipif(not BOXES.is_file(), reason=f"the authors' boxes of CheXpert are not at {BOXES}"),
]
COUNTS = {  # boxes a finding, the misspelt ones among them
    "Enlarged_Cardiomediastinum": 361 + 25,
    "Cardiomegaly": 659,
    "Edema": 1054 + 44,
    "Consolidation": 400,
    "Pneumonia": 371,
    "Atelectasis": 723,
    "Pneumothorax": 301,
    "Pleural_Effusion": 1785,
    "Fracture": 378,
}
SIZE = (4300, 3500)  # no box reaches beyond 4240 x 3474


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The real boxes, one invented picture under every annotated image's name, and tables made from the boxes."""
    root = tmp_path_factory.mktemp("chexpert")
    given = json.loads(BOXES.read_text())
    folder = root / "CheXpert-v1.0"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(jpeg(*SIZE))
    for part in ("train", "valid"):
        with open(folder / f"{part}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, HEADER, restval="")
            writer.writeheader()
            for image in sorted(image for image in given if image.startswith(part)):
                (folder / image).parent.mkdir(parents=True, exist_ok=True)
                os.link(folder / "one.jpg", folder / image)
                view = "Lateral" if image.endswith("lateral.jpg") else "Frontal"
                labels = {name.replace("_", " "): "1.0" for name in given[image] if name.replace("_", " ") in HEADER}
                writer.writerow({"Path": f"CheXpert-v1.0/{image}", "Frontal/Lateral": view, **labels})
    description = Description.read(Path(__file__).resolve().parents[2] / "config/datasets/chexpert.yaml")
    data = DataSettings(folder=str(folder))
    convert(ConversionRequest(root / "CheXpert", "chexpert", description, data, BOXES.parent))
    return Dataset.open(root / "CheXpert")


def test_every_box_and_key_is_there(dataset: Dataset) -> None:
    counts = dataset.info["counts"]
    assert (counts["boxes"], counts["boxed_images"]) == (6101, 2348)
    assert {finding: counts["findings"][finding]["boxes"] for finding in COUNTS} == COUNTS
    assert set(dataset.boxed_findings) == set(COUNTS)
    assert len(dataset.boxes) == 2347  # one key is empty
    assert len(dataset.listed("Main/train")) == 2200
    assert len(dataset.listed("Main/valid")) == 148
    assert Counter(dataset.table["view"])["lateral"] == 272


def test_the_misspellings_are_repaired_and_nothing_else_had_to_be(dataset: Dataset) -> None:
    with open(dataset.folder / "validation.csv", newline="") as file:
        found = Counter((row["problem"], row["repair"]) for row in csv.DictReader(file))
    of_boxes = {problem: number for (problem, _), number in found.items() if "blank" not in problem}
    assert of_boxes == {
        "44 boxes are of edema, which CheXpert has no column of": 1,
        "25 boxes are of Enlarg_Cardiomediastinum, which CheXpert has no column of": 1,
        "named in BBoxes.json without a box": 1,
        # a label table of CheXpert has no column for a misspelt finding, and this one was made from the boxes' names
        "boxes of Edema, which is not mentioned in the table": 33,
        "boxes of Enlarged_Cardiomediastinum, which is not mentioned in the table": 25,
    }


def test_the_folds_test_every_annotated_image_once_and_share_no_patient(dataset: Dataset) -> None:
    tested = [image for fold in range(1, 6) for image in dataset.listed(f"Main/by-patient/fold{fold}/test")]
    assert len(tested) == len(set(tested)) == 2348
    for fold in range(1, 6):
        listed = [dataset.listed(f"Main/by-patient/fold{fold}/{part}") for part in ("train", "val", "test")]
        assert sum(map(len, listed)) == 2348
        patients = [{dataset.patient(image) for image in images} for images in listed]
        assert sum(map(len, patients)) == len(set().union(*patients))
        assert abs(len(listed[2]) - 2348 / 5) < 24


def test_corners_become_widths_in_the_images_own_pixels(dataset: Dataset) -> None:
    image = "train/patient40093/study4/view1_frontal.jpg"
    (box,) = dataset.boxes[image]["Cardiomegaly"]
    assert (box.x0, box.y0, box.x1, box.y1) == (1417, 537, 2525, 1565)
    with Image.open(dataset.path(image)) as opened:
        assert opened.size == dataset.size(image) == SIZE


def test_the_file_is_the_one_that_the_description_fetches(root: Path) -> None:
    (entry,) = Description.read(root / "config/datasets/chexpert.yaml").tables
    assert (BOXES.stat().st_size, (sha256(BOXES),)) == (entry.bytes, entry.sha256)
