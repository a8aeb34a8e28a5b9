"""A data set of one's own, a table of labels and a folder of images, to the folder of :mod:`ham.datasets.dataset`.

The description names the files. An image is called by its path below the folder of images; boxes are in pixels of their
own image, whatever its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ham.boxes import Box
from ham.datasets.dataset import BoxesByImage
from ham.datasets.description import SPLIT_PARTS, BoxesFile, Description, LabelsFile
from ham.datasets.sources.box_checks import add_once, are_numbers, check_owner, four_numbers, read_json
from ham.datasets.sources.conversion import ConversionRequest
from ham.datasets.sources.csv_text import LARGEST_TABLE, read_csv
from ham.datasets.sources.label_table import NO_FINDING, LabelRow, build_label_table, find_columns, parse_findings
from ham.datasets.sources.problems import collect_mistakes, end_on_mistake, mistake, refuse_mistakes
from ham.datasets.sources.usable_images import choose_images, find_missing
from ham.datasets.splits import folds_by_patient, lists_of_parts
from ham.datasets.writer import Problem, build_content, describe_file, write_dataset
from ham.errors import DataError

WRITTEN = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "": math.nan}
PART_OF = {"train": "train", "validation": "val", "val": "val", "test": "test", "": ""}
ROUNDING = 1.0  # pixels that a box may leave its image by: programs for drawing them round to either side

Sizes = Mapping[str, tuple[int, int]]  # {image: (width, height)} in pixels, of images that are there


class GivenBox(NamedTuple):
    """A box as it stands in its file: ``numbers`` are left, top, then right, bottom or, unless ``corners``, width,
    height.
    """

    where: str
    image: str
    finding: str
    numbers: list[float]
    corners: bool


def convert(request: ConversionRequest) -> None:
    """Write the data set from the tables that the description names and the checked images; nothing is fetched.

    Every image that is there has the size that it was found to have, a missing one 0 x 0. See
    :func:`ham.datasets.sources.conversion.convert` for mistakes.
    """
    description = request.description
    assert description.labels is not None
    problems: list[Problem] = []
    with end_on_mistake(request, problems):
        table, part_of = read_labels(description.labels, description.findings, problems)
    images = choose_images(request, dict.fromkeys(table.index), problems)
    sizes = {image.image: (image.width, image.height) for image in images.known if not image.problem}
    table.insert(1, "width", [sizes.get(image, (0, 0))[0] for image in table.index])
    table.insert(2, "height", [sizes.get(image, (0, 0))[1] for image in table.index])
    boxes: BoxesByImage = {}
    with collect_mistakes(problems):
        boxes = read_boxes(description, table, sizes, problems)
    labels = Path(description.labels.file).name
    how = f"{labels} has their paths below {description.images}, which has other images or none"
    missing = find_missing(request, table, images.names, how, problems)
    refuse_mistakes(request, problems)
    content = build_content(
        description,
        key=request.key,
        table=table,
        boxes=boxes,
        lists={
            **_make_split_lists(description.labels, part_of, boxes),
            **folds_by_patient(table, boxes, request.data.folds),
        },
        missing=missing,
        problems=problems,
        sources=[
            {"file": "a folder of images", "images": len(images.known)},
            *(describe_file(path, path.name) for path in map(Path, description.own_tables)),
        ],
        image_digest=images.digest,
    )
    write_dataset(request.folder, content)


def _make_split_lists(labels: LabelsFile, part_of: Mapping[str, str], boxes: BoxesByImage) -> dict[str, Sequence[str]]:
    """The lists of the split that the table gives, none where it gives none; ``part_of`` is in the table's order."""
    if labels.split is None:
        return {}
    parts = {part: [image for image, given in part_of.items() if given == part] for part in SPLIT_PARTS}
    return lists_of_parts(parts, boxes)


def read_labels(
    labels: LabelsFile, findings: Sequence[str], problems: list[Problem]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table of labels: index image; patient, view (blank), a column a finding (1, 0, nan: unknown); and its split.

    The split is train, val, test or blank for each image. A row with a mistake is one of ``problems``; DataError is for
    a file that is no such table.
    """
    path = Path(labels.file)
    header, rows = read_csv(path)
    about = [labels.image, labels.patient, *([labels.split] if labels.split is not None else [])]
    columns = find_columns(path, header, [*about, *(findings if labels.findings is None else [labels.findings])])
    part_of: dict[str, str] = {}

    def read() -> Iterator[LabelRow]:
        for line, row in rows:
            fields = [row[column].strip() if column < len(row) else "" for column in columns]
            image, patient, *rest = fields
            written = rest[len(about) - 2 :]
            if labels.findings is None:
                vector, wrong = _parse_cells(written, findings)
            else:
                vector, wrong = parse_findings(written[0] or NO_FINDING, findings)
            part = rest[0] if labels.split is not None else ""
            if part not in PART_OF:
                wrong = f"{part[:200]!r} stands in {labels.split}, expected are train, validation, test or nothing"
            if len(row) != len(header):
                wrong = f"{len(row)} fields, {len(header)} are expected"
            part_of.setdefault(image, PART_OF.get(part, ""))
            yield LabelRow(line, image, patient, "", vector, wrong)

    return build_label_table(path, read(), findings, problems), part_of


def _parse_cells(written: Sequence[str], findings: Sequence[str]) -> tuple[np.ndarray, str | None]:
    """float32 [C] of a cell a finding, and what is wrong with one of them."""
    labels = np.array([WRITTEN.get(text, math.nan) for text in written], dtype=np.float32)
    for finding, text in zip(findings, written, strict=True):
        if text not in WRITTEN:
            return labels, f"{text[:200]!r} stands in {finding}, expected are 1, 0 or nothing (unknown)"
    return labels, None


def read_boxes(description: Description, table: pd.DataFrame, sizes: Sizes, problems: list[Problem]) -> BoxesByImage:
    """The boxes as x, y, w, h in pixels of their image; numbers stay as they are where they come in that order.

    A box that leaves its image by less than a pixel is cut; every other mistake is one of ``problems``: an image or
    finding that the labels do not have, no area, a box that stands there twice. DataError is for a file that is none.
    """
    file, labels = description.boxes, Path(description.own_tables[0]).name
    boxes: BoxesByImage = {}
    if file is None:
        return boxes
    for given in _read_coco_boxes(file, sizes, problems) if file.coco else _read_csv_boxes(file, problems):
        with collect_mistakes(problems, given.image):
            check_owner(given.where, given.image, given.finding, description, table, labels)
            box, repair = _cut_at_edge(given, sizes.get(given.image))
            add_once(given.where, boxes, given.image, given.finding, box)
            if repair:
                problems.append(Problem(given.image, f"{given.where}: {repair}", "cut at its edge"))
    return boxes


def _cut_at_edge(given: GivenBox, size: tuple[int, int] | None) -> tuple[list[float], str | None]:
    """x, y, w, h of a box, cut at the edge of its image of ``size``, and why; DataError where it is not in there."""
    box = Box.from_corners(given.numbers) if given.corners else Box.from_xywh(given.numbers)
    order = "left, top, right, bottom" if given.corners else "left, top, width, height"
    said = f"the box {', '.join(f'{number:g}' for number in given.numbers)} ({order})"
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        raise DataError(f"{given.where}: {said} has no area: see whether the description names its columns in order")
    width, height = size or (math.inf, math.inf)  # a missing image has edges, but nobody knows where
    image = f"its image of {width} x {height}" if size else "its image"
    outside = max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)
    if outside > ROUNDING or (outside > 0 and (box.x1 <= 0 or box.y1 <= 0 or box.x0 >= width or box.y0 >= height)):
        raise DataError(
            f"{given.where}: {said} is not inside {image}: it was drawn on another size of it, or the description "
            "names its columns in another order"
        )
    if outside > 0:
        cut = Box(max(box.x0, 0), max(box.y0, 0), min(box.x1, width), min(box.y1, height))
        return cut.xywh(), f"{said} leaves {image} by {outside:g} pixels"
    return (box.xywh() if given.corners else given.numbers), None


def _read_csv_boxes(file: BoxesFile, problems: list[Problem]) -> Iterator[GivenBox]:
    path, corners = Path(file.file), file.corners is not None
    header, rows = read_csv(path)
    order = file.corners or file.xywh or ()
    columns = find_columns(path, header, [file.image, file.finding, *order])
    for line, row in rows:
        where = f"{path}, line {line}"
        fields = [row[column].strip() if column < len(row) else "" for column in columns]
        numbers: list[float] = []
        with collect_mistakes(problems, fields[0]):
            if len(row) != len(header):
                raise DataError(f"{where}: {len(row)} fields, {len(header)} are expected")
            numbers = four_numbers(where, fields[2:], ", ".join(order))
        if numbers:
            yield GivenBox(where, fields[0], fields[1], numbers, corners)


def _read_coco_boxes(file: BoxesFile, sizes: Sizes, problems: list[Problem]) -> Iterator[GivenBox]:
    path = Path(file.file)
    read = read_json(path, LARGEST_TABLE)
    images, findings, found = (_get_entries(path, read, name) for name in ("images", "categories", "annotations"))
    names = {image.get("id"): str(image.get("file_name", "")) for image in images}
    kinds = {finding.get("id"): str(finding.get("name", "")) for finding in findings}
    if len(names) < len(images) or len(kinds) < len(findings):
        raise DataError(f"{path}: an id stands twice among the images or categories: write the file again")
    problems += _compare_sizes(path, images, sizes)
    for number, annotation in enumerate(found):
        where = f"{path}, annotation {annotation.get('id', number)}"
        image, box = names.get(annotation.get("image_id")), annotation.get("bbox")
        finding = kinds.get(annotation.get("category_id"))
        if image is None or finding is None or not are_numbers(box):
            what = "has no bbox of four numbers" if image is not None and finding is not None else "is of an unknown id"
            problems.append(mistake(f"{where} {what}: write the file again", image or ""))
        else:
            yield GivenBox(where, image, finding, list(box or ()), corners=False)


def _get_entries(path: Path, read: Any, name: str) -> list[dict[str, Any]]:
    found = read.get(name) if isinstance(read, dict) else None
    ids = ("image_id", "category_id") if name == "annotations" else ("id",)
    if not isinstance(found, list) or not all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), int | str) for key in ids) for entry in found
    ):
        raise DataError(f"{path} is no COCO file: {name} is not a list of objects with {' and '.join(ids)}")
    return found


def _compare_sizes(path: Path, images: Iterable[dict[str, Any]], sizes: Sizes) -> Iterator[Problem]:
    """A mistake for every image that had another size when its boxes were drawn."""
    for image in images:
        name, drawn = str(image.get("file_name", "")), (image.get("width"), image.get("height"))
        if name in sizes and None not in drawn and drawn != sizes[name]:
            width, height = sizes[name]
            yield mistake(
                f"{path}: {name} has {drawn[0]} x {drawn[1]} pixels there and {width} x {height} here: the boxes would "
                "lie elsewhere; take the images that they were drawn on",
                name,
            )
