"""Tables as LaTeX, in parts that a page holds at a size that can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from ham.reporting.cells import Table, TableRow, spans

COLUMNS = 5  # beside the label, of a part
LINE = r"\midrule "
ROWS = 14  # of a part that has several blocks

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "–": "--", "…": r"\dots{}", "≥": r"$\geq$",
}  # fmt: skip


def _tex(text: str) -> str:
    text = "".join(LATEX.get(character, character) for character in " ".join(text.split()))
    return "{}" + text if text.startswith(("[", "*")) else text  # behind a line's end, LaTeX takes them as its own


def latex(tables: Sequence[Table], heading: str, name: str) -> str:
    """The tables as LaTeX table environments (booktabs, graphicx); first line ``heading`` as a comment.

    A table with more columns or blocks of rows than can be read comes in parts, each with a label that begins with
    ``tab:<name>:``.
    """
    out = [f"% {' '.join(heading.split())}", r"% \usepackage{booktabs,graphicx}", ""]
    for table in tables:
        label = f"tab:{_slug(name)}:{_slug(table.title)}"
        parts = [(rows, columns) for rows in _blocks(table) for columns in _columns(table)]
        for number, (rows, columns) in enumerate(parts, 1):
            out += [*_part(table, rows, columns, number, f"{label}:{number}" if len(parts) > 1 else label), ""]
    return "\n".join(out)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _blocks(table: Table) -> list[list[TableRow]]:
    """Rows of each part: all, or of each block where they are many; what stands above the first block goes with it."""
    blocks = [list(rows) for _, rows in groupby(table.rows, key=lambda row: row.block)]
    if len(blocks) < 2 or len(table.rows) <= ROWS:
        return [table.rows]
    if not blocks[0][0].block:
        blocks[:2] = [blocks[0] + blocks[1]]
    return blocks


def _columns(table: Table) -> list[range]:
    """Columns of each part: groups that fit together, a group that is too wide in equal shares."""
    out: list[range] = []
    start = 0
    for _, span in spans([group for group, _ in table.columns]):
        if out and len(out[-1]) + span <= COLUMNS:
            out[-1] = range(out[-1].start, start + span)
        else:
            parts = -(-span // COLUMNS)
            out += [range(start + span * part // parts, start + span * (part + 1) // parts) for part in range(parts)]
        start += span
    return out


def _part(table: Table, rows: Sequence[TableRow], columns: range, number: int, label: str) -> list[str]:
    shown = [table.columns[column] for column in columns]
    groups = spans([group for group, _ in shown])
    said = f"{table.title}. {table.caption}" if number == 1 else f"{table.title}, part {number}."
    out = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}"]
    out += [rf"\caption{{{_tex(said)}}}", rf"\label{{{label}}}"]
    out.append(r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%")
    out += [rf"\begin{{tabular}}{{l{'r' * len(shown)}}}", r"\toprule"]
    if any(group for group, _ in groups):
        heads = [rf"\multicolumn{{{span}}}{{c}}{{{_tex(group)}}}" for group, span in groups]
        out.append(" & ".join(["", *heads]) + r" \\")
    out += [" & ".join(["", *(_head(name) for _, name in shown)]) + r" \\", r"\midrule"]
    block, kind = "", rows[0].kind
    for place, row in enumerate(rows):
        if row.block != block:
            out.append(
                rf"{LINE if place else ''}\multicolumn{{{len(shown) + 1}}}{{l}}{{\emph{{{_tex(row.block)}}}}} \\"
            )
        elif row.kind != kind:
            out.append(r"\addlinespace")
        block, kind = row.block, row.kind
        cells = [_cell(row.cells[column], row.interval(column)) for column in columns]
        out.append(" & ".join([_tex(row.label), *cells]) + r" \\")
    out += [r"\bottomrule", r"\end{tabular}}"]
    if number == 1:
        out += [rf"\par\smallskip {_tex(note)}" for note in table.notes]
    return [*out, r"\end{table}"]


def _head(name: str) -> str:
    """A column's name, a long one on two lines."""
    first, space, rest = name.partition(" without ")
    return (
        rf"\begin{{tabular}}[b]{{@{{}}r@{{}}}}{_tex(first)} \\ without {_tex(rest)}\end{{tabular}}"
        if space
        else _tex(name)
    )


def _cell(text: str, interval: str) -> str:
    """A number with its spread and its interval under it."""
    value, plus, spread = text.partition(" ± ")
    below = [rf" \\ {{\scriptsize {_tex(line)}}}" for line in (f"± {spread}" if plus else "", interval) if line]
    if not below:
        return _tex(text)
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{_tex(value)}{''.join(below)}\end{{tabular}}"
