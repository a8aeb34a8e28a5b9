"""The phantom in CheXpert's layout: what it must hold for the converter's every path to be walked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings, FoldSettings, PhantomSettings
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.phantom.chexpert_distribution import (
    COLUMNS,
    NAMED,
    Entry,
    compose_tables,
    draw_image,
    plan_images,
    write_folder,
)
from ham.phantom.drawing import SIDE
from ham.phantom.radiograph import radiograph
from ham.runtime.files import sha256

SETTINGS = PhantomSettings(seed=3, images=60, patients=36, boxed=0.6)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_images_are_laid_out_as_in_chexpert() -> None:
    entries = plan_images(SETTINGS)
    assert len(entries) == 60
    assert len({entry.patient for entry in entries}) == 36
    assert len({entry.image for entry in entries}) == 60
    valid = {entry.patient for entry in entries if entry.image.startswith("valid/")}
    assert valid
    assert valid.isdisjoint(entry.patient for entry in entries if entry.image.startswith("train/"))
    assert any(entry.lateral for entry in entries)
    for entry in entries:
        assert entry.image.split("/")[1] == entry.patient
        assert not entry.lateral or entry.image.replace("view2_lateral", "view1_frontal") in {e.image for e in entries}
    assert len({entry.size for entry in entries}) > 40
    assert plan_images(SETTINGS) == entries


def test_labels_are_uncertain_and_blank_in_train_and_neither_in_valid() -> None:
    entries = plan_images(SETTINGS)
    texts = compose_tables(entries, 3)
    train, valid = rows(texts["train.csv"]), rows(texts["valid.csv"])
    assert len(train) + len(valid) == 60
    assert {row[column] for row in train for column in COLUMNS} == {"1.0", "0.0", "-1.0", ""}
    assert {row[column] for row in valid for column in COLUMNS} == {"1.0", "0.0"}
    by_path = {row["Path"].removeprefix("CheXpert-v1.0/"): row for row in train + valid}
    for entry in entries:
        present = {name.replace("_", " ") for drawn in entry.findings for name in NAMED[drawn]}
        row = by_path[entry.image]
        assert row["Frontal/Lateral"] == ("Lateral" if entry.lateral else "Frontal")
        assert {column for column in COLUMNS if row[column] == "1.0"} <= (present or {"No Finding"})
        assert {column for column in present if row[column] in ("1.0", "-1.0")} == present


def test_boxes_are_the_drawn_ones_in_the_pixels_of_each_images_size() -> None:
    entry = Entry("train/patient00007/study1/view1_frontal.jpg", "patient00007", (384, 320), ("Male", 50))
    entry.findings = ["Cardiomegaly", "Effusion"]
    data, boxes = draw_image(3, entry)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.size) == ("JPEG", "L", (384, 320))
    person = "chexpert-phantom-3-patient00007"
    pixels, square = radiograph(person, f"{person}-{entry.image}", entry.findings)
    x, y, w, h = square["Effusion"]
    # 256 pixels became 384 across (3/2) and 320 down (5/4)
    ((left, top, right, bottom),) = boxes["Pleural_Effusion"]
    assert (left, top) == (x * 3 // 2, y * 5 // 4)
    assert (right, bottom) == (-(-(x + w) * 3 // 2), -(-(y + h) * 5 // 4))
    assert boxes["Enlarged_Cardiomediastinum"] == boxes["Cardiomegaly"]
    back = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=int)
    assert np.abs(back - pixels).mean() < 8


def test_the_drawn_folder_converts_with_every_repair(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "datasets/CheXpertPhantom"
    brought = folder / ".drawn"
    write_folder(brought, SETTINGS, 2)
    for line in (brought / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert sha256(brought / name) == digest
    description = Description.read(root / "config/datasets/chexpert-phantom.yaml")
    data = DataSettings(folds=FoldSettings(count=2))
    convert(ConversionRequest(folder, "chexpert-phantom", description, data, brought))
    dataset = Dataset.open(folder)
    assert dataset.info["counts"]["present"] == 60
    assert (folder / "images/train").readlink() == Path("../.drawn/train")  # the data set can be moved as a whole
    assert {finding for found in dataset.boxes.values() for finding in found} <= set(description.boxed_findings)
    given = json.loads((brought / "BBoxes.json").read_text())
    assert {"edema", "Enlarg_Cardiomediastinum", "Edema", "Enlarged_Cardiomediastinum"} <= {
        name for found in given.values() for name in found
    }
    assert [image for image, found in given.items() if not found]
    assert any("lateral" in image for image in dataset.boxes)
    said = (folder / "validation.csv").read_text()
    for text in ("read as Edema", "without a box", "uncertain in the table", "read as unknown", "read as present"):
        assert text in said
    for image, found in dataset.boxes.items():
        width, height = dataset.size(image)
        with Image.open(dataset.path(image)) as opened:
            assert opened.size == (width, height)
        for box in (box for boxes in found.values() for box in boxes):
            assert 0 <= box.x0 < box.x1 <= width
            assert 0 <= box.y0 < box.y1 <= height
