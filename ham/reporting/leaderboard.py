"""leaderboard.html: methods by truths, in one file that needs nothing else; sortable where a script may run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from ham.errors import DataError
from ham.reporting.page import TEMPLATES
from ham.runtime.files import write_text
from ham.scoring.benchmark.run import Request, evaluate
from ham.scoring.metric_rows import WITHOUT

LEVELS = (0.1, 0.3, 0.5)
WITHOUT_LEVEL = {"pointing game": "pointing", "PxAP": "pxap", "AUC": "auc"}
DASH = "–"
Column = tuple[str, str, float | None, str]  # head, metric, threshold, finding


@dataclass(frozen=True)
class Cell:
    """A number with its interval as text; ``sort`` is what its column is sorted by, blank where there is no number."""

    text: str
    interval: str = ""
    sort: str = ""


def evaluate_and_show(request: Request, output: Path) -> None:
    """Write the tables of :func:`ham.scoring.benchmark.run.evaluate` and leaderboard.html into ``output``."""
    evaluate(request, output)
    write_leaderboard(output)


def write_leaderboard(folder: Path) -> None:
    """Write leaderboard.html from benchmark.csv and benchmark.json in ``folder``; DataError where they are not."""
    try:
        table = pd.read_csv(folder / "benchmark.csv", dtype={"method": str, "truth": str}, keep_default_na=False)
        about = json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))
        text = render(table, about)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder} has no benchmark that can be read ({error}): run ham evaluate again.") from None
    write_text(folder / "leaderboard.html", text)


def render(table: pd.DataFrame, about: dict[str, Any]) -> str:
    """The page of the rows of benchmark.csv and of benchmark.json."""
    left_out = about["protocol"]["leave_out"]
    columns: list[Column] = [(f"T(IoU) {level:g}", "t_iou", level, "mean") for level in LEVELS]
    if left_out and (table["finding"] == f"{WITHOUT}{left_out}").any():
        columns.append((f"T(IoU) 0.3 without {left_out}", "t_iou", 0.3, f"{WITHOUT}{left_out}"))
    columns.append(("above location prior, T(IoU) 0.3", "t_iou_above_prior", 0.3, "mean"))
    columns.append(("COCO AP 0.5", "coco_ap", 0.5, "mean"))
    columns += [(head, metric, None, "mean") for head, metric in WITHOUT_LEVEL.items()]
    truths = []
    for name in dict.fromkeys(entry["truth"] for entry in about["scored"]):
        own = table[table["truth"] == name]
        kept = [column for column in columns if (own["metric"] == column[1]).any()]
        rows = [
            {"about": entry, "cells": [_cell(own, entry["method"], column) for column in kept]}
            for entry in about["scored"]
            if entry["truth"] == name
        ]
        truths.append({"name": name, "heads": [column[0] for column in kept], "rows": rows})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    cuts = sorted({cut for metric, cut in zip(table["metric"], table["cut"], strict=True) if metric == "t_iou"})
    page = environment.get_template("leaderboard.html.j2")
    return page.render(about=about, truths=truths, cuts=cuts, oracle=about["protocol"]["cut"] == "oracle")


def _cell(table: pd.DataFrame, method: str, column: Column) -> Cell:
    _, metric, level, finding = column
    rows = table[(table["method"] == method) & (table["metric"] == metric) & (table["finding"] == finding)]
    if level is not None:
        rows = rows[pd.to_numeric(rows["threshold"]) == level]
    if rows.empty:
        return Cell(DASH)
    value, low, high = (pd.to_numeric(rows[name]).iloc[0] for name in ("value", "low", "high"))
    interval = "" if pd.isna(low) else f"{low:.3f} to {high:.3f}"
    return Cell(f"{value:.3f}", interval, f"{value:.6f}")
