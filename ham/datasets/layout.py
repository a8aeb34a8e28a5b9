"""The folder of a data set: its one writer and its one reader, whatever the data came from.

::

    datasets/<Name>/images/<image>          image ids are paths below images/ and may hold "/"
                    Annotations/{Tags,BBoxes}.json   {image: [finding]}, {image: {finding: [[x, y, w, h], …]}}
                    ImageSets/…             lists of images, whole also when partial; those of others byte-identical
                    images.csv              image, patient, width, height, view, then a column a finding: 1, 0, blank
                    missing.csv             image: one row an image of images.csv that is not in images/
                    present.csv             list, finding, listed, present …: of the lists that miss images
                    validation.csv          image, problem, repair: what was found and what was done about it
                    dataset.json            findings, counts and digests of all the above; no times, no places
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ham.boxes import Box
from ham.datasets.description import IMAGE_COLUMNS
from ham.datasets.list_counts import Presence, Row
from ham.errors import DataError
from ham.runtime.files import sha256, write_json, write_text, written

LISTS = "ImageSets"
BOXES = "Annotations/BBoxes.json"
# Files whose digest dataset.json holds, under the name it has there.
DIGESTED = {"images.csv": "images.csv", "BBoxes.json": BOXES, "missing.csv": "missing.csv"}

Xywh = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]  # {image: {finding: [[x, y, w, h], …]}}, original pixels


class Problem(NamedTuple):
    """A row of validation.csv; ``image`` is empty when the whole source is meant, ``repair`` when there was none."""

    image: str
    problem: str
    repair: str


@dataclass(frozen=True)
class Content:
    """What a converter has read, ready to be written.

    ``table`` is indexed by image and has patient (text), width, height (pixels of the original image), view (text) and
    a column a finding (1, 0, nan = unknown). ``boxes`` are kept as x, y, w, h exactly as the source gives them, since
    w = (x + w) - x does not hold for floats. ``lists`` maps ``Main/fold1/test_0_0.2`` to the file to copy, or to the
    images of a list of our own; ``pictures`` is a digest over the image files themselves.
    """

    key: str
    name: str
    source: str
    findings: tuple[str, ...]
    boxed_findings: tuple[str, ...]
    box_grid: int
    table: pd.DataFrame
    boxes: Xywh
    lists: Mapping[str, Path | Sequence[str]]
    missing: Sequence[str]
    partial: bool
    problems: Sequence[Problem]
    sources: Sequence[Mapping[str, Any]]
    pictures: str
    licence: str
    attribution: str


def write(folder: Path, content: Content) -> None:
    """Write everything but the images; dataset.json last, since its presence says that the rest is whole."""
    folder = Path(folder)
    (folder / "dataset.json").unlink(missing_ok=True)
    _write_table(folder / "images.csv", content.table, content.findings)
    _write_lines(folder / "Annotations/Tags.json", _tags(content.table, content.findings))
    _write_lines(folder / BOXES, content.boxes)
    _write_rows(folder / "missing.csv", ("image",), ((image,) for image in content.missing))
    write_validation(folder, content.problems)
    missing = frozenset(content.missing)
    lists = _write_lists(folder, content, missing)
    digests = {name: sha256(folder / path) for name, path in DIGESTED.items()} | {"images": content.pictures}
    write_json(
        folder / "dataset.json",
        {
            "key": content.key,
            "name": content.name,
            "source": content.source,
            "findings": content.findings,
            "boxed_findings": content.boxed_findings,
            "box_grid": content.box_grid,
            "partial": content.partial,
            "counts": _counts(content, missing),
            "lists": lists,
            "digests": digests,
            "sources": content.sources,
            "licence": content.licence,
            "attribution": content.attribution,
        },
    )


def write_validation(folder: Path, problems: Iterable[Problem]) -> Path:
    """Write validation.csv alone; returns its path."""
    path = Path(folder) / "validation.csv"
    _write_rows(path, Problem._fields, problems)
    return path


def read_list(path: Path) -> list[str]:
    """The image ids of a list: one a line, a final newline or not, either kind of line end."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of images: {error}") from None
    return [image for image in map(str.strip, lines) if image]


class Dataset:
    """A data set folder, read. Images are named by their id, boxes are in original pixels.

    ``table``: images.csv, indexed by image, all images of the source. ``missing``: those of them without a file.
    ``boxes``: {image: {finding: [Box]}}, non-empty ones only. ``info``: dataset.json.
    """

    def __init__(self, folder: Path, info: dict[str, Any], table: pd.DataFrame, boxes: Xywh, missing: Iterable[str]):
        self.folder = folder
        self.info = info
        self.name: str = info["name"]
        self.findings: tuple[str, ...] = tuple(info["findings"])
        self.boxed_findings: tuple[str, ...] = tuple(info["boxed_findings"])
        self.box_grid: int = info["box_grid"]
        self.table = table
        self.missing = frozenset(missing)
        self.boxes: dict[str, dict[str, list[Box]]] = {
            image: {finding: [Box.from_xywh(box) for box in found] for finding, found in boxed.items() if found}
            for image, boxed in boxes.items()
            if any(boxed.values())
        }
        self._lists: dict[str, tuple[str, ...]] = {}

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Read ``folder``; raises DataError when it is not whole, or was changed since it was written."""
        folder = Path(folder)
        try:
            info = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
            for name, path in DIGESTED.items():
                if sha256(folder / path) != info["digests"][name]:
                    raise DataError(
                        f"{folder / path} was changed since it was made: remove it and run `datasets` again"
                    )
            table = _read_table(folder / "images.csv", info["findings"])
            boxes = json.loads((folder / BOXES).read_text(encoding="utf-8"))
            with open(folder / "missing.csv", newline="", encoding="utf-8") as file:
                missing = [row["image"] for row in csv.DictReader(file)]
        except FileNotFoundError as error:
            raise DataError(f"{folder} is not a whole data set, {error.filename} is absent: run `datasets`") from None
        except (json.JSONDecodeError, KeyError) as error:
            raise DataError(f"{folder} was not written by this version of ham ({error!r}): run `datasets`") from None
        return cls(folder, info, table, boxes, missing)

    def listed(self, name: str, absent: bool = False) -> list[str]:
        """Images of a list (``Main/fold1/test_0_0.2``) in its order: those whose file is present, or with ``absent``
        all."""
        if name not in self._lists:
            if name not in self.info["lists"]:
                known = ", ".join(self.info["lists"]) or "none"
                raise DataError(f"data set {self.name} has no list {name}; its lists are: {known}")
            path = self.folder / LISTS / f"{name}.txt"
            if not path.is_file() or sha256(path) != self.info["lists"][name]["sha256"]:
                raise DataError(f"{path} is absent or was changed since the data set was made: run `datasets` again")
            self._lists[name] = tuple(read_list(path))
        return [image for image in self._lists[name] if absent or image not in self.missing]

    def labels(self, images: Sequence[str]) -> np.ndarray:
        """float32 [N, C]: 1, 0, or nan where unknown, for ``images`` in their order and all findings in theirs."""
        return self._labels[self._rows(images)]

    def patient(self, image: str) -> str:
        """The patient that ``image`` is of."""
        return self._patients[self._row(image)]

    def size(self, image: str) -> tuple[int, int]:
        """Width and height of the original image, the frame of its boxes, in pixels."""
        width, height = self._sizes[self._row(image)]
        return int(width), int(height)

    def path(self, image: str) -> Path:
        """Where the file of ``image`` is (or would be, when it is missing)."""
        return self.folder / "images" / image

    @cached_property
    def _labels(self) -> np.ndarray:
        return self.table[list(self.findings)].to_numpy(dtype=np.float32)

    @cached_property
    def _patients(self) -> list[str]:
        return self.table["patient"].tolist()

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self.table[["width", "height"]].to_numpy()

    def _row(self, image: str) -> int:
        try:
            return int(self.table.index.get_loc(image))  # type: ignore[arg-type]  # unique, so never a slice
        except KeyError:
            raise DataError(f"{image} is no image of data set {self.name}") from None

    def _rows(self, images: Sequence[str]) -> np.ndarray:
        rows = self.table.index.get_indexer(pd.Index(list(images), dtype=self.table.index.dtype))
        if (rows < 0).any():
            unknown = [image for image, row in zip(images, rows, strict=True) if row < 0]
            raise DataError(
                f"{unknown[0]} is no image of data set {self.name} ({len(unknown)} of {len(images)} are not)"
            )
        return rows


def _read_table(path: Path, findings: Sequence[str]) -> pd.DataFrame:
    dtypes: dict[str, Any] = {"image": str, "patient": str, "width": "int32", "height": "int32", "view": str}
    try:
        table = pd.read_csv(
            path,
            dtype=dtypes | dict.fromkeys(findings, "float32"),
            keep_default_na=False,  # a patient may be called NA
            na_values={finding: [""] for finding in findings},
        )
        return table.set_index("image")[[*IMAGE_COLUMNS[1:], *findings]]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path} is not a table as ham writes it ({error}): run `datasets` again") from None


def _write_table(path: Path, table: pd.DataFrame, findings: Sequence[str]) -> None:
    labels = table[list(findings)]
    whole = labels.astype("Int8") if labels.isna().to_numpy().any() else labels.astype("int8")
    with written(path) as temporary:
        pd.concat([table[list(IMAGE_COLUMNS[1:])], whole], axis=1).to_csv(
            temporary, index_label=IMAGE_COLUMNS[0], lineterminator="\n"
        )


def _write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    with written(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_lines(path: Path, values: Mapping[str, Any]) -> None:
    """A JSON object with one key a line: short to read, and two versions of it can be compared by eye."""
    with written(path) as temporary:
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
        temporary.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")


def _tags(table: pd.DataFrame, findings: Sequence[str]) -> dict[str, list[str]]:
    images = table.index.tolist()
    tags: dict[str, list[str]] = {image: [] for image in images}
    rows, columns = np.nonzero(table[list(findings)].to_numpy() == 1)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        tags[images[row]].append(findings[column])
    return tags


def _write_lists(folder: Path, content: Content, missing: frozenset[str]) -> dict[str, Any]:
    """Write lists and present.csv; returns what dataset.json says of each list."""
    lists: dict[str, Any] = {}
    presence = Presence(content.table, content.findings, content.boxes, missing) if missing else None
    rows: list[Row] = []
    for name, given in content.lists.items():
        path = folder / LISTS / f"{name}.txt"
        images = _write_list(given, path)
        absent = len(missing.intersection(images))  # no image is listed twice
        lists[name] = {"listed": len(images), "present": len(images) - absent, "sha256": sha256(path)}
        rows += presence.rows(name, images) if presence and absent else []
    _write_rows(folder / "present.csv", Row._fields, rows)
    return lists


def _write_list(given: Path | Sequence[str], target: Path) -> list[str]:
    if isinstance(given, Path):
        with written(target) as temporary:
            shutil.copyfile(given, temporary)
    else:
        write_text(target, "\n".join(given))  # no final newline, as in the published lists
    return read_list(target)


def _counts(content: Content, missing: frozenset[str]) -> dict[str, Any]:
    present = ~content.table.index.isin(missing)
    positive = content.table[list(content.findings)] == 1
    boxes = [
        (finding, len(found), image not in missing)
        for image, boxed in content.boxes.items()
        for finding, found in boxed.items()
    ]
    return {
        "images": len(content.table),
        "present": int(present.sum()),
        "patients": int(content.table["patient"].nunique()),
        "present_patients": int(content.table["patient"][present].nunique()),
        "boxes": sum(number for _, number, _ in boxes),
        "present_boxes": sum(number for _, number, there in boxes if there),
        "boxed_images": len(content.boxes),
        "present_boxed_images": sum(image not in missing for image in content.boxes),
        "findings": {
            finding: {
                "images": int(positive[finding].sum()),
                "present": int(positive[finding][present].sum()),
                "boxes": sum(number for named, number, _ in boxes if named == finding),
                "present_boxes": sum(number for named, number, there in boxes if named == finding and there),
            }
            for finding in content.findings
        },
    }


def pictures_digest(records: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (name, digest and what was found) of the images, whatever order they were unpacked in."""
    digest = hashlib.sha256()
    for name, value in sorted(records):
        digest.update(f"{name} {value}\n".encode())
    return digest.hexdigest()
