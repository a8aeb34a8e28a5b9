"""View, sex and age of images. What cannot be read is unknown, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ham.datasets.writer import Problem

VIEWS = {
    "pa": "PA",
    "ap": "AP",
    "frontal": "frontal",
    "lateral": "lateral",
    "lat": "lateral",
    "ll": "lateral",
    "rl": "lateral",
}
SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
NOBODY_SAYS = ("", "unknown", "u", "nan", "na", "n/a")  # blanks in words
AGE = re.compile(r"0*(\d{1,4})(?:\.\d+)?([ymwd]?)", re.IGNORECASE)  # 58, 58.0, 058Y; of infants 011M, 003W, 013D
OLDEST = 99  # NIH has patients of 414 years, and CheXpert has put all above 90 together
IN_A_YEAR = {"y": 1, "m": 12, "w": 52, "d": 365}


class About(NamedTuple):
    """As images.csv has it: AP, PA, frontal (nobody says which) or lateral; F or M; whole years. Blank: unknown."""

    view: str = ""
    sex: str = ""
    age: str = ""


class AboutReader:
    """Reads a table's words; those that mean nothing are counted, so that they can be told."""

    def __init__(self) -> None:
        self._unread: dict[str, list[str]] = {}

    def read(self, view: str, sex: str, age: str) -> About:
        """What the words of one row say; blank ones are unknown."""
        return About(
            self._known("views are not PA, AP or lateral", view, VIEWS.get),
            self._known("sexes are not F or M", sex, SEXES.get),
            self._known(f"ages are no years from 0 to {OLDEST}", age, read_age),
        )

    def problems(self) -> list[Problem]:
        """A row for each column with words that were not understood."""
        return [
            Problem("", f"{len(words)} {what}, such as {words[0][:40]!r}", "read as unknown")
            for what, words in self._unread.items()
        ]

    def _known(self, what: str, word: str, read: Callable[[str], str | None]) -> str:
        word = word.strip()
        if word.casefold() in NOBODY_SAYS:
            return ""
        known = read(word.casefold())
        if known is None:
            self._unread.setdefault(what, []).append(word)
        return known or ""


def read_age(word: str) -> str | None:
    """Whole years of ``58``, ``58.0``, ``058Y`` or ``011M``; None where it is none of a person."""
    found = AGE.fullmatch(word)
    if not found:
        return None
    years = int(found[1]) // IN_A_YEAR[found[2].lower() or "y"]
    return str(years) if years <= OLDEST else None


def find_optional(header: Sequence[str], *names: str) -> int | None:
    """The column of the first of ``names`` that ``header`` has; None where it has none of them."""
    return next((header.index(name) for name in names if name in header), None)


def field_of(row: Sequence[str], column: int | None) -> str:
    """The text in a column that a table or row may lack."""
    return row[column].strip() if column is not None and column < len(row) else ""
