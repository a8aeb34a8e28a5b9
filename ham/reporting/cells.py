"""A table as a reader gets to see it, in whatever form: rows of cells that are text already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

NOTHING = "–"


@dataclass(frozen=True)
class TableRow:
    """A line of a table. ``kind``: model, floor, published, split, summary or count."""

    label: str
    cells: list[str]
    kind: str = "model"
    numbers: list[float] = field(default_factory=list)  # behind the cells, NaN where there is none
    block: str = ""  # rows of one block stand together under this heading
    whole: bool = True  # over all splits, and so comparable with the floors
    intervals: list[str] = field(default_factory=list)  # of the cells; none where the scores have none
    marks: list[str] = field(default_factory=list)  # of the cells: what a comparison says, as a word

    def interval(self, column: int) -> str:
        """Of a cell; empty where it has none."""
        return self.intervals[column] if self.intervals else ""


@dataclass(frozen=True)
class Table:
    """What a reader sees: a title, a caption that says what the numbers are, columns as (group, name), rows."""

    title: str
    caption: str
    columns: list[tuple[str, str]]
    rows: list[TableRow]
    notes: list[str] = field(default_factory=list)
    main: bool = True  # False: shown folded in the page


def number_text(value: float) -> str:
    """Three decimals, or a dash where there is no number."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def signed(value: float) -> str:
    """Three decimals with a sign, or a dash where there is no number."""
    return f"{round(value, 3) + 0.0:+.3f}" if math.isfinite(value) else NOTHING  # + 0.0: no -0.000


def spans(groups: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbouring equal groups of columns as (group, number of columns)."""
    out: list[tuple[str, int]] = []
    for group in groups:
        if out and out[-1][0] == group:
            out[-1] = group, out[-1][1] + 1
        else:
            out.append((group, 1))
    return out
