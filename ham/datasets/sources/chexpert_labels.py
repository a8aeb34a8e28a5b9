"""CheXpert's label tables, and what becomes of labels that are uncertain or blank."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ham.datasets.settings import Uncertain
from ham.datasets.sources.about_images import About, AboutReader, field_of, find_optional
from ham.datasets.sources.csv_text import read_csv
from ham.datasets.sources.label_table import find_columns
from ham.datasets.sources.problems import mistake
from ham.datasets.writer import Problem
from ham.errors import DataError

# whatever folder the path begins with
PATH = re.compile(r"(?:.*/)?((?:train|valid)/(patient\d+)/study\d+/view\d+_(?:frontal|lateral)\.jpg)")
VIEW = "Frontal/Lateral"
VIEWS = ("Frontal", "Lateral")
WRITTEN = {"1.0": 1.0, "0.0": 0.0, "-1.0": -1.0, "1": 1.0, "0": 0.0, "-1": -1.0, "": np.nan}

Policy = Literal["ones", "zeros", "ignore"]
# What the CheXpert paper found best, as far as these policies can say it: its network that learns Consolidation from
# labels it gave itself starts from ignoring them, and one with uncertain as a class of its own (Cardiomegaly, Pleural
# Effusion) weighs present against absent without them. Of the other findings it says nothing: nothing is assumed.
PAPER: dict[str, Policy] = {"Atelectasis": "ones", "Edema": "ones"}
READ_AS: dict[Policy, tuple[float, str]] = {
    "ones": (1, "present"),
    "zeros": (0, "absent"),
    "ignore": (np.nan, "unknown"),
}


def read_labels(paths: Sequence[Path], findings: Sequence[str], problems: list[Problem]) -> pd.DataFrame:
    """The tables one after the other: index image; patient, view, sex, age, a column a finding
    (1, 0, -1 uncertain, nan blank).

    Images are named from train/ or valid/ on, whatever folder the Path column begins with. ``Pleural Effusion`` is the
    finding ``Pleural_Effusion``, as in the authors' boxes. A row with a mistake is one of ``problems``, with file and
    line; DataError is for a file that is no such table.
    """
    rows: dict[str, _Row] = {}
    about = AboutReader()
    for path in paths:
        for where, row in _read_rows(Path(path), findings, about, problems):
            if row.image in rows:
                problems.append(mistake(f"{where}: {row.image} stands there twice", row.image))
            rows[row.image] = row
    problems += about.problems()
    columns: dict[str, Any] = {"patient": [row.patient for row in rows.values()]}
    columns |= {name: [getattr(row.about, name) for row in rows.values()] for name in About._fields}
    labels = np.array([row.labels for row in rows.values()], dtype=np.float32).reshape(len(rows), len(findings))
    columns |= {finding: labels[:, column] for column, finding in enumerate(findings)}
    return pd.DataFrame(columns, pd.Index(list(rows), name="image", dtype=str))


class _Row(NamedTuple):
    image: str
    patient: str
    about: About
    labels: list[float]


def _read_rows(
    path: Path, findings: Sequence[str], about: AboutReader, problems: list[Problem]
) -> Iterator[tuple[str, _Row]]:
    header, rows = read_csv(path)
    taken, sex, age = (find_optional(header, name) for name in ("AP/PA", "Sex", "Age"))
    needed = ["Path", VIEW, *(finding.replace("_", " ") for finding in findings)]
    columns = find_columns(path, header, needed)
    empty = True
    for line, fields in rows:
        empty = False
        where = f"{path}, line {line}"
        if len(fields) != len(header):
            problems.append(mistake(f"{where}: {len(fields)} fields, {len(header)} are expected"))
            continue
        given, view, *written = (fields[column].strip() for column in columns)
        named = PATH.fullmatch(given)
        unknown = [text[:200] for text in written if text not in WRITTEN]
        if not named:
            problems.append(mistake(f"{where}: {given[:200]!r} is no path …/train/patient1/study1/view1_frontal.jpg"))
        elif view not in VIEWS:
            problems.append(mistake(f"{where}: {view[:200]!r} stands in {VIEW}, {' or '.join(VIEWS)} is expected"))
        elif unknown:
            problems.append(mistake(f"{where}: the label {unknown[0]!r} is not 1.0, 0.0, -1.0 or blank"))
        else:
            frontal = field_of(fields, taken) if view == "Frontal" else ""
            told = about.read(frontal or view, field_of(fields, sex), field_of(fields, age))
            yield where, _Row(named[1], named[2], told, [WRITTEN[text] for text in written])
    if empty:
        raise DataError(f"{path} has a header and no rows: a row an image is expected")


def resolve_labels(
    labels: pd.DataFrame,
    boxes: Mapping[str, Mapping[str, Any]],
    findings: Sequence[str],
    uncertain: Uncertain,
    problems: list[Problem],
) -> pd.DataFrame:
    """``labels`` of 1, 0 and nan (unknown): blank is absent, uncertain is what the policy says, boxed is present.

    A radiologist who drew a box has seen the finding: his word stands above that of the program that read the report.
    Each kind of change is counted in ``problems``, each label that a box changed has a row of its own.
    """
    table = labels.copy()
    written = {1: "present", 0: "absent", -1: "uncertain"}
    for image, named in boxes.items():
        for finding in named:
            label: Any = labels.at[image, finding]
            if label != 1:
                said = "not mentioned" if np.isnan(label) else written[int(label)]
                problems.append(Problem(image, f"boxes of {finding}, which is {said} in the table", "taken as present"))
                table.at[image, finding] = 1
    for finding in findings:
        policy = PAPER.get(finding, "ignore") if uncertain == "paper" else uncertain
        value, meaning = READ_AS[policy]
        column = table[finding].to_numpy()
        doubtful, blank = column == -1, np.isnan(column)
        table[finding] = np.where(doubtful, value, np.where(blank, 0, column)).astype(np.float32)
        if doubtful.any():
            problems.append(Problem("", f"{doubtful.sum()} labels of {finding} are uncertain", f"read as {meaning}"))
        if blank.any():
            problems.append(
                Problem("", f"{blank.sum()} labels of {finding} are blank: not mentioned", "read as absent")
            )
    return table
