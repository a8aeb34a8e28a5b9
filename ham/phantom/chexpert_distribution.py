"""The phantom in CheXpert's layout: images of many sizes, frontal and lateral, labels that are no yes or no, corners.

Everything is a function of the settings. Tables, boxes and sizes are the same on every machine; the images' bytes also
depend on the libjpeg that packs them, and SHA256SUMS with them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from ham.datasets.settings import PhantomSettings
from ham.phantom.drawing import SIDE, NamedRandom
from ham.phantom.nih_distribution import draw_finding_counts, give_findings
from ham.phantom.radiograph import radiograph
from ham.runtime.files import sha256, write_text, written
from ham.runtime.process_pool import in_parallel
from ham.runtime.progress import track

# What is drawn, and CheXpert's names for it; the heart's outline counts for its parent finding too.
NAMED = {
    "Atelectasis": ("Atelectasis",),
    "Cardiomegaly": ("Enlarged_Cardiomediastinum", "Cardiomegaly"),
    "Effusion": ("Pleural_Effusion",),
    "Infiltration": ("Edema",),
    "Mass": ("Lung_Lesion",),
    "Nodule": ("Lung_Lesion",),
    "Pneumonia": ("Pneumonia",),
    "Pneumothorax": ("Pneumothorax",),
}
COLUMNS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *COLUMNS)
ROOT = "CheXpert-v1.0"  # that the Path column begins with
WITHOUT_BOXES = "Lung_Lesion"  # the authors drew none of it
MISSPELT = {"Edema": "edema", "Enlarged_Cardiomediastinum": "Enlarg_Cardiomediastinum"}
FIRST_VALID = 64541  # as in CheXpert, patients of valid/ are numbered from here
LATERAL, VALID, DOUBTFUL, ABSENT = 15, 10, 10, 35  # percent

CornersByFinding = dict[str, list[list[int]]]  # {finding: [[xmin, ymin, xmax, ymax]]}


@dataclass
class Entry:
    """An image: whose, how large, what is drawn on it and whether its boxes are given."""

    image: str
    patient: str
    size: tuple[int, int]
    about: tuple[str, int]  # sex and age
    findings: list[str] = field(default_factory=list)
    boxed: bool = False

    @property
    def lateral(self) -> bool:
        """Whether the view is from the side."""
        return self.image.endswith("lateral.jpg")


def write_folder(folder: Path, settings: PhantomSettings, workers: int = 1) -> None:
    """Draw the data set of ``settings`` into ``folder``, laid out as a user's CheXpert, with ``workers`` processes.

    Images, train.csv, valid.csv, the boxes of both in BBoxes.json, and SHA256SUMS, which is written last.
    """
    entries = plan_images(settings)
    boxes: dict[str, CornersByFinding] = {}
    images = in_parallel(partial(draw_image, settings.seed), entries, workers, "drawing radiographs", at_once=4)
    drawings = track(images, "drawing radiographs", len(entries))
    for entry, (data, found) in zip(entries, drawings, strict=True):
        boxes[entry.image] = found
        with written(folder / entry.image) as temporary:
            temporary.write_bytes(data)
    texts = compose_tables(entries, settings.seed) | {"BBoxes.json": json.dumps(misspell_boxes(entries, boxes))}
    for name, text in texts.items():
        write_text(folder / name, text)
    names = sorted([*texts, *(entry.image for entry in entries)])
    write_text(folder / "SHA256SUMS", "".join(f"{sha256(folder / name)}  {name}\n" for name in names))


def plan_images(settings: PhantomSettings) -> list[Entry]:
    """Every image with its size, findings and whether it has boxes; a tenth of the patients are valid's."""
    draw = NamedRandom(f"chexpert-phantom-{settings.seed}-table")
    entries = _plan_studies(draw, settings)
    for entry, count in zip(entries, draw_finding_counts(draw, settings), strict=True):
        entry.findings = [""] * count
    give_findings(draw, [entry.findings for entry in entries])
    candidates = [entry for entry in entries if any(_names_with_boxes(entry))]
    wanted = round(len(candidates) * settings.boxed)
    for index in draw.order(len(candidates))[:wanted]:
        candidates[index].boxed = True
    return entries


def _plan_studies(draw: NamedRandom, settings: PhantomSettings) -> list[Entry]:
    """Every patient has a study; the other images are further studies or, of any, a lateral view."""
    studies = [1] * settings.patients
    laterals: set[tuple[int, int]] = set()
    left = settings.images - settings.patients
    while left:
        patient = draw.between(0, settings.patients - 1)
        if not draw.chance(LATERAL):
            studies[patient] += 1
        elif (patient, studies[patient]) in laterals:
            continue
        else:
            laterals.add((patient, studies[patient]))
        left -= 1
    valid = set(draw.order(settings.patients)[: max(settings.patients * VALID // 100, 2)])
    entries = []
    for patient, count in enumerate(studies):
        number, part = (patient + FIRST_VALID, "valid") if patient in valid else (patient + 1, "train")
        about = ("Female", "Male")[draw.between(0, 1)], draw.between(19, 84)
        for study in range(1, count + 1):
            folder = f"{part}/patient{number:05d}/study{study}"
            views = ["view1_frontal", "view2_lateral"] if (patient, study) in laterals else ["view1_frontal"]
            for view in views:
                width, height = draw.between(280, 420), draw.between(240, 360)
                size = (width * 7 // 10, height) if view.endswith("lateral") else (width, height)
                entries.append(Entry(f"{folder}/{view}.jpg", f"patient{number:05d}", size, about))
    return sorted(entries, key=lambda entry: entry.image)


def _names_with_boxes(entry: Entry) -> list[str]:
    return [name for drawn in entry.findings for name in NAMED[drawn] if name != WITHOUT_BOXES]


def draw_image(seed: int, entry: Entry) -> tuple[bytes, CornersByFinding]:
    """An image as JPEG, drawn square and resized to its own size, and the boxes of all its findings in its pixels."""
    person = f"chexpert-phantom-{seed}-{entry.patient}"
    pixels, found = radiograph(person, f"{person}-{entry.image}", entry.findings)
    width, height = entry.size
    data = io.BytesIO()
    Image.fromarray(pixels).resize(entry.size, Image.Resampling.BILINEAR).save(data, "JPEG", quality=90)
    boxes: CornersByFinding = {}
    for drawn, (x, y, w, h) in found.items():
        corners = [
            x * width // SIDE,
            y * height // SIDE,
            -(-(x + w) * width // SIDE),
            -(-(y + h) * height // SIDE),
        ]
        for name in NAMED[drawn]:
            boxes.setdefault(name, []).append(corners)
    return data.getvalue(), boxes


def misspell_boxes(entries: Sequence[Entry], boxes: dict[str, CornersByFinding]) -> dict[str, dict[str, Any]]:
    """BBoxes.json: boxes of boxed images, every fourth misspelt as the authors' are, and an image without any."""
    out: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(entry for entry in entries if entry.boxed):
        found = {name: given for name, given in boxes[entry.image].items() if name != WITHOUT_BOXES}
        out[entry.image] = {MISSPELT.get(name, name) if number % 4 == 0 else name: found[name] for name in found}
    plain = next((entry for entry in entries if not entry.findings and entry.image.startswith("train/")), None)
    return out | ({plain.image: {}} if plain else {})


def compose_tables(entries: Sequence[Entry], seed: int) -> dict[str, str]:
    """Text of train.csv, with uncertain and blank labels, and of valid.csv, which has neither."""
    draw = NamedRandom(f"chexpert-phantom-{seed}-labels")
    texts = {}
    for part in ("train", "valid"):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        for entry in entries:
            if entry.image.startswith(f"{part}/"):
                view = ("Lateral", "") if entry.lateral else ("Frontal", "PA" if draw.chance(20) else "AP")
                writer.writerow(
                    [f"{ROOT}/{entry.image}", *entry.about, *view, *_draw_labels(draw, entry, part == "valid")]
                )
        texts[f"{part}.csv"] = text.getvalue()
    return texts


def _draw_labels(draw: NamedRandom, entry: Entry, certain: bool) -> list[str]:
    present = {name.replace("_", " ") for drawn in entry.findings for name in NAMED[drawn]}
    labels = []
    for column in COLUMNS:
        yes = column in present or (column == "No Finding" and not present)
        if certain:
            labels.append("1.0" if yes else "0.0")
        elif yes:
            labels.append("-1.0" if column in present and draw.chance(DOUBTFUL) else "1.0")
        else:
            labels.append("-1.0" if draw.chance(DOUBTFUL // 3) else "0.0" if draw.chance(ABSENT) else "")
    return labels
