"""The figure of the leakage audit: how many test images of each split, or of their patients, were seen before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ham.reporting import style
from ham.reporting.results import natural
from ham.reporting.seen_in_training import COUNTS, read_audit

MARKERS = {"the image": "D", "the patient": "o"}


def write_leakage(table: Path, output_stem: Path) -> None:
    """Per cent of the test images of each split that training and validation have seen, themselves or by their patient,
    a panel for those with labels and one for those with boxes. ``table`` is the audit of the experiment.

    Writes ``output_stem``.svg and .png. DataError where the table is none.
    """
    audit = read_audit(table)
    audit = audit[audit["images"] == ("present" if (audit["images"] == "present").any() else "listed")]
    kinds = list(dict.fromkeys(audit["kind"]))
    splits = natural(dict.fromkeys(audit["split"]))
    with style.styled():
        made = style.figure(1.1 + 0.2 * len(splits))
        cells = style.grid_of_axes(made, len(kinds), max(len(kinds), 1), sharey=True)
        for cell, kind in zip(cells, kinds, strict=True):
            own = audit[audit["kind"] == kind].drop_duplicates("split").set_index("split")
            for (seen_by, what), column in COUNTS.items():
                values = [_share(own, split, column) for split in splits]
                colour = style.series(0 if seen_by.startswith("training") else 1)[0]
                cell.plot(values, range(len(splits)), MARKERS[what], color=colour, markersize=4.5, alpha=0.85,
                          label=f"{seen_by} {what}")  # fmt: skip
            cell.set(xlim=(-3, 103), ylim=(len(splits) - 0.5, -0.5), xlabel="per cent of the test images")
            cell.set_title(kind)
        cells[0].set_yticks(range(len(splits)), splits)
        style.legend(made, cells[0].get_legend_handles_labels()[0])
        style.title(made, f"What was seen of the test before, {table.stem}", "0 is what a test asks for")
        style.save(made, output_stem)


def _share(own: pd.DataFrame, split: str, column: str) -> float:
    if split not in own.index or not own.loc[split, "test_images"]:
        return float("nan")
    return 100 * float(own.loc[split, column]) / float(own.loc[split, "test_images"])  # type: ignore[arg-type]
