"""What a data set has for the experiments that are configured: the last word of ``snakemake datasets``.

``summary.csv`` has a row for the whole data set and for each part (train, validation, test) of each split, and below it
one a finding. Only images that are there count.

==============  ========================================================================================================
experiment …    experiment, split and part; blank: the whole data set
finding         blank: the row is of all images of the part
images          of the part's list; for a finding, those whose label is known
patients        of these images
positive        those that have the finding; for the blank one, any finding
boxed_images    images with a box in the part's list of boxes; blank where the experiment uses none there
boxes, pairs    boxes in these images; (image, finding) with a box
word            what is empty or one-sided: ``no image``, ``no positive``, ``no negative``, ``no boxed image``
==============  ========================================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.datasets.dataset import Dataset
from ham.errors import list_some
from ham.runtime.files import write_text

PARTS = ("train", "validation", "test")
COLUMNS = (
    "experiment", "split", "part", "finding",
    "images", "patients", "positive", "boxed_images", "boxes", "pairs", "word",
)  # fmt: skip
COUNTS = ["images", "patients", "positive", "boxed_images", "boxes", "pairs"]
log = logging.getLogger("ham")


def write_summary(dataset_folder: Path, splits: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write the summary for these splits (``Configuration.runs``) and show it in short."""
    table = summarize(Dataset.open(dataset_folder), splits)
    write_text(output, table.to_csv(index=False, lineterminator="\n"))
    log.info("%s\n%s", output, describe(table))


def summarize(dataset: Dataset, splits: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of summary.csv; of each split ``experiment``, ``split`` and ``lists`` by role are given."""
    there = [image for image in dataset.table.index if image not in dataset.missing]
    rows = _rows(dataset, there, there if dataset.boxed_findings else None)
    for split in splits:
        for part in PARTS:
            listed, boxed = split["lists"][part], split["lists"][f"{part}_boxes"]
            images = dataset.listed(listed)
            with_boxes = None if boxed is None else dataset.listed(boxed)
            where = {"experiment": split["experiment"], "split": split["split"], "part": part}
            rows += [where | row for row in _rows(dataset, images, with_boxes)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(COUNTS, "Int64"))


def _rows(dataset: Dataset, images: Sequence[str], with_boxes: Sequence[str] | None) -> list[dict[str, Any]]:
    """The row of all findings, and one a finding, of a part with these lists."""
    labels = dataset.labels(images)
    patients = np.array([dataset.patient(image) for image in images], dtype=object)
    boxed = None if with_boxes is None else [dataset.boxes.get(image, {}) for image in with_boxes]
    everything = [found for found in boxed or [] if found]
    rows = [
        _row("", np.where((labels == 1).any(axis=1), 1.0, 0.0), patients)
        | _count_boxes(boxed, [len(found) for found in everything], [sum(map(len, f.values())) for f in everything])
    ]
    for column, finding in enumerate(dataset.findings):
        having = [len(found[finding]) for found in everything if finding in found]
        of_finding = boxed if finding in dataset.boxed_findings else None
        rows.append(_row(finding, labels[:, column], patients) | _count_boxes(of_finding, [1] * len(having), having))
    for row in rows:
        row["word"] = "; ".join(_words(row))
    return rows


def _row(finding: str, labels: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(labels)
    return {
        "finding": finding,
        "images": int(known.sum()),
        "patients": len(set(patients[known])),
        "positive": int((labels == 1).sum()),
    }


def _count_boxes(boxed: object | None, pairs: Sequence[int], boxes: Sequence[int]) -> dict[str, int | None]:
    """Of images with a box: how many findings, and boxes, each has."""
    if boxed is None:
        return {"boxed_images": None, "boxes": None, "pairs": None}
    return {"boxed_images": len(pairs), "boxes": sum(boxes), "pairs": sum(pairs)}


def _words(row: Mapping[str, Any]) -> list[str]:
    if row["images"] == 0:
        return ["no image" if row["finding"] == "" else "no label"]
    words = []
    if row["positive"] == 0:
        words.append("no positive")
    if row["finding"] and row["positive"] == row["images"]:
        words.append("no negative")
    if row["boxed_images"] == 0:
        words.append("no boxed image")
    return words


def describe(table: pd.DataFrame) -> str:
    """The summary in short: the whole by finding, then a line a part, with a word where one is empty or one-sided."""
    whole = table[table["experiment"].isna()]
    parts = table[table["experiment"].notna()]
    shown = whole[["finding", *COUNTS, "word"]].assign(finding=["all", *whole["finding"][1:]])
    blocks = [_aligned(shown)]
    if len(parts):
        keys = ["experiment", "split", "part"]
        lines = parts[parts["finding"] == ""][[*keys, *COUNTS, "word"]].copy()
        of_findings = parts[parts["finding"] != ""].groupby(keys, sort=False)
        lines["word"] = [
            "; ".join(filter(None, [word, *_findings_words(of_findings.get_group(tuple(key)), word)]))
            for key, word in zip(lines[keys].to_numpy(), lines["word"], strict=True)
        ]
        blocks.append(_aligned(lines))
    return "\n\n".join(blocks)


def _findings_words(findings: pd.DataFrame, part_word: str) -> list[str]:
    """``no positive: Hernia, Mass``, one a word that is not already said of the whole part."""
    if "no image" in part_word:
        return []
    said = findings["word"].str.split("; ").explode()
    words = [word for word in dict.fromkeys(said) if word and word not in part_word.split("; ")]
    return [f"{word}: {list_some(findings['finding'][said.index[said == word]].tolist(), 4)}" for word in words]


def _aligned(table: pd.DataFrame) -> str:
    """A table as text: names to the left, numbers to the right, ``-`` where there is none."""
    if not table["word"].any():
        table = table.drop(columns="word")
    texts = table.astype(object).where(table.notna(), "-")
    columns = [[name.replace("_", " "), *map(_shown, texts[name])] for name in table.columns]
    widths = [max(map(len, column)) for column in columns]
    left = [name not in COUNTS for name in table.columns]
    rows = [
        "  ".join(cell.ljust(w) if side else cell.rjust(w) for cell, w, side in zip(row, widths, left, strict=True))
        for row in zip(*columns, strict=True)
    ]
    return "\n".join(row.rstrip() for row in rows)


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
