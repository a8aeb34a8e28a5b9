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
from ham.datasets.acquire.checksum_record import verified_by
from ham.datasets.acquire.links import link
from ham.datasets.dataset import BoxesByImage
from ham.datasets.description import Description
from ham.datasets.sources import SOURCES
from ham.datasets.sources.box_checks import are_numbers, are_shares, place_in_image, read_json, refuse_other_frame
from ham.datasets.sources.brought import Brought
from ham.datasets.sources.chexpert_labels import read_labels, resolve_labels
from ham.datasets.sources.conversion import ConversionRequest
from ham.datasets.sources.problems import collect_mistakes, end_on_mistake, mistake, refuse_mistakes
from ham.datasets.sources.usable_images import find_missing
from ham.datasets.splits import folds_by_patient, lists_of_parts
from ham.datasets.writer import Problem, build_content, describe_file, digest_images, write_dataset
from ham.errors import DataError
from ham.images import open_image, upright_size
from ham.runtime.progress import track

AUTHORS_BOXES = "BBoxes.json"
LOOKED_AT = 100  # missing images that another spelling is looked for
RENAMED = {"edema": "Edema", "Enlarg_Cardiomediastinum": "Enlarged_Cardiomediastinum"}  # the authors' misspellings
FOLDERS = SOURCES["chexpert"].lists
DRAWN = ".drawn"  # in the data set's folder, where ham draws what a user would bring
LARGEST_BOXES = 64 << 20  # bytes; the authors' file has 354,174
AT_ONCE = 256  # images whose headers one thread reads before it asks for more
NO_JPEG = "no JPEG image, or one whose header is damaged"
FULL_SIZE = (
    "boxes are in pixels of the full-size images, which the -small set reduced; give data.folder the full-size "
    "CheXpert-v1.0"
)
GET_FILE = "get the authors' file"
READERS = 16  # threads, where other work has processes: reading a header is waiting for the disk, whatever the cores

Corners = list[list[float]]  # [[xmin, ymin, xmax, ymax], …], pixels of the image
CornersByFinding = dict[str, Corners]  # {finding: corners}


class ImageHeader(NamedTuple):
    """What the header of an image says: its size as people see it; ``bytes`` is the size of its file."""

    width: int
    height: int
    bytes: int


class MendedBox(NamedTuple):
    """A box x, y, w, h, or None where nothing of it is left, what was wrong with it and done about it, and by how many
    pixels it left its image."""

    box: list[float] | None
    repairs: list[tuple[str, str]]
    outside: float


def convert(request: ConversionRequest) -> None:
    """Write the data set from ``data.folder`` (or what was drawn) and BBoxes.json in ``request.fetched``.

    See :func:`ham.datasets.sources.conversion.convert` for mistakes.
    """
    description = request.description
    given = request.folder / DRAWN if description.drawn else request.data.folder
    if problem := description.lacks(given):
        raise DataError(problem)
    brought = Brought(given or "", description.brought)
    problems: list[Problem] = []
    with end_on_mistake(request, problems):
        labels = read_labels([brought.found[f"{name}.csv"][0] for name in FOLDERS], description.findings, problems)
    headers = read_headers(brought, labels.index.tolist(), problems)
    how = f"{brought.folder} has no JPEG image of that name, check data.folder"
    missing = find_missing(request, labels, frozenset(headers), how, problems, _find_near(brought, labels, headers))
    boxes: BoxesByImage = {}
    if description.boxed_findings:
        with collect_mistakes(problems):
            path, partial = request.fetched / AUTHORS_BOXES, request.data.partial
            boxes = read_boxes(path, description, labels, headers, problems, partial)
    refuse_mistakes(request, problems)
    table = resolve_labels(labels, boxes, description.findings, request.data.uncertain, problems)
    sizes = [headers.get(image, ImageHeader(0, 0, 0)) for image in table.index]
    table.insert(1, "width", [header.width for header in sizes])
    table.insert(2, "height", [header.height for header in sizes])
    _link_folders(request, brought)
    annotated = table[table.index.isin(boxes)] if boxes else table
    parts = {name: [image for image in table.index if image.startswith(f"{name}/")] for name in FOLDERS}
    content = build_content(
        description,
        key=request.key,
        table=table,
        boxes=boxes,
        lists={**lists_of_parts(parts, boxes), **folds_by_patient(annotated, boxes, request.data.folds)},
        missing=missing,
        problems=problems,
        sources=_describe_sources(request, brought, {name: len(images) for name, images in parts.items()}),
        image_digest=digest_images((image, " ".join(map(str, header))) for image, header in headers.items()),
    )
    write_dataset(request.folder, content)


def read_headers(brought: Brought, images: Sequence[str], problems: list[Problem]) -> dict[str, ImageHeader]:
    """Header of every image of ``images`` that is there; what is no JPEG image counts as missing.

    That the pixels after a header are whole is seen when an image is used: decoding all of CheXpert takes hours.
    """
    found: dict[str, ImageHeader] = {}
    groups = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda group: [_read_header(brought.path(image)) for image in group], groups)
        for group, headers in zip(groups, track(read, "reading image sizes", len(groups)), strict=True):
            for image, header in zip(group, headers, strict=True):
                if isinstance(header, ImageHeader):
                    found[image] = header
                elif header:
                    problems.append(Problem(image, header, "taken as missing"))
    return found


def _find_near(brought: Brought, labels: pd.DataFrame, headers: Mapping[str, ImageHeader]) -> list[str]:
    """Ids of files that lie beside the first images without a header: one may be meant (``.JPG``)."""
    without = [image for image in labels.index if image not in headers][:LOOKED_AT]
    beside = {image.rpartition("/")[0]: brought.path(image).parent for image in without}
    found = [f"{place}/{path.name}" for place, folder in beside.items() if folder.is_dir() for path in folder.iterdir()]
    return [name for name in found if name not in labels.index]


def _read_header(path: Path) -> ImageHeader | str | None:
    """The header of an image, what is wrong with it, or None where there is no file."""
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            image = open_image(file)
            return ImageHeader(*upright_size(image), size) if image.format in ("JPEG", "MPO") else NO_JPEG
    except FileNotFoundError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return NO_JPEG


def read_boxes(
    path: Path,
    description: Description,
    labels: pd.DataFrame,
    headers: Mapping[str, ImageHeader],
    problems: list[Problem],
    partial: bool = False,
) -> BoxesByImage:
    """The authors' ``{image: {finding: [[xmin, ymin, xmax, ymax]]}}`` as x, y, w, h; images without boxes stay.

    Misspelt findings are renamed, corners the wrong way round are turned, boxes are cut at the image's edge, empty and
    repeated ones are left out, each with a row in ``problems``. Where the tables may be ``partial`` (frontal views
    only), boxes of images that they do not have are left out and counted. A mistake is a box of an unknown finding or
    image, and one that lies mostly outside its image: then the images are not those that the boxes were drawn on.
    """
    boxes: BoxesByImage = {}
    left_by: list[float] = []
    given_boxes = _read_boxes_file(path)
    every = [
        Box.from_corners(corners) for named in given_boxes.values() for given in named.values() for corners in given
    ]
    if are_shares(every):
        raise DataError(f"{path}: all boxes lie within 1 x 1: these are shares of the image and not pixels: {GET_FILE}")
    if partial:
        given_boxes = _leave_out_unlisted(given_boxes, labels, problems)
    for image, named in _correct_spelling(given_boxes, problems).items():
        if image not in labels.index:
            what = f"{path}: boxes for {image}, an image that train.csv and valid.csv do not have"
            problems.append(mistake(what, image))
            continue
        if not named:
            problems.append(
                Problem(image, f"named in {AUTHORS_BOXES} without a box", "kept: an annotated image without boxes")
            )
        boxes[image] = {}
        for finding, given in named.items():
            where = f"{path}: {image}, {finding}"
            if finding not in description.boxed_findings:
                problems.append(mistake(f"{where}: a finding that is not among the boxed_findings", image))
                continue
            size = headers[image][:2] if image in headers else None
            mended = _mend_boxes(where, image, finding, given, size, problems)
            left_by += [box.outside for box in mended]
            if found := [box.box for box in mended if box.box]:
                boxes[image][finding] = found
    refuse_other_frame(path, left_by, FULL_SIZE)
    return boxes


def _leave_out_unlisted(
    given: Mapping[str, CornersByFinding], labels: pd.DataFrame, problems: list[Problem]
) -> dict[str, CornersByFinding]:
    """``given`` without the images that the tables do not have."""
    unlisted = {image: sum(map(len, named.values())) for image, named in given.items() if image not in labels.index}
    if unlisted:
        lateral = sum("lateral" in image for image in unlisted)
        images = f"{len(unlisted)} images ({lateral} lateral) that the tables do not have"
        problems.append(
            Problem("", f"{sum(unlisted.values())} boxes are of {images}", "left out: the data set is partial")
        )
    return {image: named for image, named in given.items() if image not in unlisted}


def _correct_spelling(given: Mapping[str, CornersByFinding], problems: list[Problem]) -> dict[str, CornersByFinding]:
    """``given`` with its findings as CheXpert spells them."""
    renamed: Counter[str] = Counter()
    out: dict[str, CornersByFinding] = {}
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


def _mend_boxes(
    where: str, image: str, finding: str, given: Corners, size: tuple[int, int] | None, problems: list[Problem]
) -> list[MendedBox]:
    """The boxes of a finding, mended where that can be, each once."""
    found: list[MendedBox] = []
    for corners in given:
        with collect_mistakes(problems, image):
            mended = _mend_box(where, corners, size)
            said = f"box {_format_corners(corners)} of {finding}"
            problems += [Problem(image, f"{said} {problem}", repair) for problem, repair in mended.repairs]
            if mended.box and mended.box in [other.box for other in found]:
                problems.append(Problem(image, f"{said} stands there twice", "used once"))
            else:
                found.append(mended)
    return found


def _read_boxes_file(path: Path) -> dict[str, CornersByFinding]:
    read = read_json(path, LARGEST_BOXES, "get it again")
    for image, named in read.items() if isinstance(read, dict) else [("", None)]:
        if not isinstance(named, dict) or not all(
            isinstance(given, list) and all(are_numbers(corners) for corners in given) for given in named.values()
        ):
            what = "not {finding: [[xmin, ymin, xmax, ymax]]} of finite numbers"
            raise DataError(f"{path}: {image or 'the file'} is {what}: {GET_FILE}")
    return dict(read)


def _mend_box(where: str, corners: Sequence[float], size: tuple[int, int] | None) -> MendedBox:
    """``corners`` xmin, ymin, xmax, ymax in pixels of the image of ``size`` (None: unknown)."""
    repairs = []
    x0, x1 = sorted((corners[0], corners[2]))
    y0, y1 = sorted((corners[1], corners[3]))
    if [x0, y0, x1, y1] != list(corners):
        repairs.append(("has its corners the wrong way round", "corners turned"))
    if x0 == x1 or y0 == y1:
        return MendedBox(None, [*repairs, ("has no area", "left out")], 0)
    inside, outside = place_in_image(where, f"the box {_format_corners(corners)}", Box(x0, y0, x1, y1), size, FULL_SIZE)
    if outside > 0:
        image = f"the image of {size[0]} x {size[1]}" if size else "its image"
        repairs.append((f"leaves {image}", "cut at its edge"))
    return MendedBox(inside.xywh(), repairs, outside)


def _format_corners(corners: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in corners)}]"


def _link_folders(request: ConversionRequest, brought: Brought) -> None:
    """Make ``images/train`` and ``images/valid`` lead to the user's folders, a patient at a time where there are many.

    A patient whom two batches share has a link for each study.
    """
    request.images.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        target = request.images / name
        if not any(target.parent.samefile(place.parent) for place in brought.found[name]):  # else it is the user's own
            _remove_links(target)
        if len(brought.found[name]) == 1:
            link(brought.found[name][0], target, within=request.folder)
            continue
        for patient, places in track(brought.patients(name).items(), f"linking {name}"):
            (target / patient if len(places) > 1 else target).mkdir(parents=True, exist_ok=True)
            studies = [study for place in places for study in (place / patient).iterdir()] if len(places) > 1 else []
            for path in studies or [places[0] / patient]:
                link(path, (target / patient / path.name) if studies else target / patient, within=request.folder)


def _remove_links(folder: Path) -> None:
    """Remove a folder of links to patients, which an earlier conversion made; nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        return
    below = list(folder.iterdir())
    below += [inner for path in below if path.is_dir() and not path.is_symlink() for inner in path.iterdir()]
    if below and all(path.is_symlink() or (path.is_dir() and path.parent == folder) for path in below):
        for path in reversed(below):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.rmdir()


def _describe_sources(request: ConversionRequest, brought: Brought, images: Mapping[str, int]) -> list[dict[str, Any]]:
    """What the data set was made from, and how its labels were read; ``images`` is their number in each folder of
    ``brought``."""
    read_as = {"uncertain": request.data.uncertain}
    return [
        *({"file": name, "images": number} for name, number in images.items()),
        *(describe_file(brought.found[f"{name}.csv"][0], f"{name}.csv") | read_as for name in FOLDERS),
        *(
            verified_by(request.fetched / name) | describe_file(request.fetched / name, name)
            for name in request.description.table_names
        ),
    ]
