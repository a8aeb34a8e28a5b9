"""What was predicted of each image, kept as it comes, so that a second run does only what is new.

A line of JSON an image in ``.predicted.jsonl``; the last line of an image counts, and a line that a killed run left
half-written is none. The tables are written from it.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ham.errors import DataError
from ham.runtime import locks
from ham.runtime.files import written

NAME = ".predicted.jsonl"
COLUMNS = (
    "image",
    "finding",
    "probability",
    "calibrated",
    "threshold",
    "decision",
    "attention",
    "boxes",
    "width",
    "height",
    "doubts",
)


@dataclass(frozen=True)
class Place:
    """Where an image's line is, and the digest of the file that it is of."""

    offset: int
    digest: str


class Record:
    """The record of a folder of outputs; ``about`` says by what it is predicted, and must stay the same."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.path = folder / NAME
        self.about = about
        self._places: dict[str, Place] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = open(self.path, "ab")  # noqa: SIM115 (open as long as images come)
        try:
            self._lock()
            end = self._read()
        except BaseException:
            self._file.close()
            raise
        self._file.truncate(end)  # a line that was not finished
        self._file.seek(end)
        if end == 0:
            self._append(about)

    def __contains__(self, image: str) -> bool:
        return image in self._places

    def __len__(self) -> int:
        return len(self._places)

    def digests(self) -> dict[str, str]:
        """Of the file that each image was predicted from."""
        return {image: place.digest for image, place in self._places.items()}

    def add(self, image: str, digest: str, found: dict[str, Any]) -> None:
        """Keep what was found in an image."""
        offset = self._append({"image": image, "sha256": digest, **found})
        self._places[image] = Place(offset, digest)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every image by name, one in memory at a time."""
        with open(self.path, "rb") as file:
            for image in sorted(self._places):
                file.seek(self._places[image].offset)
                yield json.loads(file.readline())

    def close(self) -> None:
        """Let the file go."""
        locks.free(self._file)

    def _lock(self) -> None:
        try:
            locks.take(self._file)
        except BlockingIOError:
            raise DataError(
                f"{self.path.parent}: another ham predict is writing into it; let it end, or take another folder for "
                "--out."
            ) from None
        except OSError:  # the file system has no locks
            logging.getLogger("ham").warning("%s has no locks: never predict into it twice at once", self.path.parent)

    def _append(self, value: dict[str, Any]) -> int:
        offset = self._file.tell()
        self._file.write(json.dumps(value, ensure_ascii=True, allow_nan=False).encode() + b"\n")
        self._file.flush()
        return offset

    def _read(self) -> int:
        """Take in the lines that are there; returns where the next one belongs."""
        with open(self.path, "rb") as file:
            end = 0
            for line in file:
                try:
                    value = json.loads(line) if line.endswith(b"\n") else None
                    if value is None:
                        break
                    if end == 0 and value != self.about:
                        raise DataError(
                            f"{self.path.parent}: holds predictions of another model or with other options; take "
                            "another folder for --out, or remove this one."
                        )
                    if end:
                        self._places[str(value["image"])] = Place(end, str(value["sha256"]))
                except (ValueError, KeyError, TypeError):
                    break
                end += len(line)
            return end


def write_tables(record: Record, folder: Path, names: tuple[str, ...]) -> None:
    """Write predictions.csv, a row an image and name of ``names`` (the findings, then abnormality), and
    predictions.json, COCO: images, categories, and every region as a detection."""
    with written(folder / "predictions.csv") as path, open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in record.rows():
            for name in names:
                table.writerow(_cells(row, name))
    with written(folder / "predictions.json") as path, open(path, "w", encoding="utf-8") as file:
        file.write('{\n"info": ' + json.dumps({"description": record.about["model"]}) + ',\n"images": [')
        _write_entries(file, (_coco_image(number, row) for number, row in enumerate(record.rows(), 1)))
        file.write('],\n"categories": [')
        _write_entries(file, ({"id": place, "name": name} for place, name in enumerate(names, 1)))
        file.write('],\n"annotations": [')
        _write_entries(file, _coco_detections(record, names))
        file.write("]\n}\n")


def _cells(row: dict[str, Any], name: str) -> list[Any]:
    found = row["findings"][name]
    boxes = "; ".join(" ".join(f"{number:.1f}" for number in box) for box in found["boxes"])
    decision = {True: "present", False: "absent", None: ""}[found["decision"]]
    numbers = [_number(found[key]) for key in ("probability", "calibrated", "threshold")]
    said = "; ".join(row["doubts"])
    return [
        row["image"],
        name,
        *numbers,
        decision,
        _number(found["attention"]),
        boxes,
        row["width"],
        row["height"],
        said,
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _coco_image(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {"id": number, "file_name": row["image"], "width": row["width"], "height": row["height"]} | (
        {"doubts": row["doubts"]} if row["doubts"] else {}
    )


def _coco_detections(record: Record, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Every box of every region, x, y, w, h in pixels of the image, with the finding's probability; the region as run
    lengths where it is drawn."""
    number = 0
    for place, row in enumerate(record.rows(), 1):
        for category, name in enumerate(names, 1):
            found = row["findings"][name]
            if found["boxes"]:
                number += 1
                yield (
                    {"id": number, "image_id": place, "category_id": category, "score": found["probability"]}
                    | {"bbox": found["hull"], "area": found["hull"][2] * found["hull"][3], "iscrowd": 0}
                    | ({"segmentation": found["segmentation"]} if found["segmentation"] else {})
                )


def _write_entries(file: IO[str], entries: Iterator[dict[str, Any]]) -> None:
    comma = "\n"
    for entry in entries:
        file.write(comma + json.dumps(entry, ensure_ascii=True, allow_nan=False))
        comma = ",\n"
    file.write("\n")
