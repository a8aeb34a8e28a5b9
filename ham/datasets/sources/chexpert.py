"""CheXpert, as its users have it, and the authors' boxes, to the folder of :mod:`ham.datasets.dataset`.

The user's folder has ``{train,valid}.csv`` and ``{train,valid}/patientNNNNN/studyN/viewN_{frontal,lateral}.jpg``; it is
linked, never copied or changed. Images differ in size, and a box is given by its corners in pixels of its own image, so
the size of every image is read from its header.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image

from ham.boxes import Box
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings
from ham.datasets.sources.box_checks import Boxes, are_numbers, read_json
from ham.datasets.sources.chexpert_labels import known_labels, read_labels
from ham.datasets.sources.problems import collected, mistake, refuse_mistakes
from ham.datasets.splits import folds_by_patient, lists_of_parts
from ham.datasets.writer import Problem, content_of, given_file, pictures_digest, write_dataset
from ham.errors import DataError
from ham.runtime.progress import track

BOXES = "BBoxes.json"
RENAMED = {"edema": "Edema", "Enlarg_Cardiomediastinum": "Enlarged_Cardiomediastinum"}  # the authors' misspellings
FOLDERS = ("train", "valid")
DRAWN = ".drawn"  # in the data set's folder, where ham draws what a user would bring
LARGEST_BOXES = 64 << 20  # bytes; the authors' file has 354,174
AT_ONCE = 256  # images whose headers one thread reads before it asks for more
READERS = 16  # threads: reading a header is waiting for the disk

Corners = list[list[float]]  # [[xmin, ymin, xmax, ymax], …], pixels of the image
CornersOf = dict[str, Corners]  # {finding: corners}


class Picture(NamedTuple):
    """What the header of an image says; ``bytes`` is the size of its file."""

    width: int
    height: int
    bytes: int


def convert(folder: Path, description: Description, sources: Path, data: DataSettings, key: str) -> None:
    """Write the data set ``folder`` from ``data.folder`` (or what was drawn) and BBoxes.json in ``sources``.

    Absent images are allowed only if ``data.partial``. Everything that makes labels, boxes or images doubtful is a
    mistake, named with file and line or image; all are collected in validation.csv, above what was repaired, and then
    DataError is raised.
    """
    folder = Path(folder)
    given = folder / DRAWN if description.drawn else data.folder
    if problem := description.lacks(given):
        raise DataError(problem)
    brought = Path(given or "").expanduser()
    problems: list[Problem] = []
    labels = read_labels([brought / f"{name}.csv" for name in FOLDERS], description.findings, problems)
    pictures = read_pictures(brought, labels.index.tolist(), problems)
    missing = [image for image in labels.index if image not in pictures]
    with collected(problems):
        _refuse_missing(missing, len(labels), data.partial, brought)
    boxes: Boxes = {}
    if description.boxed_findings:
        with collected(problems):
            boxes = read_boxes(sources / BOXES, description, labels, pictures, problems)
    refuse_mistakes(folder, description.name, problems)
    table = known_labels(labels, boxes, description.findings, data.uncertain, problems)
    sizes = [pictures.get(image, Picture(0, 0, 0)) for image in table.index]
    table.insert(1, "width", [picture.width for picture in sizes])
    table.insert(2, "height", [picture.height for picture in sizes])
    link(brought, folder / "images")
    annotated = table[table.index.isin(boxes)] if boxes else table
    parts = {name: [image for image in table.index if image.startswith(f"{name}/")] for name in FOLDERS}
    content = content_of(
        description,
        key=key,
        table=table,
        boxes=boxes,
        lists={**lists_of_parts(parts, boxes), **folds_by_patient(annotated, boxes, data.folds)},
        missing=missing,
        partial=bool(missing),
        problems=problems,
        sources=_sources(
            brought, sources, description, {name: len(images) for name, images in parts.items()}, data.uncertain
        ),
        pictures=pictures_digest((image, " ".join(map(str, found))) for image, found in pictures.items()),
    )
    write_dataset(folder, content)


def read_pictures(root: Path, images: Sequence[str], problems: list[Problem]) -> dict[str, Picture]:
    """Size of every image of ``images`` that is there, from its header alone; what is no JPEG image counts as absent.

    That the pixels after a header are whole is seen when an image is used: decoding all of CheXpert takes hours.
    """
    found: dict[str, Picture] = {}
    parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda part: [_header(root / image) for image in part], parts)
        for part, headers in zip(parts, track(read, "reading image sizes", len(parts)), strict=True):
            for image, header in zip(part, headers, strict=True):
                if isinstance(header, Picture):
                    found[image] = header
                elif header:
                    problems.append(Problem(image, header, "taken as absent"))
    return found


def _header(path: Path) -> Picture | str | None:
    """The header of an image, what is wrong with it, or None where there is no file."""
    try:
        size = os.stat(path).st_size
        with Image.open(path, formats=("JPEG",)) as image:
            return Picture(*image.size, size)
    except FileNotFoundError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "no JPEG image, or one whose header is damaged"


def read_boxes(
    path: Path,
    description: Description,
    labels: pd.DataFrame,
    pictures: Mapping[str, Picture],
    problems: list[Problem],
) -> Boxes:
    """The authors' ``{image: {finding: [[xmin, ymin, xmax, ymax]]}}`` as x, y, w, h; images without boxes stay.

    Misspelt findings are renamed, corners the wrong way round are turned, boxes are cut at the image's edge, empty and
    repeated ones are left out, each with a row in ``problems``. A mistake is a box of an unknown finding or image, and
    one that lies mostly outside its image: then the images are not those that the boxes were drawn on.
    """
    boxes: Boxes = {}
    for image, named in _respelt(_boxes_file(path), problems).items():
        if image not in labels.index:
            what = f"{path}: boxes for {image}, an image that train.csv and valid.csv do not have"
            problems.append(mistake(what, image))
            continue
        if not named:
            problems.append(Problem(image, f"named in {BOXES} without a box", "kept: an annotated image without boxes"))
        boxes[image] = {}
        for finding, given in named.items():
            where = f"{path}: {image}, {finding}"
            if finding not in description.boxed_findings:
                problems.append(mistake(f"{where}: a finding that is not among the boxed_findings", image))
            elif found := _sound(where, image, finding, given, pictures.get(image), problems):
                boxes[image][finding] = found
    return boxes


def _respelt(given: Mapping[str, CornersOf], problems: list[Problem]) -> dict[str, CornersOf]:
    """``given`` with its findings as CheXpert spells them."""
    renamed: Counter[str] = Counter()
    out: dict[str, CornersOf] = {}
    for image, named in given.items():
        out[image] = {}
        for name, corners in named.items():
            renamed[name] += len(corners)
            out[image].setdefault(RENAMED.get(name, name), []).extend(corners)
    problems += [
        Problem("", f"{renamed[name]} boxes are of {name}, which CheXpert has no column of", f"read as {meant}")
        for name, meant in RENAMED.items()
        if renamed[name]
    ]
    return out


def _sound(
    where: str, image: str, finding: str, given: Corners, picture: Picture | None, problems: list[Problem]
) -> list[list[float]]:
    """The boxes x, y, w, h of a finding, mended where that can be."""
    found: list[list[float]] = []
    for corners in given:
        with collected(problems, image):
            mended = _mended(where, corners, picture)
            said = f"box {_text(corners)} of {finding}"
            problems += [Problem(image, f"{said} {problem}", repair) for problem, repair in mended.repairs]
            if mended.box in found:
                problems.append(Problem(image, f"{said} stands there twice", "used once"))
            elif mended.box:
                found.append(mended.box)
    return found


def _boxes_file(path: Path) -> dict[str, CornersOf]:
    read = read_json(path, LARGEST_BOXES)
    for image, named in read.items() if isinstance(read, dict) else [("", None)]:
        if not isinstance(named, dict) or not all(
            isinstance(given, list) and all(are_numbers(corners) for corners in given) for given in named.values()
        ):
            what = "not {finding: [[xmin, ymin, xmax, ymax]]} of finite numbers"
            raise DataError(f"{path}: {image or 'the file'} is {what}: get the authors' file")
    return dict(read)


class Mended(NamedTuple):
    """A box x, y, w, h, or None where nothing of it is left, and what was wrong with it and done about it."""

    box: list[float] | None
    repairs: list[tuple[str, str]]


def _mended(where: str, corners: Sequence[float], picture: Picture | None) -> Mended:
    """``corners`` xmin, ymin, xmax, ymax in pixels of the image; unknown size: nothing is said of its edges."""
    repairs = []
    x0, x1 = sorted((corners[0], corners[2]))
    y0, y1 = sorted((corners[1], corners[3]))
    if [x0, y0, x1, y1] != list(corners):
        repairs.append(("has its corners the wrong way round", "corners turned"))
    if x0 == x1 or y0 == y1:
        return Mended(None, [*repairs, ("has no area", "left out")])
    if picture is not None:
        left, right = max(x0, 0), min(x1, picture.width)
        top, bottom = max(y0, 0), min(y1, picture.height)
        if 2 * max(right - left, 0) * max(bottom - top, 0) <= (x1 - x0) * (y1 - y0):
            raise DataError(
                f"{where}: the box {_text(corners)} lies mostly outside the image of {picture.width} x "
                f"{picture.height}: boxes are in pixels of the full-size images, which the -small set reduced; give "
                "data.folder the full-size CheXpert-v1.0"
            )
        if [left, top, right, bottom] != [x0, y0, x1, y1]:
            repairs.append((f"leaves the image of {picture.width} x {picture.height}", "cut at its edge"))
            x0, y0, x1, y1 = left, top, right, bottom
    return Mended(Box.from_corners((x0, y0, x1, y1)).xywh(), repairs)


def _text(corners: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in corners)}]"


def link(brought: Path, images: Path) -> None:
    """Make ``images/train`` and ``images/valid`` lead to the user's folders; relative where those lie beside it."""
    images.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        target, place = (brought / name).resolve(), images / name
        inside = images.resolve().parent
        if place.exists() and not place.is_symlink():
            if place.resolve() == target:
                continue  # the user's folder is the data set's own
            raise DataError(f"{place} is in the way of a link to {brought / name}: move it elsewhere and run again")
        if target.is_relative_to(inside):
            target = Path(os.path.relpath(target, inside / images.name))
        temporary = images / f".{name}-link"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target, target_is_directory=True)
        temporary.replace(place)


def _refuse_missing(missing: Sequence[str], images: int, partial: bool, brought: Path) -> None:
    if missing and (not partial or len(missing) == images):
        what = (
            "set partial: true below data: to go on without" if not partial else "not one is there; check data.folder"
        )
        raise DataError(
            f"{brought}: {len(missing)} of {images} images are absent or no JPEG, {missing[0]} for one: {what}"
        )


def _sources(
    brought: Path, sources: Path, description: Description, images: Mapping[str, int], uncertain: str
) -> list[dict[str, Any]]:
    """What the data set was made from, and how its labels were read; ``images`` is their number in each folder of
    ``brought``."""
    return [
        *({"file": name, "images": number} for name, number in images.items()),
        *(given_file(brought / f"{name}.csv", f"{name}.csv") | {"uncertain": uncertain} for name in FOLDERS),
        *(given_file(sources / name, name) for name in description.table_names),
    ]
