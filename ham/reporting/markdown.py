"""Tables as Markdown (GFM)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ham.reporting.cells import Table, TableRow


def markdown(tables: Sequence[Table], heading: str) -> str:
    """The tables as Markdown (GFM), first line ``heading``; names are escaped."""
    out = [_md(heading), ""]
    for table in tables:
        out += [f"## {_md(table.title)}", "", f"{_md(table.caption)}", ""]
        blocks = any(row.block for row in table.rows)
        names = [name if not group else f"{group}: {name}" for group, name in table.columns]
        head = ([""] if blocks else []) + ["", *names]
        out.append(_md_line(head))
        out.append("|" + "|".join(["---"] * (len(head) - len(names)) + ["---:"] * len(names)) + "|")
        out += [_md_line(([row.block] if blocks else []) + [row.label, *_with_intervals(row)]) for row in table.rows]
        out += ["", *(f"{_md(note)}\n" for note in table.notes)]
    return "\n".join(out).rstrip() + "\n"


def _with_intervals(row: TableRow) -> list[str]:
    return [f"{cell} {row.interval(column)}".rstrip() for column, cell in enumerate(row.cells)]


def _md(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~&#$])", r"\\\1", " ".join(text.split()))


def _md_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_md(cell) for cell in cells) + " |"
