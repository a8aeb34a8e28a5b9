"""Tables as Markdown (GFM)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ham.reporting.cells import Table, TableRow


def markdown(tables: Sequence[Table], heading: str) -> str:
    """The tables as Markdown (GFM), first line ``heading``; names are escaped."""
    out = [escape(heading), ""]
    for table in tables:
        out += [f"## {escape(table.title)}", "", *table_lines(table)]
    return "\n".join(out).rstrip() + "\n"


def table_lines(table: Table) -> list[str]:
    """Caption, grid and notes of a table, without its title; a blank line after each."""
    blocks = any(row.block for row in table.rows)
    names = [name if not group else f"{group}: {name}" for group, name in table.columns]
    head = ([""] if blocks else []) + ["", *names]
    return [
        escape(table.caption),
        "",
        _md_line(head),
        "|" + "|".join(["---"] * (len(head) - len(names)) + ["---:"] * len(names)) + "|",
        *(_md_line(([row.block] if blocks else []) + [row.label, *_with_intervals(row)]) for row in table.rows),
        "",
        *(f"{escape(note)}\n" for note in table.notes),
    ]


def escape(text: str) -> str:
    """``text`` on one line, with nothing left that Markdown or HTML would read as theirs."""
    return re.sub(r"([\\`*_\[\]<>|~&#$])", r"\\\1", " ".join(text.split()))


def _with_intervals(row: TableRow) -> list[str]:
    return [f"{cell} {row.interval(column)}".rstrip() for column, cell in enumerate(row.cells)]


def _md_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"
