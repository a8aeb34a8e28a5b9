"""Tables as Markdown and as LaTeX."""

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


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "–": "--", "…": r"\dots{}", "≥": r"$\geq$",
}  # fmt: skip


def _tex(text: str) -> str:
    text = "".join(LATEX.get(character, character) for character in " ".join(text.split()))
    return "{}" + text if text.startswith(("[", "*")) else text  # behind a line's end, LaTeX takes them as its own


def _tex_cell(text: str, interval: str) -> str:
    """A cell, its interval on a second line."""
    if not interval:
        return _tex(text)
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{_tex(text)} \\[-0.4ex] {{\scriptsize {interval}}}\end{{tabular}}"


def latex(tables: Sequence[Table], heading: str) -> str:
    """The tables as LaTeX table environments (booktabs, graphicx); first line ``heading`` as a comment."""
    out = [f"% {' '.join(heading.split())}", r"% \usepackage{booktabs,graphicx}", ""]
    for table in tables:
        out += [*_latex_table(table), ""]
    return "\n".join(out)


def _latex_table(table: Table) -> list[str]:
    upright = len(table.columns) > 8
    groups = spans([group for group, _ in table.columns])
    out = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}"]
    out.append(rf"\caption{{{_tex(table.title)}. {_tex(table.caption)}}}")
    out.append(r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%")
    out += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    if any(group for group, _ in groups):
        out.append(
            " & ".join(["", *(rf"\multicolumn{{{span}}}{{c}}{{{_tex(group)}}}" for group, span in groups)]) + r" \\"
        )
        upright = False
    names = [rf"\rotatebox{{90}}{{{_tex(name)}}}" if upright else _tex(name) for _, name in table.columns]
    out += [" & ".join(["", *names]) + r" \\", r"\midrule"]
    block, kind = "", table.rows[0].kind
    for row in table.rows:
        if row.block != block:
            out.append(rf"\midrule \multicolumn{{{len(table.columns) + 1}}}{{l}}{{\emph{{{_tex(row.block)}}}}} \\")
        elif row.kind != kind:
            out.append(r"\addlinespace")
        block, kind = row.block, row.kind
        cells = [_tex_cell(cell, row.interval(column)) for column, cell in enumerate(row.cells)]
        out.append(" & ".join([_tex(row.label), *cells]) + r" \\")
    out += [r"\bottomrule", r"\end{tabular}}"]
    out += [rf"\par\smallskip {_tex(note)}" for note in table.notes]
    return [*out, r"\end{table}"]


def spans(groups: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbouring equal groups of columns as (group, number of columns)."""
    out: list[tuple[str, int]] = []
    for group in groups:
        if out and out[-1][0] == group:
            out[-1] = group, out[-1][1] + 1
        else:
            out.append((group, 1))
    return out
