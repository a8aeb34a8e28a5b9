"""Rows of a table of labels, whatever table they stand in, and what may be wrong with one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ham.datasets.description import explain_unsafe
from ham.datasets.sources.about_images import About
from ham.datasets.sources.problems import mistake
from ham.datasets.writer import Problem
from ham.errors import DataError, list_some

NO_FINDING = "No Finding"
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.\w+")  # image names that need no closer look


class LabelRow(NamedTuple):
    """A row as it was read: its line in the file, ``labels`` [C] (1, 0, nan = unknown) and what was wrong with it."""

    line: int
    image: str
    patient: str
    about: About
    labels: np.ndarray
    wrong: str | None


def build_label_table(
    path: Path, rows: Iterable[LabelRow], findings: Sequence[str], problems: list[Problem]
) -> pd.DataFrame:
    """The rows as a table: index image; patient, view, sex, age, a column a finding; of an image that
    stands twice the first.

    A row with a mistake is one of ``problems``; DataError is for a table without rows.
    """
    seen: dict[str, int] = {}
    patients, abouts, labels = [], [], []
    for line, image, patient, about, vector, wrong in rows:
        if wrong:
            pass
        elif image in seen:
            wrong = f"{image} stands in line {seen[image]} already"
        elif not PLAIN.fullmatch(image) and (reason := explain_unsafe(image)):
            wrong = f"the image name {image[:200]!r} {reason}"
        elif not patient:
            wrong = f"{image} has no patient"
        if wrong:
            problems.append(mistake(f"{path}, line {line}: {wrong}", image))
        if image not in seen:
            seen[image] = line
            patients.append(patient)
            abouts.append(about)
            labels.append(vector)
    if not seen:
        raise DataError(f"{path} has a header and no rows: a row an image is expected")
    table = pd.DataFrame(np.stack(labels), index=pd.Index(list(seen), name="image"), columns=list(findings))
    table.insert(0, "patient", patients)
    for place, (name, values) in enumerate(zip(About._fields, zip(*abouts, strict=True), strict=True), 1):
        table.insert(place, name, list(values))
    return table


def find_columns(path: Path, header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where each of ``names`` stands in ``header``; DataError where one is not there, or twice."""
    missing = [name for name in names if name not in header]
    if missing:
        raise DataError(f"{path}: the header has no column {', '.join(missing)} (it has: {', '.join(header)})")
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise DataError(f"{path}: the header has the column {twice[0]} more than once: keep one")
    return [header.index(name) for name in names]


def parse_findings(text: str, findings: Sequence[str]) -> tuple[np.ndarray, str | None]:
    """int8 [C] of ``Cardiomegaly|Emphysema`` or ``No Finding``, and what is wrong with it."""
    labels = np.zeros(len(findings), dtype=np.int8)
    if text == NO_FINDING:
        return labels, None
    named = [name.strip() for name in text.split("|")]
    unknown = [repr(name[:200]) for name in named if name not in findings and name != NO_FINDING]
    if unknown or NO_FINDING in named:
        what = f"unknown finding {list_some(unknown)}" if unknown else f"{NO_FINDING} beside a finding"
        return labels, f"{what}; the description's findings are {', '.join(findings)}"
    labels[[findings.index(name) for name in named]] = 1
    return labels, None
