"""``ham predict``: a folder of a user's own images to tables, overlays and a page."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ham.errors import DataError
from ham.inference.inputs import find_images, output_stem
from ham.inference.model import POINTS, Model, Predictions, Prepared
from ham.inference.page import write_page
from ham.inference.pictures import (
    MOST,
    OVERLAYS,
    PICTURES,
    choose_shown,
    draw_overlay,
    fitted,
    write_layers,
    write_overlay,
)
from ham.inference.reader import read_radiograph
from ham.inference.record import Record, write_tables
from ham.model.card import ABNORMALITY, TypicalImage
from ham.runtime.files import sha256, written
from ham.runtime.progress import track
from ham.scoring.full_size import encode, hull, resize

log = logging.getLogger("ham")
DRAWN_SIDE = 1024  # pixels of an overlay's longer side at most


@dataclass(frozen=True)
class PredictOptions:
    """How images are predicted; ``point`` names the threshold (youden, target)."""

    device: str = "cpu"
    workers: int = 1
    batch_size: int = 8
    point: str = "youden"


@dataclass(frozen=True)
class Outcome:
    """How many images were predicted and how many stood already; files that could not be read, with the reason."""

    predicted: int
    stood: int
    unreadable: tuple[tuple[str, str], ...]


class _Read:
    """An image read in another process: as the network and as people see it; or why it cannot be; or nothing new."""

    def __init__(self, name: str, digest: str = "", problem: str = "") -> None:
        self.name, self.digest, self.problem = name, digest, problem
        self.prepared: Prepared | None = None
        self.shown: np.ndarray | None = None


@dataclass(frozen=True)
class _Files(Dataset[_Read]):
    """Files to read; ``known``: digests of those that were predicted already."""

    paths: Sequence[Path]
    known: Mapping[str, str]
    side: int
    typical: TypicalImage | None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> _Read:
        path = self.paths[place]
        name = str(path)
        try:
            read = _Read(name, sha256(path))
            if self.known.get(name) == read.digest:
                return read
            grey = read_radiograph(path)
        except DataError as error:
            return _Read(name, problem=str(error))
        except OSError as error:
            return _Read(name, problem=f"{name}: cannot be read ({error.strerror}).")
        read.prepared = Prepared.make(grey, self.side, self.typical)
        read.shown = np.asarray(fitted(grey, DRAWN_SIDE))
        return read


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
    files = _Files(paths, record.digests(), model.card.model.image_size, model.typical)
    read = DataLoader(
        files,
        batch_size=None,
        num_workers=min(options.workers, len(paths)),
        multiprocessing_context="spawn" if options.workers else None,
    )
    predicted, stood, unreadable, batch = 0, 0, [], []

    def flush() -> int:
        if not batch:
            return 0
        found = model.forward([item.prepared for item in batch], options.point)
        for row, item in enumerate(batch):
            record.add(item.name, item.digest, _keep(found, row, item, output))
        done = len(batch)
        batch.clear()
        return done

    for item in track(read, "predicting", len(paths)):
        if item.problem:
            unreadable.append((item.name, item.problem))
            log.warning("%s", item.problem)
        elif item.prepared is None:
            stood += 1
        else:
            batch.append(item)
        if len(batch) == options.batch_size:
            predicted += flush()
    predicted += flush()
    return Outcome(predicted, stood, tuple(unreadable))


def _keep(found: Predictions, row: int, item: _Read, output: Path) -> dict[str, Any]:
    """Write the pictures of an image; what the record keeps of it."""
    assert item.shown is not None
    stem = output_stem(item.name)
    shown = choose_shown(found, row)
    grey = Image.fromarray(item.shown)
    write_layers(found, row, shown, grey, output / PICTURES / stem)
    regions = {name: found.regions[row, found.names.index(name)] for name in shown}
    lines = [_line(found, row, name) for name in shown] or ["no finding reaches its threshold"]
    doubts = [f"look again: {doubt}" for doubt in found.doubts[row]]
    write_overlay(draw_overlay(grey, regions, [*lines, *doubts]), output / OVERLAYS / f"{stem}.jpg")
    width, height = found.sizes[row]
    return {
        "stem": stem,
        "width": width,
        "height": height,
        "doubts": list(found.doubts[row]),
        "shown": shown,
        "findings": {name: _finding(found, row, name, name in shown) for name in found.names},
    }


def _finding(found: Predictions, row: int, name: str, drawn: bool) -> dict[str, Any]:
    boxes = [box.xywh() for box in found.boxes(row, name)]
    width, height = found.sizes[row]
    line = math.nan if name not in found.findings else float(found.calibrated[row, found.findings.index(name)])
    region = found.regions[row, found.names.index(name)]
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
        rows: Iterator[tuple[str, str]] = iter(unreadable)
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("image", "reason"))
        table.writerows(rows)
