"""Published numbers that stand beside ours: config/published.csv, which takes rows a user adds."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ham.errors import DataError

PUBLISHED = Path(__file__).parents[2] / "config" / "published.csv"
DESCRIBING = ("source", "year", "model", "protocol", "metric", "threshold", "mean8", "certainty", "note")


@dataclass(frozen=True)
class PublishedRow:
    """One published result at one threshold."""

    source: str
    year: str
    model: str
    protocol: str
    metric: str
    threshold: float  # NaN where the metric has none
    values: dict[str, float]
    note: str

    @property
    def label(self) -> str:
        """Such as ``Wang et al. 2017, ChestX-ray8 ResNet-50``."""
        return f"{self.source} {self.year}, {self.model}"

    def mean(self, findings: Sequence[str]) -> float:
        """Mean over ``findings``; NaN where one of them was not published."""
        values = [self.values.get(finding, math.nan) for finding in findings]
        return sum(values) / len(values) if values else math.nan


def published_rows(dataset: str | None, path: Path = PUBLISHED) -> list[PublishedRow]:
    """Rows that may stand beside results of a data set whose description says ``published: <dataset>``.

    All that are shipped are NIH's; none for None.
    """
    return read_published(path) if dataset == "nih" else []


def read_published(path: Path = PUBLISHED) -> list[PublishedRow]:
    """All rows of the file; none where there is no file. DataError for a value that is no number."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [_row(path, number, row) for number, row in enumerate(csv.DictReader(file), 2)]


def _row(path: Path, number: int, row: dict[str, str]) -> PublishedRow:
    try:
        values = {name: float(text) for name, text in row.items() if name not in DESCRIBING and text and name}
        threshold = float(row["threshold"]) if row.get("threshold") else math.nan
        about = {name: row[name] or "" for name in ("source", "year", "model", "protocol", "metric")}
    except KeyError as missing:
        raise DataError(f"{path} lacks the column {missing}; see the file as it came with the project.") from None
    except (TypeError, ValueError) as problem:
        raise DataError(f"{path}, line {number}: {problem}; a result is a number or blank.") from None
    return PublishedRow(**about, threshold=threshold, values=values, note=row.get("note") or "")
