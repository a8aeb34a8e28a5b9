"""``ham predict``: a folder of a user's own images to tables, overlays and a page."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader

from ham.errors import DataError
from ham.inference.dicom import is_dicom
from ham.inference.dicom_out import DicomFinding, ModelName, write_objects
from ham.inference.inputs import find_images, output_stem
from ham.inference.model import POINTS, Model, Predictions, boxes_of
from ham.inference.page import write_page
from ham.inference.pictures import (
    MOST,
    OVERLAYS,
    PICTURES,
    Seen,
    choose_shown,
    draw_overlay,
    write_layers,
    write_overlay,
)
from ham.inference.reading import ImageFiles, ReadImage
from ham.inference.record import Record, write_tables
from ham.model.card import ABNORMALITY
from ham.runtime.files import written
from ham.runtime.progress import track
from ham.scoring.full_size import encode, hull, resize

log = logging.getLogger("ham")
DICOM = "dicom"  # folder of DICOM objects
FEW = 16  # images, for which starting a process takes longer than reading them here


@dataclass(frozen=True)
class PredictOptions:
    """How images are predicted; ``point`` names the threshold (youden, target)."""

    workers: int = 0  # processes that read beside the network; a script of yours then needs its main guard
    point: str = "youden"
    dicom_out: bool = False  # also write DICOM objects of images that are DICOM
    batch_size: int = 8


@dataclass(frozen=True)
class Outcome:
    """How many images were predicted and how many stood already; files that could not be read, with the reason."""

    predicted: int
    stood: int
    unreadable: tuple[tuple[str, str], ...]


def predict_images(
    given: Sequence[str | Path], model: Model, output: Path, options: PredictOptions | None = None
) -> Outcome:
    """Predict what of ``given`` files, folders and patterns is new, and write into ``output`` predictions.csv,
    predictions.json, unreadable.csv, overlays/ and index.html of all images that were predicted into it.

    A file that cannot be read is listed and the rest is done. DataError where nothing is named, or ``output`` holds
    predictions of another model.
    """
    options = options or PredictOptions()
    if options.point not in POINTS:
        raise DataError(f"there is no threshold {options.point}: {' or '.join(POINTS)}.")
    thresholds = model.thresholds(options.point)
    about = {
        "form": 1,
        "model": model.describe(),
        "digest": model.digest,
        "point": options.point,
        "thresholds": thresholds,
        "most": MOST,
        "dicom": options.dicom_out,
    }
    paths = find_images(given, output)
    record = Record(output, about)
    try:
        outcome = _predict_new(paths, model, record, output, options)
        names = (*model.findings, ABNORMALITY)
        write_tables(record, output, names)
        _write_unreadable(output / "unreadable.csv", outcome.unreadable)
        write_page(record, output, names, outcome.unreadable)
    finally:
        record.close()
    return outcome


def _predict_new(paths: Sequence[Path], model: Model, record: Record, output: Path, options: PredictOptions) -> Outcome:
    files = ImageFiles(paths, record.digests(), model.card.model.image_size, model.typical)
    workers = options.workers if len(paths) > FEW else 0
    read: DataLoader[ReadImage] = DataLoader(
        files,  # type: ignore[arg-type]
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    predicted = stood = 0
    unreadable: list[tuple[str, str]] = []
    batch: list[ReadImage] = []

    author = model if options.dicom_out else None

    def refuse(item: ReadImage, problem: str) -> None:
        unreadable.append((item.name, problem))
        log.warning("%s", problem)

    def flush() -> int:
        found = model.forward([item.prepared for item in batch if item.prepared], options.point)
        done = 0
        for row, item in enumerate(batch):
            try:
                record.add(item.name, item.digest, _keep(found, row, item, output, author))
                done += 1
            except DataError as error:  # its study cannot take what was found
                refuse(item, str(error))
        batch.clear()
        return done

    for item in track(read, "predicting", len(paths)):
        if item.problem:
            refuse(item, item.problem)
        elif item.prepared is None:
            stood += 1
        else:
            batch.append(item)
        if len(batch) == options.batch_size:
            predicted += flush()
    return Outcome(predicted + (flush() if batch else 0), stood, tuple(unreadable))


def _keep(found: Predictions, row: int, item: ReadImage, output: Path, author: Model | None) -> dict[str, Any]:
    """Write the pictures of an image, and, for an ``author``, DICOM objects of one that is DICOM; what the record keeps
    of it."""
    assert item.shown is not None
    stem = output_stem(item.name)
    shown = choose_shown(found, row)
    grey = Image.fromarray(item.shown)
    seen = Seen.of(found, row)
    write_layers(seen, shown, grey, output / PICTURES / stem)
    regions = {name: seen.regions[name] for name in shown}
    lines = [_line(found, row, name) for name in shown] or ["no finding reaches its threshold"]
    doubts = [f"look again: {doubt}" for doubt in found.doubts[row]]
    overlay = draw_overlay(grey, regions, [*lines, *doubts])
    write_overlay(overlay, output / OVERLAYS / f"{stem}.jpg")
    width, height = found.sizes[row]
    if author is not None and is_dicom(Path(item.name)):
        segments = [
            DicomFinding(name, found.probability(row, name), resize(region, width, height))
            for name, region in regions.items()
        ]
        name = ModelName(author.describe(), author.digest)
        write_objects(Path(item.name), segments, overlay, name, output / DICOM / stem)
    return {
        "stem": stem,
        "width": width,
        "height": height,
        "doubts": list(found.doubts[row]),
        "shown": shown,
        "findings": {name: _finding(found, row, name, seen.regions[name], name in shown) for name in found.names},
    }


def _finding(found: Predictions, row: int, name: str, region: np.ndarray, drawn: bool) -> dict[str, Any]:
    width, height = found.sizes[row]
    boxes = [box.xywh() for box in boxes_of(region, width, height)]
    line = math.nan if name not in found.findings else float(found.calibrated[row, found.findings.index(name)])
    code = encode(resize(region, width, height)) if drawn and boxes else None
    right, bottom = (max(box[axis] + box[axis + 2] for box in boxes) if boxes else 0.0 for axis in (0, 1))
    left, top = (min(box[axis] for box in boxes) if boxes else 0.0 for axis in (0, 1))
    return {
        "probability": found.probability(row, name),
        "calibrated": None if math.isnan(line) else line,
        "threshold": found.thresholds.get(name),
        "decision": found.decision(row, name),
        "attention": found.attention(row, name),
        "boxes": boxes,
        "hull": hull(code) if code else [left, top, right - left, bottom - top],
        "segmentation": code,
    }


def _line(found: Predictions, row: int, name: str) -> str:
    threshold = found.thresholds.get(name)
    beside = f", threshold {threshold:.3f}" if threshold is not None else ", no threshold"
    return f"{name} {found.probability(row, name):.3f}{beside}"


def _write_unreadable(path: Path, unreadable: Sequence[tuple[str, str]]) -> None:
    with written(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("image", "reason"))
        table.writerows(unreadable)
