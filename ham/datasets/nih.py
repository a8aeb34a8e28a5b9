"""NIH ChestX-ray14, and whatever comes in its form, to the folder of :mod:`ham.datasets.layout`.

Data_Entry gives findings, patient and view of each image, BBox_List the boxes in the frame of the distributed images
(1024 x 1024; ``OriginalImage[Width,Height]`` is the size before NIH reduced them and plays no part here).
"""

from __future__ import annotations

import csv
import json
import os
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ham.datasets.layout import Content, Problem, pictures_digest, read_list, write
from ham.datasets.settings import PUBLISHED, Description, FoldSettings, repeated, unsafe
from ham.datasets.splits import folds_by_patient
from ham.datasets.unpack import read_record
from ham.errors import DataError
from ham.files import sha256

ENTRIES = "Data_Entry"  # how the table's name begins; what follows is the year of its issue
BOX_LIST = "BBox_List"
LISTS = f"{PUBLISHED}ImageSets/"
AUTHORS_BOXES = f"{PUBLISHED}Annotations/BBoxes.json"
OFFICIAL = ("train_val_list.txt", "test_list.txt")
NO_FINDING = "No Finding"
RENAMED = {"Infiltrate": "Infiltration"}  # BBox_List's word, Data_Entry's word
NEEDED = ("Image Index", "Finding Labels", "Patient ID", "View Position")
LARGEST_TABLE = 256 << 20  # bytes; Data_Entry has 9 MB
MOST_COLUMNS = 64
TOLERANCE = 1e-9  # between our boxes and the authors', in pixels
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.\w+")  # image names that need no closer look

Boxes = dict[str, dict[str, list[list[float]]]]  # {image: {finding: [[x, y, w, h], …]}}


def convert(
    folder: Path,
    description: Description,
    sources: Path,
    records: list[Path],
    partial: bool,
    key: str,
    folds: FoldSettings,
) -> None:
    """Write the data set ``folder`` from the tables and lists below ``sources`` and the images unpacked to it.

    ``records`` are what unpacking wrote; ``folds`` by patient are added to the lists. Absent images are allowed only if
    ``partial``. Raises DataError, naming file and line, for anything that would make labels, boxes, lists or images
    doubtful; the rest goes to validation.csv.
    """
    folder, sources = Path(folder), Path(sources)
    problems: list[Problem] = []
    table = read_entries(_table(description, sources, ENTRIES), description.findings, description.box_grid)
    boxes: Boxes = {}
    if description.boxed_findings:
        boxes = read_boxes(_table(description, sources, BOX_LIST), description, table, problems)
    if AUTHORS_BOXES in description.list_names:
        problems += compare_boxes(boxes, sources / AUTHORS_BOXES)
    lists = _lists(description, sources, frozenset(table.index))
    unpacked = _unpacked(records, problems)
    present = _present(folder / "images", unpacked, table, description.box_grid, problems)
    missing = [image for image in table.index if image not in present]
    _refuse_missing(missing, len(table), partial, description.name)
    content = Content(
        key=key,
        name=description.name,
        source=description.source,
        findings=description.findings,
        boxed_findings=description.boxed_findings,
        box_grid=description.box_grid,
        table=table,
        boxes=boxes,
        lists={**lists, **folds_by_patient(table, boxes, folds)},
        missing=missing,
        partial=bool(missing),
        problems=problems,
        sources=_sources(description, sources, unpacked),
        pictures=pictures_digest((image.name, image.sha256) for image in unpacked if image.name in present),
        licence=description.licence,
        attribution=description.attribution,
    )
    write(folder, content)


def read_entries(path: Path, findings: Sequence[str], grid: int) -> pd.DataFrame:
    """Data_Entry in any of its issues as a table: index image; patient, width, height, view, a column a finding (0, 1).

    The 2017 issue's header ends in a nameless column, the two of 2020 say Patient Gender or Patient Sex; header fields
    such as ``OriginalImage[Width,Height]`` fall apart at their comma. Columns are found by name.
    """
    header, rows = _csv(path)
    absent = [name for name in NEEDED if name not in header]
    if absent:
        raise DataError(f"{path}: the header has no column {', '.join(absent)} (it has: {', '.join(header)})")
    columns = [header.index(name) for name in NEEDED]
    meaning: dict[str, np.ndarray] = {}  # some 800 combinations of findings in 112,120 rows
    seen: dict[str, int] = {}
    values: list[tuple[str, str]] = []
    labels: list[np.ndarray] = []
    for line, row in rows:
        if len(row) <= max(columns):
            raise DataError(f"{path}, line {line}: {len(row)} fields, {len(header)} are expected")
        image, found, patient, view = (row[column].strip() for column in columns)
        if image in seen:
            raise DataError(f"{path}, line {line}: {image} stands in line {seen[image]} already")
        if not PLAIN.fullmatch(image) and (reason := unsafe(image)):
            raise DataError(f"{path}, line {line}: the image name {image!r} {reason}")
        if not patient:
            raise DataError(f"{path}, line {line}: {image} has no patient")
        if found not in meaning:
            meaning[found] = _findings(found, findings, f"{path}, line {line}")
        seen[image] = line
        values.append((patient, view))
        labels.append(meaning[found])
    if not seen:
        raise DataError(f"{path} has a header and no rows: get it again")
    table = pd.DataFrame(np.stack(labels), index=pd.Index(list(seen), name="image"), columns=list(findings))
    table.insert(0, "patient", [patient for patient, _ in values])
    table.insert(1, "width", grid)
    table.insert(2, "height", grid)
    table.insert(3, "view", [view for _, view in values])
    return table


def read_boxes(path: Path, description: Description, table: pd.DataFrame, problems: list[Problem]) -> Boxes:
    """BBox_List as {image: {finding: [[x, y, w, h]]}}, in pixels of the distributed image, numbers as they stand there.

    Its header has nine fields (``Bbox [x,y,w,h],,,``) where rows have six, so columns are found by place.
    """
    header, rows = _csv(path)
    if header[:2] != ["Image Index", "Finding Label"]:
        raise DataError(f"{path}: the header does not begin with Image Index, Finding Label but {', '.join(header)}")
    boxes: Boxes = {}
    renamed: Counter[str] = Counter()
    for line, row in rows:
        where = f"{path}, line {line}"
        if len(row) < 6:
            raise DataError(f"{where}: {len(row)} fields, an image, a finding and four numbers are expected")
        image, finding = row[0].strip(), row[1].strip()
        if finding in RENAMED and finding not in description.findings:
            renamed[finding] += 1
            finding = RENAMED[finding]
        _check_box_owner(where, image, finding, description, table)
        box = _numbers(where, row[2:6], description.box_grid)
        found = boxes.setdefault(image, {}).setdefault(finding, [])
        if box in found:
            raise DataError(f"{where}: the same box of {finding} in {image} stands there twice")
        found.append(box)
    problems += [
        Problem(
            "",
            f"{number} boxes are of {finding}, a finding that {ENTRIES} does not know",
            f"read as {RENAMED[finding]}",
        )
        for finding, number in renamed.items()
    ]
    return boxes


def compare_boxes(boxes: Boxes, path: Path) -> list[Problem]:
    """A row for every image whose boxes differ by more than 1e-9 from the authors' BBoxes.json."""
    try:
        authors: Boxes = json.loads(path.read_text(encoding="utf-8"))
        images = list(dict.fromkeys([*boxes, *authors]))
        differ = [image for image in images if not _same(boxes.get(image, {}), authors.get(image, {}))]
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise DataError(f"{path} is not {{image: {{finding: [[x, y, w, h]]}}}} ({error}): get it again") from None
    return [
        Problem(image, f"the authors' boxes differ: {json.dumps(authors.get(image, {}))}", f"{BOX_LIST} is used")
        for image in differ
    ]


class _Image(NamedTuple):
    """An unpacked image; ``record`` is the record that has it."""

    name: str
    bytes: int
    sha256: str
    record: Path


def _table(description: Description, sources: Path, beginning: str) -> Path:
    for name in description.table_names:
        if name.rpartition("/")[2].startswith(beginning):
            return sources / name
    raise DataError(f"the description of {description.name} has no table {beginning}….csv: add it to tables")


def _csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header fields, and rows with the number of their line, blank ones left out; errors for what is no sane table."""
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise DataError(f"{path} has more than {LARGEST_TABLE >> 20} MiB: it is no table of this kind")
        rows = _csv_rows(path)
        _, header = next(rows, (0, []))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if not header:
        raise DataError(f"{path} is empty: get it again")
    return [field.strip() for field in header], rows


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            for row in reader:
                if len(row) > MOST_COLUMNS or any("\0" in field for field in row):
                    raise csv.Error(f"{len(row)} fields, or bytes that are no text")
                if any(row):
                    yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}, after line {reader.line_num}: no CSV text ({error}): get it again") from None


def _findings(text: str, findings: Sequence[str], where: str) -> np.ndarray:
    """int8 [C] of ``Cardiomegaly|Emphysema`` or ``No Finding``."""
    labels = np.zeros(len(findings), dtype=np.int8)
    if text == NO_FINDING:
        return labels
    for name in text.split("|"):
        if name not in findings:
            what = f"{NO_FINDING} beside a finding" if name == NO_FINDING else f"unknown finding {name!r}"
            raise DataError(f"{where}: {what}; the description's findings are {', '.join(findings)}")
        labels[findings.index(name)] = 1
    return labels


def _check_box_owner(where: str, image: str, finding: str, description: Description, table: pd.DataFrame) -> None:
    if finding not in description.boxed_findings:
        raise DataError(f"{where}: a box of {finding!r}, which is not among the description's boxed_findings")
    if image not in table.index:
        raise DataError(f"{where}: a box for {image}, an image that {ENTRIES} does not have")
    if table.at[image, finding] != 1:
        raise DataError(f"{where}: a box of {finding} in {image}, which does not have that finding in {ENTRIES}")


def _numbers(where: str, fields: Sequence[str], grid: int) -> list[float]:
    try:
        x, y, w, h = (float(field) for field in fields)
    except ValueError:
        raise DataError(f"{where}: {', '.join(fields)} are not four numbers (x, y, w, h)") from None
    # Written so that a nan fails too.
    if not (x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= grid and y + h <= grid):
        raise DataError(f"{where}: the box x {x}, y {y}, w {w}, h {h} is not inside the image of {grid} x {grid}")
    return [x, y, w, h]


def _same(ours: Mapping[str, Sequence[Sequence[float]]], theirs: Mapping[str, Sequence[Sequence[float]]]) -> bool:
    if set(ours) != set(theirs):
        return False
    for finding, found in ours.items():
        a, b = sorted(map(list, found)), sorted(map(list, theirs[finding]))
        if [len(box) for box in a] != [len(box) for box in b] or not np.allclose(a, b, rtol=0, atol=TOLERANCE):
            return False
    return True


def _lists(description: Description, sources: Path, images: frozenset[str]) -> dict[str, Path]:
    """``Main/fold1/test_0_0.2`` to its file: the authors' lists, and the official ones, which must be the same."""
    lists = {
        name.removeprefix(LISTS).removesuffix(".txt"): sources / name
        for name in description.list_names
        if name.startswith(LISTS)
    }
    for name in OFFICIAL:
        if name not in description.table_names:
            continue
        ours = lists.setdefault(f"Main/{name.removesuffix('.txt')}", sources / name)
        if ours.read_bytes() != (sources / name).read_bytes():
            raise DataError(
                f"{ours} is not the official {sources / name}, byte for byte: one of them is not what it should be"
            )
    for path in lists.values():
        listed = read_list(path)
        if not images.issuperset(listed):
            line, image = next((line, image) for line, image in enumerate(listed, 1) if image not in images)
            raise DataError(f"{path}, entry {line}: {image} is no image of {ENTRIES}")
        if len(set(listed)) < len(listed):
            raise DataError(f"{path}: {repeated(listed)[0]} is listed twice")
    return lists


def _unpacked(records: Sequence[Path], problems: list[Problem]) -> list[_Image]:
    images: dict[str, _Image] = {}
    for record in records:
        for name, size, digest in read_record(record):
            first = images.setdefault(name, _Image(name, size, digest, record))
            if first.record is record:
                continue
            both = f"{first.record.stem} and {record.stem}"
            if first.sha256 != digest:
                raise DataError(f"{name} is in the archives {both} with different content: use one of them")
            problems.append(Problem(name, f"in the archives {both}", "the same bytes, used once"))
    return list(images.values())


def _present(
    folder: Path, unpacked: Sequence[_Image], table: pd.DataFrame, grid: int, problems: list[Problem]
) -> frozenset[str]:
    """The images of the table that were unpacked, after looking at all sizes and at the first image of each archive."""
    folder.mkdir(parents=True, exist_ok=True)
    with os.scandir(folder) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries}
    known = frozenset(table.index)
    present: set[str] = set()
    looked_at: set[Path] = set()
    for image in unpacked:
        if image.name not in known:
            problems.append(Problem(image.name, f"in archive {image.record.stem} but not in {ENTRIES}", "left out"))
            continue
        if sizes.get(image.name) != image.bytes:
            sizes_differ = f"{sizes.get(image.name, 'no')} bytes, {image.bytes} were unpacked"
            raise DataError(f"{folder / image.name} has {sizes_differ}: remove {image.record} and run again")
        if image.record not in looked_at:
            looked_at.add(image.record)
            _check_png(folder / image.name, grid)
        present.add(image.name)
    return frozenset(present)


def _check_png(path: Path, grid: int) -> None:
    with open(path, "rb") as file:
        head = file.read(29)
    if len(head) < 29 or head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        raise DataError(f"{path} is no PNG image: get its archive again")
    width, height, depth = struct.unpack(">IIB", head[16:25])
    if (width, height, depth) != (grid, grid, 8):
        raise DataError(
            f"{path} has {width} x {height} pixels of {depth} bit, {grid} x {grid} of 8 bit are expected: "
            "boxes would be drawn in another frame; correct box_grid in the description or use the distributed images"
        )


def _refuse_missing(missing: Sequence[str], images: int, partial: bool, name: str) -> None:
    if not missing or (partial and len(missing) < images):
        return
    counted = f"data set {name}: {len(missing)} of {images} images are missing, the first is {missing[0]}"
    if partial:
        raise DataError(f"{counted}: not one is there; check the archives")
    raise DataError(f"{counted}: get the archives that have them, or set partial: true below data: to go on without")


def _sources(description: Description, sources: Path, unpacked: Sequence[_Image]) -> list[dict[str, Any]]:
    """What the data set was made from; the archives' digests are the description's, which fetching has verified."""
    number = Counter(image.record.stem for image in unpacked)
    archives: list[dict[str, Any]] = [
        {"file": entry.name, "bytes": entry.bytes, "md5": entry.md5, "images": number[entry.name.partition(".")[0]]}
        for entry in description.archives
    ]
    return archives + [
        {"file": name, "bytes": (sources / name).stat().st_size, "sha256": sha256(sources / name)}
        for name in (*description.table_names, *description.list_names)
    ]
