from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from golden.reference_inputs import radiograph
from PIL import Image

from ham.runtime.files import sha256, write_json

SIZE = 128
BOXES = {
    "a/one.png": {"Nodule": [[30.5, 40.2, 20.0, 18.0]], "Effusion": [[70, 60, 30, 40], [10, 60, 30, 40]]},
    "two.png": {"Mass": [[40, 30, 50, 45]]},
    "tiny.png": {"Nodule": [[64.2, 64.2, 1.5, 1.0]], "Mass": [[64.2, 64.2, 0.5, 0.5]]},
    "absent.png": {"Mass": [[40, 30, 50, 45]]},
    "boxless.png": {},
}
FINDINGS = ("Effusion", "Mass", "Nodule")


@pytest.fixture
def dataset_folder(tmp_path: Path) -> Path:
    """A data set of five images of 128 x 128: one absent, one without boxes, one whose boxes are hardly a pixel."""
    folder = tmp_path / "datasets" / "Small"
    for image in BOXES:
        if image != "absent.png":
            path = folder / "images" / image
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(radiograph(image, SIZE)).save(path)
    write_json(folder / "Annotations/BBoxes.json", {image: boxes for image, boxes in BOXES.items() if boxes})
    _write_rows(folder / "missing.csv", [["image"], ["absent.png"]])
    rows = [["image", "patient", "width", "height", "view", "sex", "age", *FINDINGS]]
    about = ["1", SIZE, SIZE, "PA", "", ""]
    rows += [[image, *about, *(int(name in BOXES[image]) for name in FINDINGS)] for image in BOXES]
    _write_rows(folder / "images.csv", rows)
    files = {"images.csv": "images.csv", "BBoxes.json": "Annotations/BBoxes.json", "missing.csv": "missing.csv"}
    info = {"name": "Small", "source": "nih", "findings": FINDINGS, "boxed_findings": FINDINGS, "box_grid": SIZE}
    info |= {"partial": True, "lists": {}, "digests": {name: sha256(folder / path) for name, path in files.items()}}
    write_json(folder / "dataset.json", info)
    return folder


def _write_rows(path: Path, rows: list[list[object]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture
def grey() -> np.ndarray:
    """uint8 [128, 128]."""
    return radiograph("grey", SIZE)
