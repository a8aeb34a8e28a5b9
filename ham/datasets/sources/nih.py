"""NIH ChestX-ray14, and whatever comes in its form, to the folder of :mod:`ham.datasets.dataset`.

Data_Entry gives findings, patient, view, sex and age of each image, BBox_List the boxes in the frame of the distributed
images (1024 x 1024; ``OriginalImage[Width,Height]`` is the size before NIH reduced them and plays no part here).
"""

from __future__ import annotations

import filecmp
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.datasets.acquire.checksum_record import verified_by
from ham.datasets.dataset import BoxesByImage, read_list
from ham.datasets.description import PUBLISHED, Description, find_repeated
from ham.datasets.sources.about_images import AboutReader, field_of, find_optional
from ham.datasets.sources.box_checks import SMALLEST, add_once, check_owner, four_numbers, read_json
from ham.datasets.sources.conversion import ConversionRequest
from ham.datasets.sources.csv_text import LARGEST_TABLE, read_csv
from ham.datasets.sources.label_table import LabelRow, build_label_table, find_columns, parse_findings
from ham.datasets.sources.problems import collect_mistakes, end_on_mistake, mistake, refuse_mistakes
from ham.datasets.sources.usable_images import choose_images, find_copies, find_missing
from ham.datasets.splits import folds_by_patient
from ham.datasets.writer import Problem, build_content, describe_file, write_dataset
from ham.errors import DataError, list_some

ENTRIES = "Data_Entry"  # how the table's name begins; what follows is the year of its issue
BOX_LIST = "BBox_List"
AUTHORS_BOXES = f"{PUBLISHED}Annotations/BBoxes.json"
OFFICIAL = ("train_val_list.txt", "test_list.txt")
RENAMED = {"Infiltrate": "Infiltration"}  # BBox_List's word, Data_Entry's word
COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "View Position")
HOW_TO_GET = "get the archives that have them, or the folder (data.folder)"
TOLERANCE = 1e-9  # between our boxes and the authors', in pixels


def convert(request: ConversionRequest) -> None:
    """Write the data set from the tables and lists in ``request.fetched`` and the checked images.

    Folds by patient are added to the lists. See :func:`ham.datasets.sources.conversion.convert` for mistakes.
    """
    description = request.description
    problems: list[Problem] = []
    with end_on_mistake(request, problems):
        path = _find_table(request, ENTRIES)
        table = read_entries(path, description.findings, description.box_grid, problems)
    boxes = _collect_boxes(request, table, problems)
    lists = _collect_lists(request, frozenset(table.index), problems)
    sizes = dict.fromkeys(table.index, (description.box_grid, description.box_grid))
    images = choose_images(request, sizes, problems, any_ending=True)
    problems += find_copies(images.known, dict(zip(table.index, table["patient"], strict=True)))
    missing = find_missing(request, table, images.names, HOW_TO_GET, problems, images.others)
    refuse_mistakes(request, problems)
    content = build_content(
        description,
        key=request.key,
        table=table,
        boxes=boxes,
        lists={**lists, **folds_by_patient(table, boxes, request.data.folds)},
        missing=missing,
        problems=problems,
        sources=_describe_sources(request, images.numbers),
        image_digest=images.digest,
    )
    write_dataset(request.folder, content)


def read_entries(path: Path, findings: Sequence[str], grid: int, problems: list[Problem]) -> pd.DataFrame:
    """Data_Entry in any of its issues as a table: index image; patient, width, height, view, sex, age,
    a column a finding (0, 1).

    The 2017 issue's header ends in a nameless column, the two of 2020 say Patient Gender or Patient Sex; header fields
    such as ``OriginalImage[Width,Height]`` fall apart at their comma. Columns are found by name. A row with a mistake
    is one of ``problems``; DataError is for a file that is no such table.
    """
    header, rows = read_csv(path)
    columns = find_columns(path, header, COLUMNS)
    about = AboutReader()
    table = build_label_table(path, _read_label_rows(rows, columns, header, findings, about), findings, problems)
    problems += about.problems()
    table.insert(1, "width", grid)
    table.insert(2, "height", grid)
    return table


def _read_label_rows(
    rows: Iterable[tuple[int, list[str]]],
    columns: Sequence[int],
    header: Sequence[str],
    findings: Sequence[str],
    about: AboutReader,
) -> Iterator[LabelRow]:
    sex, age = find_optional(header, "Patient Sex", "Patient Gender"), find_optional(header, "Patient Age")
    meaning: dict[str, tuple[np.ndarray, str | None]] = {}  # some 800 combinations of findings in 112,120 rows
    for line, row in rows:
        image, found, patient, view = (row[column].strip() if column < len(row) else "" for column in columns)
        if found not in meaning:
            meaning[found] = parse_findings(found, findings)
        vector, wrong = meaning[found]
        if len(row) <= max(columns):
            wrong = f"{len(row)} fields, {len(header)} are expected"
        told = about.read(view, field_of(row, sex), field_of(row, age))
        yield LabelRow(line, image, patient, told, vector, wrong)


def read_boxes(path: Path, description: Description, table: pd.DataFrame, problems: list[Problem]) -> BoxesByImage:
    """BBox_List as {image: {finding: [[x, y, w, h]]}}, in pixels of the distributed image, numbers as they stand there.

    Its header has nine fields (``Bbox [x,y,w,h],,,``) where rows have six, so columns are found by place. A row with a
    mistake is one of ``problems``; DataError is for a file that is no such table.
    """
    header, rows = read_csv(path)
    if header[:2] != ["Image Index", "Finding Label"]:
        raise DataError(f"{path}: the header does not begin with Image Index, Finding Label but {', '.join(header)}")
    boxes: BoxesByImage = {}
    renamed: Counter[str] = Counter()
    for line, row in rows:
        image, finding = (*(field.strip() for field in row[:2]), "", "")[:2]
        if finding in RENAMED and finding not in description.findings:
            renamed[finding] += 1
            finding = RENAMED[finding]
        with collect_mistakes(problems, image):
            where = f"{path}, line {line}"
            if len(row) < 6:
                raise DataError(f"{where}: {len(row)} fields, an image, a finding and four numbers are expected")
            check_owner(where, image, finding, description, table, ENTRIES)
            add_once(where, boxes, image, finding, _read_box(where, row[2:6], description.box_grid))
    problems += [
        Problem(
            "",
            f"{number} boxes are of {finding}, a finding that {ENTRIES} does not know",
            f"read as {RENAMED[finding]}",
        )
        for finding, number in renamed.items()
    ]
    return boxes


def compare_boxes(boxes: BoxesByImage, path: Path) -> list[Problem]:
    """A row for every image whose boxes differ by more than 1e-9 from the authors' BBoxes.json."""
    authors: BoxesByImage = read_json(path, LARGEST_TABLE, "get it again")
    try:
        images = list(dict.fromkeys([*boxes, *authors]))
        differ = [image for image in images if not _agree(boxes.get(image, {}), authors.get(image, {}))]
    except (ValueError, TypeError, AttributeError):
        raise DataError(f"{path} is not {{image: {{finding: [[x, y, w, h]]}}}} of numbers: get it again") from None
    return [
        Problem(image, f"the authors' boxes differ: {json.dumps(authors.get(image, {}))}", f"{BOX_LIST} is used")
        for image in differ
    ]


def _collect_boxes(request: ConversionRequest, table: pd.DataFrame, problems: list[Problem]) -> BoxesByImage:
    boxes: BoxesByImage = {}
    with collect_mistakes(problems):
        if request.description.boxed_findings:
            boxes = read_boxes(_find_table(request, BOX_LIST), request.description, table, problems)
        if AUTHORS_BOXES in request.description.list_names:
            problems += compare_boxes(boxes, request.fetched / AUTHORS_BOXES)
    return boxes


def _find_table(request: ConversionRequest, beginning: str) -> Path:
    for name in request.description.table_names:
        if name.rpartition("/")[2].startswith(beginning):
            return request.fetched / name
    raise DataError(f"the description of {request.description.name} has no table {beginning}….csv: add it to tables")


def _read_box(where: str, fields: Sequence[str], grid: int) -> list[float]:
    x, y, w, h = four_numbers(where, fields, "x, y, w, h")
    if x < 0 or y < 0 or w <= 0 or h <= 0 or x + w > grid or y + h > grid:
        raise DataError(f"{where}: the box x {x}, y {y}, w {w}, h {h} is not inside the image of {grid} x {grid}")
    if w < SMALLEST or h < SMALLEST:
        raise DataError(f"{where}: the box x {x}, y {y}, w {w}, h {h} is under a pixel: it covers nothing of its image")
    return [x, y, w, h]


def _agree(ours: Mapping[str, Sequence[Sequence[float]]], theirs: Mapping[str, Sequence[Sequence[float]]]) -> bool:
    if set(ours) != set(theirs):
        return False
    for finding, found in ours.items():
        a, b = sorted(map(list, found)), sorted(map(list, theirs[finding]))
        if [len(box) for box in a] != [len(box) for box in b] or not np.allclose(a, b, rtol=0, atol=TOLERANCE):
            return False
    return True


def _collect_lists(request: ConversionRequest, images: frozenset[str], problems: list[Problem]) -> dict[str, Path]:
    """``Main/fold1/test_0_0.2`` to its file: the authors' lists, and the official ones, which must be the same."""
    lists = {name: request.fetched / file for name, file in request.description.published_lists.items()}
    for name in OFFICIAL:
        if name not in request.description.table_names:
            continue
        official = request.fetched / name
        authors = lists.setdefault(f"Main/{name.removesuffix('.txt')}", official)
        if not filecmp.cmp(authors, official, shallow=False):
            problems.append(
                mistake(
                    f"{authors} is not the official {official}, byte for byte: one of them is not what it should be"
                )
            )
    for path in lists.values():
        with collect_mistakes(problems):
            _check_list(path, images)
    return lists


def _check_list(path: Path, images: frozenset[str]) -> None:
    if path.stat().st_size > LARGEST_TABLE:
        raise DataError(f"{path} has more than {LARGEST_TABLE >> 20} MiB: it is no list of images")
    listed = read_list(path)
    if not images.issuperset(listed):
        unknown = [(entry, image) for entry, image in enumerate(listed, 1) if image not in images]
        entry, image = unknown[0]
        more = f", nor are {list_some([other for _, other in unknown[1:]])}" if len(unknown) > 1 else ""
        raise DataError(f"{path}, entry {entry}: {image} is no image of {ENTRIES}{more}")
    if len(set(listed)) < len(listed):
        raise DataError(f"{path}: {find_repeated(listed)[0]} is listed twice")


def _describe_sources(request: ConversionRequest, images: Mapping[str, int]) -> list[dict[str, Any]]:
    """What the data set was made from; the archives' digests are the description's, which fetching has verified.

    ``images`` is their number in each check; without its archives, a data set was linked.
    """
    description = request.description
    named = {entry.name.partition(".")[0]: entry for entry in description.archives}
    archives: list[dict[str, Any]] = [
        {"file": entry.name, "bytes": entry.bytes, "md5": entry.md5, "images": images[stem]}
        | ({} if entry.md5 else verified_by(request.fetched / entry.name))
        for stem, entry in named.items()
        if stem in images
    ]
    linked = [{"file": "a folder of images", "images": number} for stem, number in images.items() if stem not in named]
    texts = (*description.table_names, *description.list_names)
    fetched = [verified_by(request.fetched / name) | describe_file(request.fetched / name, name) for name in texts]
    return [*archives, *linked, *fetched]
