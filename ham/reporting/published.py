"""Published numbers that stand beside ours: config/published.csv, which takes rows a user adds."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ham.errors import DataError

PUBLISHED = Path(__file__).parents[2] / "config" / "published.csv"
EIGHT = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")
FOURTEEN = (*EIGHT, "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia")
MEANS = {"mean8": EIGHT, "mean14": FOURTEEN}
ABOUT = ("source", "year", "model", "trained_on", "protocol", "metric", "threshold", "certainty", "note")
NEEDED = ("source", "protocol", "metric", "threshold", "certainty")
FILLED = ("source", "certainty")
OVERLAPS = ("t_iou", "t_ior")  # metrics with a threshold
BOXED_IMAGES, OFFICIAL_TEST = 880, 25_596  # of NIH: images with boxes; images of its own test list
FIXED_CUT, OFFICIAL_SPLIT = "fixed-cut", "official-split"


class Protocol(NamedTuple):
    """A way to test: what it measures, and what it is in words."""

    metrics: tuple[str, ...]
    meaning: str


PROTOCOLS = {
    FIXED_CUT: Protocol(OVERLAPS, "all images with boxes, maps cut where was said before any box was looked at"),
    OFFICIAL_SPLIT: Protocol(("auc",), "NIH's own test list"),
    "tuned-cut": Protocol(OVERLAPS, "the cut of the maps was tuned on images with boxes"),
    "hottest-5-percent": Protocol(OVERLAPS, "the hottest 5 % of each map are its region, whatever its values"),
    "other-split": Protocol((*OVERLAPS, "auc"), "tested on other images than NIH's own test list or all boxes"),
    "pointing-game": Protocol(("pointing",), "whether the map's maximum lies in a box: no region and no threshold"),
    "not-stated": Protocol((*OVERLAPS, "auc"), "where the figure was read, its cut or its test images are not said"),
}
METRICS = tuple(dict.fromkeys(metric for protocol in PROTOCOLS.values() for metric in protocol.metrics))


@dataclass(frozen=True)
class PublishedRow:
    """One published result at one threshold."""

    source: str
    year: str
    model: str
    trained_on: str
    protocol: str  # one of PROTOCOLS
    metric: str
    threshold: float  # NaN where the metric has none
    certainty: str  # where it was read: full text, README, second-hand …
    note: str
    values: dict[str, float]  # by finding; none for blanks
    means: dict[str, float] = field(default_factory=dict)  # as published: mean8, mean14

    @property
    def label(self) -> str:
        """Such as ``Wang et al. 2017, ChestX-ray8 ResNet-50``."""
        return ", ".join(text for text in (f"{self.source} {self.year}".strip(), self.model) if text)

    @property
    def about(self) -> str:
        """What is known of it besides its numbers, for a note."""
        trained = f"trained on {self.trained_on}" if self.trained_on else ""
        known = (trained, PROTOCOLS[self.protocol].meaning, f"read in: {self.certainty}", self.note)
        return "; ".join(text for text in known if text)

    def mean(self, findings: Sequence[str]) -> float:
        """Mean over ``findings``: of their values, or as published over just these; NaN where neither is there."""
        if all(finding in self.values for finding in findings) and findings:
            return sum(self.values[finding] for finding in findings) / len(findings)
        names = [name for name, members in MEANS.items() if set(members) == set(findings)]
        return self.means.get(names[0], math.nan) if names else math.nan


def split_by_protocol(
    rows: Sequence[PublishedRow], images: int, boxed_images: int
) -> tuple[list[PublishedRow], dict[str, list[PublishedRow]]]:
    """Rows that were tested as ours are, and the others by the reason why they may not stand beside ours.

    ``images`` are those of our only test split (0 of several), ``boxed_images`` those with boxes of all splits; such
    as were there, since of a part of them nothing comparable was published.
    """
    ours = {
        FIXED_CUT: f"here {boxed_images:,} of the {BOXED_IMAGES:,} images with boxes are tested"
        if boxed_images != BOXED_IMAGES
        else "",
        OFFICIAL_SPLIT: "here other images than NIH's own test list are tested, or a part of it"
        if images != OFFICIAL_TEST
        else "",
    }
    beside: list[PublishedRow] = []
    apart: dict[str, list[PublishedRow]] = {}
    for row in rows:
        reason = ours.get(row.protocol, PROTOCOLS[row.protocol].meaning)
        if reason:
            apart.setdefault(reason, []).append(row)
        else:
            beside.append(row)
    return beside, apart


def published_rows(dataset: str | None, path: Path = PUBLISHED) -> list[PublishedRow]:
    """Rows of a data set whose description says ``published: <dataset>``.

    All that are shipped are NIH's; none for None.
    """
    return read_published(path) if dataset == "nih" else []


def read_published(path: Path = PUBLISHED) -> list[PublishedRow]:
    """All rows of the file; none where there is no file. DataError, with the line, for what is no share, no finding, no
    metric or no protocol."""
    if not path.exists():
        return []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames or [])
            rows = [(reader.line_num, _row(path, reader.line_num, row)) for row in reader if any(row.values())]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path} cannot be read ({problem}); save it as CSV in UTF-8.") from None
    seen: dict[tuple[str, ...], int] = {}
    for line, row in rows:
        key = (row.label, row.protocol, row.metric, str(row.threshold))
        if key in seen:
            raise DataError(f"{path}, line {line}: the same as line {seen[key]}; keep one of them.")
        seen[key] = line
    return [row for _, row in rows]


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise DataError(f"{path}, line 1: the column {missing[0]} is missing; see config/README.md for all of them.")
    for name in names:
        if name not in (*ABOUT, *FOURTEEN, *MEANS):
            raise DataError(f"{path}, line 1: {name!r} is no finding of NIH; its findings are {', '.join(FOURTEEN)}.")
        if list(names).count(name) > 1:
            raise DataError(f"{path}, line 1: the column {name} stands twice; keep one of them.")


def _row(path: Path, line: int, row: Mapping[str, str]) -> PublishedRow:
    where = f"{path}, line {line}"
    if None in row or None in row.values():
        raise DataError(f"{where}: {'more' if None in row else 'fewer'} cells than columns; put commas into quotes.")
    about = {name: (row.get(name) or "").strip() for name in ABOUT}
    metric, protocol = about["metric"], about["protocol"]
    for name in FILLED:
        if not about[name]:
            raise DataError(f"{where}: {name} is blank; say it, so that a reader can judge the figure.")
    if metric not in METRICS:
        raise DataError(f"{where}: {metric!r} is no metric; take one of {', '.join(METRICS)}.")
    if protocol not in PROTOCOLS:
        raise DataError(f"{where}: {protocol!r} is no protocol; take one of {', '.join(PROTOCOLS)}.")
    if metric not in PROTOCOLS[protocol].metrics:
        raise DataError(f"{where}: {protocol} is no protocol of {metric}; see config/README.md.")
    if (metric in OVERLAPS) is not bool(about["threshold"]):
        wants = "wants a threshold from 0 to 1" if metric in OVERLAPS else "has no threshold: leave it blank"
        raise DataError(f"{where}: {metric} {wants}.")
    shares = {name: _share(where, name, row[name]) for name in (*FOURTEEN, *MEANS) if name in row and row[name].strip()}
    threshold = _share(where, "threshold", about.pop("threshold")) if metric in OVERLAPS else math.nan
    about.pop("threshold", None)
    values = {name: share for name, share in shares.items() if name not in MEANS}
    means = {name: share for name, share in shares.items() if name in MEANS}
    return PublishedRow(**about, threshold=threshold, values=values, means=means)


def _share(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise DataError(f"{where}: {name} is {text.strip()}, and a share goes from 0 to 1 (66.1 % is 0.661).")
    return value
