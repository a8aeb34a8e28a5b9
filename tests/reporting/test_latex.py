"""LaTeX: parts that can be read, labels that can be referred to, names as they are, and it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ham.reporting import tables
from ham.reporting.cells import Table, TableRow
from ham.reporting.latex import COLUMNS, latex
from ham.reporting.settings import ReportingSettings

Make = Callable[..., Path]


def test_a_wide_table_comes_in_parts_at_its_groups_each_with_a_label() -> None:
    columns = [("AUC", "mean"), *(("all", f"{level}") for level in range(4)), *(("rest", f"{n}") for n in range(7))]
    cells = [f"0.{200 + place} ± 0.010" for place in range(len(columns))]
    table = Table("T(IoU) & all", "What it is.", columns, [TableRow("ham", cells, intervals=["[0.10, 0.20]"] * 12)])
    text = latex([table], "heading", "a_b-5fold")
    assert re.findall(r"\\label\{(.*)\}", text) == [f"tab:a-b-5fold:t-iou-all:{part}" for part in (1, 2, 3)]
    assert re.findall(r"\\begin\{tabular\}\{l(r+)\}", text) == ["rrrrr", "rrr", "rrrr"]
    assert [text.count(f"0.{200 + place}") for place in range(12)] == [1] * 12
    cell = r"\begin{tabular}[t]{@{}r@{}}0.200 \\ {\scriptsize $\pm$ 0.010} \\ {\scriptsize {}[0.10, 0.20]}\end{tabular}"
    assert cell in text
    assert "rotatebox" not in text


def test_many_blocks_are_a_part_each_and_what_stands_above_them_goes_with_the_first() -> None:
    rows = [TableRow("pairs", ["9"], "count")]
    rows += [TableRow(name, ["0.1"], block=f"block {number}") for number in range(4) for name in "abcd"]
    text = latex([Table("x", "y", [("", "mean")], rows, ["a note"])], "heading", "e")
    parts = text.split(r"\begin{table}")[1:]
    assert [part.count(" & 0.1") for part in parts] == [4, 4, 4, 4]
    assert ["pairs & 9" in part for part in parts] == [True, False, False, False]
    assert text.count("a note") == 1
    assert all(f"block {number}" in part for number, part in enumerate(parts))


def test_the_tables_of_an_experiment_compile_with_any_name(make_split: Make, tmp_path: Path) -> None:
    compiler = shutil.which("pdflatex")
    names = ("Épanchement & 50 %", "a_b #1 $x$", "{~^\\}", "[x]", "Müller*")
    folders = [make_split("fold1", variant=variant, findings=names, boxed=names) for variant in ("ham", "x_y")]
    tables.write_tables(folders, tmp_path / "x.csv", ReportingSettings())
    text = (tmp_path / "x.tex").read_text()
    assert r"Épanchement \& 50 \%" in text
    assert len(set(re.findall(r"\\label\{(.*)\}", text))) == text.count(r"\label{") > 5
    assert max(map(len, re.findall(r"\{l(r+)\}", text))) <= COLUMNS
    if compiler is None:
        pytest.skip("no pdflatex here: the tables were not compiled")
    preamble = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "all.tex").write_text(f"{preamble}\n\\extrafloats{{200}}\n{text}\n\\end{{document}}\n")
    command = [compiler, "-halt-on-error", "-interaction=nonstopmode", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 20_000
