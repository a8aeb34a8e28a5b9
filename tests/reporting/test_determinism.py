"""Tables and figures do not depend on the process that makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Make = Callable[..., Path]
MAKE_EVERYTHING = """
import sys
from pathlib import Path

from ham.reporting.differences import differences_beside
from ham.reporting.experiment_figures import write_figures
from ham.reporting.forest import write_forest
from ham.reporting.settings import ReportingSettings
from ham.reporting.subgroups_figure import write_subgroups
from ham.reporting.tables import subgroups_beside, write_tables

output, *splits = map(Path, sys.argv[1:])
settings, table = ReportingSettings(), output / "tables" / "x.csv"
write_tables(splits, table, settings)
write_figures(splits, output / "figures" / "x", settings)
write_forest(differences_beside(table), output / "figures" / "x-differences", settings)
write_subgroups(table, subgroups_beside(table), output / "figures" / "x-subgroups", settings)
"""


def test_every_table_and_figure_is_the_same_whatever_the_order_of_sets(make_split: Make, tmp_path: Path) -> None:
    splits = [
        make_split(f"fold{i}", variant, seed=i + 7 * (variant != "ham")) for variant in ("ham", "b") for i in (1, 2)
    ]
    made = []
    for seed in ("1", "2"):
        output = tmp_path / f"seed{seed}"
        command = [sys.executable, "-c", MAKE_EVERYTHING, str(output), *map(str, splits)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        made.append({str(p.relative_to(output)): p.read_bytes() for p in sorted(output.rglob("*")) if p.is_file()})
    first, second = made
    assert first.keys() == second.keys()
    assert len(first) == 7 + 2 * 11  # tables and their views; figures as svg and png
    assert [name for name in first if first[name] != second[name]] == []
