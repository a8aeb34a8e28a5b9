"""Boxes in COCO's JSON, as programs for drawing write it: ids, sizes and numbers as text or not, polygons too."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ham.datasets.description import normalised
from ham.datasets.sources.box_checks import GivenBox, are_numbers, read_json
from ham.datasets.sources.csv_text import LARGEST_TABLE
from ham.datasets.sources.problems import collect_mistakes, mistake
from ham.datasets.writer import Problem
from ham.errors import DataError

Sizes = Mapping[str, tuple[int, int]]  # {image: (width, height)} in pixels, of images that are there

SAVE = "write the file again as COCO's JSON, in UTF-8"
WHOLE = re.compile(r"(-?\d+)\.0+")  # a number that went through a table of floats
NOT_GIVEN = (None, "", 0)


def read_coco_boxes(path: Path, sizes: Sizes, problems: list[Problem]) -> Iterator[GivenBox]:
    """The boxes of a COCO file; what is wrong with one joins ``problems``. DataError for a file that is none.

    An annotation without ``bbox`` has the hull of its polygons as its box; regions of many things (``iscrowd``) are
    left out and counted.
    """
    read = read_json(path, LARGEST_TABLE, SAVE)
    images, findings, found = (_get_entries(path, read, name) for name in ("images", "categories", "annotations"))
    names = {_get_id(image, "id"): _get_text(image, "file_name") for image in images}
    kinds = {_get_id(finding, "id"): _get_text(finding, "name") for finding in findings}
    if len(names) < len(images) or len(kinds) < len(findings):
        raise DataError(f"{path}: an id stands twice among the images or categories: write the file again")
    problems += _compare_sizes(path, images, sizes)
    crowds = 0
    for number, annotation in enumerate(found):
        where = f"{path}, annotation {annotation.get('id', number)}"
        if _parse_number(annotation.get("iscrowd", 0)) == 1:
            crowds += 1
            continue
        image_id, finding_id = _get_id(annotation, "image_id"), _get_id(annotation, "category_id")
        box: list[float] = []
        with collect_mistakes(problems, names.get(image_id, "")):
            for key, value, known in (("image_id", image_id, names), ("category_id", finding_id, kinds)):
                if value not in known:
                    raise DataError(f"{where} is of an unknown id ({key} {value}): write the file again")
            box = _read_box(where, annotation)
        if box:
            yield GivenBox(where, names[image_id], kinds[finding_id], box, corners=False)
    if crowds:
        problems.append(
            Problem("", f"{path}: {crowds} annotations are of crowds (iscrowd: 1), not of one box", "left out")
        )


def _get_entries(path: Path, read: Any, name: str) -> list[dict[str, Any]]:
    found = read.get(name) if isinstance(read, dict) else None
    ids = ("image_id", "category_id") if name == "annotations" else ("id",)
    if not isinstance(found, list) or not all(
        isinstance(entry, dict) and all(_get_id(entry, key) is not None for key in ids) for entry in found
    ):
        raise DataError(f"{path} is no COCO file: {name} is not a list of objects with {' and '.join(ids)}")
    return found


def _get_id(entry: Mapping[str, Any], key: str) -> str | None:
    """An id as text, the same whether it is written 1, 1.0, "1" or "1.0"; None where there is none."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value != value:
        return None
    text = str(value).strip()
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _get_text(entry: Mapping[str, Any], key: str) -> str:
    return normalised(str(entry.get(key, "")).strip())


def _parse_number(value: Any) -> float | None:
    """A finite number, given as one or as text; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read_box(where: str, annotation: Mapping[str, Any]) -> list[float]:
    """Left, top, width, height of an annotation: its bbox, or the hull of its polygons where it has none."""
    given = annotation.get("bbox")
    if given in (None, []):
        return _read_hull(where, annotation.get("segmentation"))
    numbers = [_parse_number(value) for value in given] if isinstance(given, list) else []
    box = [number for number in numbers if number is not None]
    if len(box) < len(numbers) or not are_numbers(box):
        raise DataError(f"{where} has no bbox of four numbers: write the file again")
    return box if any(isinstance(value, str) for value in given) else list(given)


def _read_hull(where: str, segmentation: Any) -> list[float]:
    if isinstance(segmentation, dict):
        raise DataError(f"{where} has no bbox of four numbers, and a mask as its segmentation: write its bbox as well")
    points: list[float] = []
    for polygon in segmentation if isinstance(segmentation, list) else []:
        numbers = [_parse_number(value) for value in polygon] if isinstance(polygon, list) else []
        if len(numbers) < 6 or len(numbers) % 2 or None in numbers:
            raise DataError(f"{where} has no bbox of four numbers, and a polygon that is no list x, y, x, y, x, y …")
        points += [number for number in numbers if number is not None]
    if not points:
        raise DataError(f"{where} has no bbox of four numbers and no polygon: write the file again")
    left, top = min(points[::2]), min(points[1::2])
    box = [left, top, max(points[::2]) - left, max(points[1::2]) - top]
    if not are_numbers(box):
        raise DataError(f"{where} has no bbox of four numbers, and a polygon that lies beyond any image")
    return box


def _compare_sizes(path: Path, images: Iterable[Mapping[str, Any]], sizes: Sizes) -> Iterator[Problem]:
    """A mistake for every image that had another size when its boxes were drawn; 0, null or nothing is not given."""
    for image in images:
        name = _get_text(image, "file_name")
        for key, here in zip(("width", "height"), sizes.get(name, ()), strict=False):
            given = image.get(key)
            number = None if isinstance(given, bool) else _parse_number(given)
            if given in NOT_GIVEN or number == 0:
                continue
            if number is None or number < 0 or number != int(number):
                yield mistake(
                    f"{path}: {given!r} stands as the {key} of {name}, which is no number of pixels: correct it, or "
                    "leave it out",
                    name,
                )
            elif number != here:
                yield mistake(
                    f"{path}: {name} has {_format_size(image)} pixels there and {sizes[name][0]} x {sizes[name][1]} "
                    "here: the boxes would lie elsewhere; take the images that they were drawn on",
                    name,
                )
            else:
                continue
            break


def _format_size(image: Mapping[str, Any]) -> str:
    return " x ".join(str(image.get(key, "?")) for key in ("width", "height"))
