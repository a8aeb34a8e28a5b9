"""A data set of one's own, a table of labels and a folder of images, to the folder of :mod:`ham.datasets.dataset`.

The description names the files. An image is called by its path below the folder of images; boxes are in pixels of their
own image, whatever its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ham.boxes import Box
from ham.datasets.dataset import BoxesByImage
from ham.datasets.description import ENDINGS, SPLIT_PARTS, BoxesFile, Description, LabelsFile
from ham.datasets.sources.about_images import AboutReader, field_of
from ham.datasets.sources.box_checks import (
    GivenBox,
    add_once,
    are_shares,
    check_owner,
    four_numbers,
    place_in_image,
    refuse_other_frame,
)
from ham.datasets.sources.coco import Sizes, read_coco_boxes
from ham.datasets.sources.conversion import ConversionRequest
from ham.datasets.sources.csv_text import read_csv
from ham.datasets.sources.label_table import NO_FINDING, LabelRow, build_label_table, find_columns, parse_findings
from ham.datasets.sources.problems import collect_mistakes, end_on_mistake, mistake, refuse_mistakes
from ham.datasets.sources.usable_images import choose_images, find_copies, find_missing
from ham.datasets.splits import folds_by_patient, lists_of_parts
from ham.datasets.writer import Problem, build_content, describe_file, write_dataset
from ham.errors import DataError

WRITTEN = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "": math.nan}
LEFT_SHARE = "left out: a share of an unknown size is no number of pixels"
PART_OF = {"train": "train", "validation": "val", "val": "val", "test": "test", "": ""}
OTHER_FRAME = "it was drawn on another size of it, or the description names its numbers in another order or frame"


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
    problems += find_copies(images.known, dict(zip(table.index, table["patient"], strict=True)))
    table.insert(1, "width", [sizes.get(image, (0, 0))[0] for image in table.index])
    table.insert(2, "height", [sizes.get(image, (0, 0))[1] for image in table.index])
    boxes: BoxesByImage = {}
    with collect_mistakes(problems):
        boxes = read_boxes(description, table, sizes, problems)
    labels = Path(description.labels.file).name
    how = f"{labels} has their paths below {description.images}, which has other images or none"
    for image in table.index:
        if image not in images.names and (Path(str(description.images)) / image).is_file():
            kinds = f"no image that ham reads ({', '.join(ENDINGS)})"
            problems.append(mistake(f"{labels} names {image}, a file that is there and {kinds}", image))
    missing = find_missing(request, table, images.names, how, problems, images.others)
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
    """The table of labels: index image; patient, view, sex, age, a column a finding (1, 0, nan: unknown); and the
    split.

    The split is train, val, test or blank for each image. A row with a mistake is one of ``problems``; DataError is for
    a file that is no such table.
    """
    path = Path(labels.file)
    header, rows = read_csv(path)
    needed = [labels.image, labels.patient, *([labels.split] if labels.split is not None else [])]
    columns = find_columns(path, header, [*needed, *(findings if labels.findings is None else [labels.findings])])
    about, of_person = AboutReader(), (labels.view, labels.sex, labels.age)
    view, sex, age = (find_columns(path, header, [name])[0] if name else None for name in of_person)
    part_of: dict[str, str] = {}

    def read() -> Iterator[LabelRow]:
        for line, row in rows:
            fields = [row[column].strip() if column < len(row) else "" for column in columns]
            image, patient, *rest = fields
            written = rest[len(needed) - 2 :]
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
            told = about.read(field_of(row, view), field_of(row, sex), field_of(row, age))
            yield LabelRow(line, image, patient, told, vector, wrong)

    table = build_label_table(path, read(), findings, problems)
    problems += about.problems()
    return table, part_of


def _parse_cells(written: Sequence[str], findings: Sequence[str]) -> tuple[np.ndarray, str | None]:
    """float32 [C] of a cell a finding, and what is wrong with one of them."""
    labels = np.array([WRITTEN.get(text, math.nan) for text in written], dtype=np.float32)
    for finding, text in zip(findings, written, strict=True):
        if text not in WRITTEN:
            return labels, f"{text[:200]!r} stands in {finding}, expected are 1, 0 or nothing (unknown)"
    return labels, None


def read_boxes(description: Description, table: pd.DataFrame, sizes: Sizes, problems: list[Problem]) -> BoxesByImage:
    """The boxes as x, y, w, h in pixels of their image; numbers stay as they are where they come in that order.

    A box that leaves its image is cut (:func:`place_in_image`); every other mistake is one of ``problems``: an image or
    finding that the labels do not have, no area, a box that stands there twice. DataError is for a file that is none,
    or whose boxes are in another frame than the description says.
    """
    file, labels = description.boxes, Path(description.own_tables[0]).name
    boxes: BoxesByImage = {}
    if file is None:
        return boxes
    path, shares = Path(file.file), file.frame == "shares"
    read = list(read_coco_boxes(path, sizes, problems) if file.coco else _read_csv_boxes(file, problems))
    if not shares and are_shares([given.box for given in read]):
        raise DataError(
            f"{path}: all boxes lie within 1 x 1: these are shares of the image and not pixels; say frame: shares "
            "below boxes: in the description"
        )
    left_by = []
    for given in read:
        with collect_mistakes(problems, given.image):
            check_owner(given.where, given.image, given.finding, description, table, labels)
            size = sizes.get(given.image)
            if shares and size is None:
                problems.append(Problem(given.image, f"{given.where}: a box of an image that is not there", LEFT_SHARE))
                continue
            box, outside = _place(given, size, shares)
            left_by += [] if size is None else [outside]  # of a missing image nobody knows
            add_once(given.where, boxes, given.image, given.finding, box)
            if outside > 0:
                said = f"{_name_box(given)} leaves {_name_image(size)} by {outside:g} pixels"
                problems.append(Problem(given.image, f"{given.where}: {said}", "cut at its edge"))
    refuse_other_frame(path, left_by, OTHER_FRAME.replace("it was", "they were").replace("of it", "of them"))
    return boxes


def _place(given: GivenBox, size: tuple[int, int] | None, shares: bool) -> tuple[list[float], float]:
    """x, y, w, h of a box in pixels of its image of ``size``, cut at its edge, and by how much it left it."""
    box = given.box
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        what = "has no area: see whether the description names its columns in order"
        raise DataError(f"{given.where}: {_name_box(given)} {what}")
    if shares and size is not None:
        width, height = size
        box = Box(box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height)
    inside, outside = place_in_image(given.where, _name_box(given), box, size, OTHER_FRAME)
    kept = not (outside > 0 or given.corners or shares)
    return (given.numbers if kept else inside.xywh()), outside


def _name_box(given: GivenBox) -> str:
    order = "left, top, right, bottom" if given.corners else "left, top, width, height"
    return f"the box {', '.join(f'{number:g}' for number in given.numbers)} ({order})"


def _name_image(size: tuple[int, int] | None) -> str:
    return f"its image of {size[0]} x {size[1]}" if size else "its image"


def _read_csv_boxes(file: BoxesFile, problems: list[Problem]) -> Iterator[GivenBox]:
    path, corners = Path(file.file), file.corners is not None
    header, rows = read_csv(path)
    order = file.corners or file.xywh or ()
    columns = find_columns(path, header, [file.image, file.finding, *order])
    for line, row in rows:
        where = f"{path}, line {line}"
        image, finding, *fields = (row[column].strip() if column < len(row) else "" for column in columns)
        numbers: list[float] = []
        with collect_mistakes(problems, image):
            if len(row) != len(header):
                raise DataError(f"{where}: {len(row)} fields, {len(header)} are expected")
            if not any(fields):
                problems.append(Problem(image, f"{where}: a row without coordinates", "left out: it is no box"))
                continue
            blank = [name for name, field in zip(order, fields, strict=True) if not field]
            if blank:
                raise DataError(
                    f"{where}: {', '.join(blank)} {'is' if len(blank) == 1 else 'are'} blank: give four numbers, or "
                    "none where there is no box"
                )
            numbers = four_numbers(where, fields, ", ".join(order))
        if numbers:
            yield GivenBox(where, image, finding, numbers, corners)
