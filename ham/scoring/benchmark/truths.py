"""Truths beside a data set's own: what other experts drew or said of the same images, each described by a YAML.

``config/truths/`` describes those of NIH's radiographs; one of one's own is one more file (docs/benchmark.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ham.boxes import Box, resized_mask
from ham.datasets.dataset import Dataset
from ham.datasets.sources.box_checks import LARGEST, four_numbers, place_in_image, read_json
from ham.datasets.sources.csv_text import LARGEST_TABLE
from ham.errors import DataError, list_some
from ham.runtime.files import sha256
from ham.runtime.yaml_text import read_settings
from ham.scoring.benchmark.tables import read_rows
from ham.scoring.truth import Pair
from ham.settings import Settings

Four = tuple[str, str, str, str]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Boxes = dict[str, dict[str, list[Box]]]
REMEDY = "get the file again"


class TruthFile(Settings):
    """A file of a truth: beside the description, or below the folder of such files."""

    file: str = Field(min_length=1)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    address: str | None = Field(None, description="where it comes from")


class BoxTable(Settings):
    """Boxes: a CSV of a row a box, or ChestX-Det's JSON of an entry an image."""

    files: tuple[TruthFile, ...] = Field(min_length=1)
    form: Literal["csv", "chestx-det"] = "csv"
    image: str = "image"
    finding: str | None = Field(None, description="column of the finding")
    only: str | None = Field(None, description="the finding that all boxes are of")
    xywh: Four | None = None
    corners: Four | None = None
    grid: int | None = Field(
        None, ge=1, description="side of the square that boxes are in; null: the original's pixels"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.form == "csv":
            if (self.xywh is None) == (self.corners is None):
                raise ValueError("xywh or corners: name the four columns of one of them")
            if (self.finding is None) == (self.only is None):
                raise ValueError("finding (a column) or only (the one finding): one of them")
        return self


class LabelTable(Settings):
    """Labels: a row an image, a column a finding, in words for present and absent; another word is unknown."""

    files: tuple[TruthFile, ...] = Field(min_length=1)
    image: str = "image"
    present: str = "1"
    absent: str = "0"


class ImageNames(TruthFile):
    """A CSV of two columns that names the data set's image of each of the truth's."""

    theirs: str
    ours: str


class TruthDescription(Settings):
    """One truth; ``findings``: theirs to ours, or to several of ours whose strongest map is taken, or to null."""

    name: str = Field(min_length=1, max_length=100)
    licence: str = Field(min_length=1)
    note: str = ""
    own: bool = Field(False, description="the data set's own boxes")
    findings: dict[Name, Name | tuple[Name, ...] | None] = Field({}, description="theirs to ours")
    images: ImageNames | None = None
    boxes: BoxTable | None = None
    labels: LabelTable | None = None
    absent: Literal["absent", "unknown"] = Field(
        "unknown", description="what it means that a finding is not drawn in an image of the truth"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.own == bool(self.boxes or self.labels):
            raise ValueError("own: true, or boxes: or labels: with a file")
        if not self.own and not self.findings:
            raise ValueError("findings: name each of the truth's, and what it is here")
        return self

    @classmethod
    def read(cls, path: Path) -> TruthDescription:
        """The description in ``path``; SettingsError with all its mistakes."""
        return read_settings(cls, path, "there is no such truth: give a name in config/truths/, or a YAML file")


@dataclass(frozen=True)
class OutsideTruth:
    """A truth as it was read: ``boxes`` in pixels of the original; ``labels`` of images, 1 present and 0 absent, what
    is unknown not there; by finding as ``findings`` calls them, each with ours that say it, the strongest of several.
    """

    name: str
    findings: Mapping[str, tuple[str, ...]]
    boxes: Boxes
    labels: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> frozenset[str]:
        """Images that it says anything of."""
        return frozenset([*self.boxes, *self.labels])

    def pairs(self, dataset: Dataset, images: list[str]) -> list[Pair]:
        """Pairs of ``images`` and a finding drawn in them, in their order and that of ``findings``."""
        return [
            Pair(image, finding, dataset.patient(image), len(boxes), partial(resized_mask, boxes, *dataset.size(image)))
            for image in images
            for finding in self.findings
            if (boxes := self.boxes.get(image, {}).get(finding))
        ]


def read_truth(path: Path, dataset: Dataset, files: Path | None = None) -> OutsideTruth:
    """The truth that ``path`` describes, of images of ``dataset``; ``files`` is a folder of files it names.

    DataError where a file is not there, not what was promised, or says what cannot be.
    """
    description = TruthDescription.read(path)
    if description.own:
        own = {finding: (finding,) for finding in dataset.boxed_findings}
        known = {i: dict.fromkeys(boxed, 1) for i, boxed in dataset.boxes.items()}
        return OutsideTruth(description.name, own, dict(dataset.boxes), known)
    return _Reading(path, description, dataset, files).read()


class _Reading:
    """What is needed to read one truth."""

    def __init__(self, path: Path, description: TruthDescription, dataset: Dataset, files: Path | None) -> None:
        self.path, self.description, self.dataset = path, description, dataset
        self.folders = [path.parent, *([files] if files else [])]
        self.names = self._read_names()
        self.digests: dict[str, str] = {}
        self.elsewhere: set[str] = set()  # images that the data set does not have

    def read(self) -> OutsideTruth:
        boxes: Boxes = {}
        labels: dict[str, dict[str, int]] = {}
        shown = {theirs: _shown(theirs, ours) for theirs, ours in self.description.findings.items() if ours is not None}
        for where, given, finding, box in self._boxes():
            image = self._image(given)
            if image is None:
                continue
            of_image = boxes.setdefault(image, {})
            if finding is None or (name := self._known(where, finding, shown)) is None or box is None:
                continue
            inside, _ = place_in_image(where, "the box", self._scaled(box, image), self.dataset.size(image), REMEDY)
            of_image.setdefault(name, []).append(inside)
        for image, drawn in boxes.items():
            silent = dict.fromkeys(shown.values(), 0) if self.description.absent == "absent" else {}
            labels[image] = silent | dict.fromkeys(drawn, 1)
        for image, name, value in self._labels(shown):
            labels.setdefault(image, {})[name] = value
        ours = {
            shown[theirs]: (to,) if isinstance(to, str) else tuple(to)
            for theirs, to in self.description.findings.items()
            if to is not None
        }
        notes = (f"{len(self.elsewhere):,} of its images are not in {self.dataset.name}",) if self.elsewhere else ()
        return OutsideTruth(self.description.name, ours, boxes, labels, notes, self.digests)

    def _find(self, file: TruthFile) -> Path:
        """The file, checked; DataError says where it comes from."""
        for folder in self.folders:
            path = folder / file.file
            if path.is_file():
                found = sha256(path)
                if file.sha256 and found != file.sha256:
                    raise DataError(f"{path} is not the file that {self.path} describes (sha256): get it again.")
                return path
        source = f" from {file.address}" if file.address else ""
        places = " or ".join(str(folder) for folder in self.folders)
        raise DataError(f"{file.file} is not in {places}: get it{source}, and put it there.")

    def _read_names(self) -> dict[str, str] | None:
        names = self.description.images
        if names is None:
            return None
        rows = read_rows(self._find(names), [names.theirs, names.ours])
        return {row[names.theirs]: row[names.ours] for _, row in rows}

    def _image(self, given: str) -> str | None:
        """The data set's image, None where it has none."""
        image = given if self.names is None else self.names.get(given)
        if image is None or image not in self.dataset.table.index:
            self.elsewhere.add(given)
            return None
        return image

    def _known(self, where: str, finding: str, shown: Mapping[str, str]) -> str | None:
        if finding not in self.description.findings:
            raise DataError(f"{where}: {finding[:100]!r} is not among the findings that {self.path} describes.")
        return shown.get(finding)

    def _scaled(self, box: Box, image: str) -> Box:
        grid = self.description.boxes.grid if self.description.boxes else None
        if grid is None:
            return box
        width, height = self.dataset.size(image)
        if (width, height) == (grid, grid):
            return box
        return Box(*(n * s / grid for n, s in zip((box.x0, box.y0, box.x1, box.y1), (width, height) * 2, strict=True)))

    def _boxes(self) -> Iterator[tuple[str, str, str | None, Box | None]]:
        """Where it stands, image, finding and box; without a finding an image that was looked at and has none."""
        table = self.description.boxes
        for file in table.files if table else ():
            path = self._find(file)
            self.digests[file.file] = sha256(path)
            assert table is not None
            yield from _read_json_boxes(path) if table.form == "chestx-det" else _read_csv_boxes(path, table)

    def _labels(self, shown: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
        table = self.description.labels
        for file in table.files if table else ():
            path = self._find(file)
            self.digests[file.file] = sha256(path)
            assert table is not None
            meaning = {table.present: 1, table.absent: 0}
            for _, row in read_rows(path, [table.image, *shown]):
                image = self._image(row[table.image])
                for theirs, name in shown.items():
                    if image is not None and row[theirs] in meaning:
                        yield image, name, meaning[row[theirs]]


def _shown(theirs: str, ours: str | tuple[str, ...]) -> str:
    """What a finding is called: ours where there is one, theirs where it is the strongest of several."""
    return ours if isinstance(ours, str) else theirs


def _read_csv_boxes(path: Path, table: BoxTable) -> Iterator[tuple[str, str, str | None, Box | None]]:
    order = table.corners or table.xywh or ()
    make = Box.from_corners if table.corners else Box.from_xywh
    columns = [table.image, *order, *([table.finding] if table.finding else [])]
    for line, row in read_rows(path, columns):
        where, fields = f"{path}, line {line}", [row[name] for name in order]
        if not any(fields):
            yield where, row[table.image], None, None
            continue
        finding = row[table.finding] if table.finding else table.only
        yield where, row[table.image], finding, _with_area(where, make(four_numbers(where, fields, ", ".join(order))))


def _read_json_boxes(path: Path) -> Iterator[tuple[str, str, str | None, Box | None]]:
    """ChestX-Det: ``[{file_name, syms: [finding], boxes: [[x1, y1, x2, y2]]}]``."""
    read = read_json(path, LARGEST_TABLE, REMEDY)
    for number, entry in enumerate(read if isinstance(read, list) else [None]):
        where = f"{path}, entry {number}"
        parts = [entry.get(key) for key in ("file_name", "syms", "boxes")] if isinstance(entry, dict) else [None] * 3
        image, findings, boxes = parts
        if not (isinstance(image, str) and isinstance(findings, list) and isinstance(boxes, list)) or len(
            findings
        ) != len(boxes):
            raise DataError(f"{where} is not file_name, syms and as many boxes: {REMEDY}.")
        yield where, image, None, None
        for finding, box in zip(findings, boxes, strict=True):
            fields = [str(value) for value in box] if isinstance(box, list) else []
            yield (
                where,
                image,
                str(finding),
                _with_area(where, Box.from_corners(four_numbers(where, fields, "x, y, x, y"))),
            )


def _with_area(where: str, box: Box) -> Box:
    if box.x1 <= box.x0 or box.y1 <= box.y0 or np.abs([box.x0, box.y1]).max() > LARGEST:
        raise DataError(f"{where}: the box has no area: see whether its columns are named in their order.")
    return box


def describe_truth(truth: OutsideTruth) -> str:
    """One line: how much there is of it."""
    boxes = sum(len(found) for drawn in truth.boxes.values() for found in drawn.values())
    return f"{truth.name}: {len(truth.images):,} images, {boxes:,} boxes of {list_some(list(truth.findings))}"
