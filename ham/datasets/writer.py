"""The writer of a data set's folder; its layout stands in :mod:`ham.datasets.dataset`, which reads it."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ham.datasets.dataset import BOXES_FILE, DIGESTED, LISTS_FOLDER, BoxesByImage, read_list
from ham.datasets.description import IMAGE_COLUMNS, Description
from ham.datasets.list_counts import ListCount, ListCounts
from ham.runtime.files import sha256, write_json, write_text, written


class Problem(NamedTuple):
    """A row of validation.csv; ``image`` is empty when the whole source is meant, ``repair`` when there was none."""

    image: str
    problem: str
    repair: str


@dataclass(frozen=True)
class Content:
    """What a converter has read, ready to be written.

    ``table`` is indexed by image and has patient (text), width, height (pixels of the original image), view, sex and
    age (text, as :class:`ham.datasets.sources.about_images.About` has them) and a column a finding (1, 0, nan =
    unknown). ``boxes`` are kept as x, y, w, h exactly as the source gives them, since w = (x + w) - x does not hold for
    floats. ``lists`` maps ``Main/fold1/test_0_0.2`` to the file to copy, or to the images of a list of our own;
    ``image_digest`` is one over the image files themselves.
    """

    key: str
    name: str
    source: str
    findings: tuple[str, ...]
    boxed_findings: tuple[str, ...]
    box_grid: int
    table: pd.DataFrame
    boxes: BoxesByImage
    lists: Mapping[str, Path | Sequence[str]]
    missing: Sequence[str]
    partial: bool
    problems: Sequence[Problem]
    sources: Sequence[Mapping[str, Any]]
    image_digest: str
    licence: str
    attribution: str
    drawn: str | None = None  # the program that drew it
    published: str | None = None  # whose published numbers may stand beside its results


def build_content(description: Description, **rest: Any) -> Content:
    """Content of the data set that ``description`` is of; ``rest``: the fields that it does not say."""
    return Content(
        partial=bool(rest["missing"]),
        name=description.name,
        source=description.source,
        findings=description.findings,
        boxed_findings=description.boxed_findings,
        box_grid=description.box_grid,
        licence=description.licence,
        attribution=description.attribution,
        drawn=description.drawn,
        published=description.published,
        **rest,
    )


def describe_file(path: Path, name: str) -> dict[str, Any]:
    """An entry of the content's ``sources``: the file at ``path``, called ``name``."""
    return {"file": name, "bytes": path.stat().st_size, "sha256": sha256(path)}


def write_dataset(folder: Path, content: Content) -> None:
    """Write everything but the images; dataset.json last, since its presence says that the rest is whole."""
    folder = Path(folder)
    (folder / "dataset.json").unlink(missing_ok=True)
    _write_table(folder / "images.csv", content.table, content.findings)
    _write_lines(folder / "Annotations/Tags.json", _find_tags(content.table, content.findings))
    _write_lines(folder / BOXES_FILE, content.boxes)
    _write_rows(folder / "missing.csv", ("image",), ((image,) for image in content.missing))
    write_validation(folder, content.problems)
    missing = frozenset(content.missing)
    lists = _write_lists(folder, content, missing)
    digests = {name: sha256(folder / path) for name, path in DIGESTED.items()} | {"images": content.image_digest}
    write_json(
        folder / "dataset.json",
        {
            "key": content.key,
            "name": content.name,
            "source": content.source,
            "drawn": content.drawn,
            "published": content.published,
            "findings": content.findings,
            "boxed_findings": content.boxed_findings,
            "box_grid": content.box_grid,
            "partial": content.partial,
            "counts": _count(content, missing),
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


def _find_tags(table: pd.DataFrame, findings: Sequence[str]) -> dict[str, list[str]]:
    images = table.index.tolist()
    tags: dict[str, list[str]] = {image: [] for image in images}
    rows, columns = np.nonzero(table[list(findings)].to_numpy() == 1)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        tags[images[row]].append(findings[column])
    return tags


def _write_lists(folder: Path, content: Content, missing: frozenset[str]) -> dict[str, Any]:
    """Write lists and present.csv; returns what dataset.json says of each list."""
    lists: dict[str, Any] = {}
    counts_of = ListCounts(content.table, content.findings, content.boxes, missing) if missing else None
    rows: list[ListCount] = []
    for name, given in content.lists.items():
        path = folder / LISTS_FOLDER / f"{name}.txt"
        images = _write_list(given, path)
        without_file = len(missing.intersection(images))  # no image is listed twice
        lists[name] = {"listed": len(images), "present": len(images) - without_file, "sha256": sha256(path)}
        rows += counts_of.rows(name, images) if counts_of and without_file else []
    _write_rows(folder / "present.csv", ListCount._fields, rows)
    return lists


def _write_list(given: Path | Sequence[str], target: Path) -> list[str]:
    if isinstance(given, Path):
        with written(target) as temporary:
            shutil.copyfile(given, temporary)
    else:
        write_text(target, "\n".join(given))  # no final newline, as in the published lists
    return read_list(target)


def _count(content: Content, missing: frozenset[str]) -> dict[str, Any]:
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


def digest_images(records: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (name, digest and what was found) of the images, whatever order they were unpacked in."""
    digest = hashlib.sha256()
    for name, value in sorted(records):
        digest.update(f"{name} {value}\n".encode())
    return digest.hexdigest()
