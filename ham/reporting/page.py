"""report.html: what was run, what came out and how to read it, in one file that needs nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from ham.packaging.manifest import Record
from ham.reporting import embed
from ham.reporting.caveats import list_caveats
from ham.reporting.cells import Table, spans
from ham.reporting.checklist import fill_in, find_places
from ham.reporting.comparison_tables import Beside
from ham.reporting.cuts import read_cuts
from ham.reporting.data_sources import group_sources, read_info
from ham.reporting.differences import read_differences
from ham.reporting.glance import MARKS, glance_table
from ham.reporting.image_counts import images_line
from ham.reporting.limits import list_limits
from ham.reporting.result_tables import build_tables
from ham.reporting.results import (
    SplitResult,
    experiments_of,
    once_a_split,
    prior_note,
    published_of,
    read_results,
    variants_of,
)
from ham.reporting.seen_in_training import seen_of_the_test, undefined_checkpoints
from ham.reporting.settings import ReportingSettings
from ham.reporting.tables import read_table
from ham.runtime.files import write_text
from ham.runtime.progress import duration
from ham.settings import flatten

TEMPLATES = Path(__file__).parent / "templates"
FIGURES = {
    "t-iou": "T(IoU) over the threshold: mean over findings, without {left_out}, and each finding, beside maps that "
    "never look at the image.",
    "t-ior": "T(IoR) over the threshold, arranged like T(IoU).",
    "differences": "Paired differences with 95 % intervals: variants less ham, each less maps that never look at "
    "the image.",
    "subgroups": "Groups of the test images by view, sex and age, beside all images: mean over findings with 95 % "
    "intervals.",
    "roc": "ROC curve of each finding and of abnormality on the test images, with 95 % bands.",
    "precision-recall": "Precision over recall of each finding, with 95 % bands; dotted: the share of positives, which "
    "guessing reaches.",
    "iou": "IoU of every pair by finding, with median and quartiles where there are enough.",
    "area": "IoU of every pair over the share of the image that its boxes cover; green, of each pair: "
    "from the IoU that a map of this shape reaches to the one that none exceeds.",
    "co-occurrence": "Which findings go together, by the labels and by the network: per cent of the images with the "
    "row's finding that have the column's.",
    "calibration": "Share of positives over the probability given, each finding; on the dotted line a probability is "
    "what it says.",
    "leakage": "Per cent of each split's test images that training and validation have seen, themselves or by their "
    "patient.",
    "training": "Loss terms and validation metrics over the epochs, a line a split.",
}
FOLDED = ("t-ior", "precision-recall", "co-occurrence", "leakage", "training")  # shown when asked for
Shown = dict[str, Any]


@dataclass(frozen=True)
class ReportFiles:
    """What a report is made of; what is not given is left out of the page.

    ``splits`` are the result folders of all splits; ``tables`` the tidy csv of each experiment; ``figures``
    <experiment>-<kind>.svg or .png; ``galleries`` <experiment>/<variant>.png; ``leakage`` the audit of
    each experiment, ``differences`` its paired differences, ``cuts`` the same maps cut elsewhere, ``subgroups`` the
    numbers of its subgroups; ``restored`` is restored.json, where the results come from a package.
    """

    splits: Sequence[Path]
    tables: Sequence[Path] = ()
    figures: Sequence[Path] = ()
    galleries: Sequence[Path] = ()
    leakage: Sequence[Path] = ()
    differences: Sequence[Path] = ()
    cuts: Sequence[Path] = ()
    subgroups: Sequence[Path] = ()
    restored: Path | None = None


def write_page(dataset_folder: Path, files: ReportFiles, output: Path, settings: ReportingSettings) -> None:
    """Write the report of a data set's results. DataError where one of the files cannot be read."""
    read_splits = read_results(files.splits)
    tidy = {path.stem: path for path in files.tables if path.suffix == ".csv"}
    drawn = {path.name.removesuffix(".svg").removesuffix(".png"): path for path in files.figures}
    sheets: dict[str, list[Path]] = {}
    for path in files.galleries:
        sheets.setdefault(path.parent.name, []).append(path)
    tables = {name: read_table(path) for name, path in tidy.items()}
    compared = {path.stem: read_differences(path) for path in files.differences}
    cuts = {path.stem: read_cuts(path) for path in files.cuts}
    subgroups = {path.stem: read_table(path) for path in files.subgroups}
    groups = experiments_of(read_splits)
    experiments = [
        _experiment(
            name,
            group,
            _tables(group, tables.get(name), settings, Beside(compared.get(name), cuts.get(name), subgroups.get(name))),
            images_line(tables[name]) if name in tables else "",
            drawn,
            sheets.get(name, []),
            len(files.galleries),
        )
        for name, group in groups.items()
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "capital": _capital}
    info = _dataset(dataset_folder)
    limits = list_limits(groups, tables, files.leakage)
    places = find_places(read_splits, info, experiments, bool(files.leakage), bool(limits))
    page = environment.get_template("report.html.j2").render(
        dataset=info,
        sources=group_sources(info),
        restored=_restored(files.restored) if files.restored else None,
        key=read_splits[0].dataset if read_splits else Path(output).parent.name,
        glance=_shown(glance_table(groups, tables, compared, settings)),
        marks=MARKS,
        limits=limits,
        checklists=fill_in(places),
        resamples=_resamples(read_splits),
        seen=_shown(seen_of_the_test(files.leakage, undefined_checkpoints(read_splits))) if files.leakage else None,
        experiments=experiments,
        without_boxes=sorted({name for result in read_splits for name in result.left_out}),
        trainings=_trainings(read_splits),
        versions=_versions(read_splits),
        published=any(row["kind"] == "published" for shown in experiments for t in shown["all"] for row in t["rows"]),
    )
    write_text(output, page)


def _dataset(folder: Path) -> Shown:
    """dataset.json with what the page says of it; DataError where it is absent."""
    info = read_info(folder)
    counts = info.get("counts", {})
    lists = info.get("lists", {})
    absent = counts.get("present", 0) < counts.get("images", 0)
    return info | {
        "counts": counts,
        "lists": lists,
        "incomplete": absent or any(_lacks(entry) for entry in lists.values()),
    }


def _restored(path: Path) -> Shown:
    """What restored.json says, commits and versions in words."""
    record = Record.read(path)
    made = [
        f"commit {_commit(maker.plain()) or 'unknown'} with "
        + ", ".join(f"{name} {version}" for name, version in maker.versions.items())
        for maker in record.made_by
    ]
    return {"source": record.source, "sha256": record.sha256, "ham": record.ham, "made": made}


def _lacks(entry: Shown) -> bool:
    return int(entry.get("present", 0)) < int(entry.get("listed", 0))


def _tables(
    group: list[SplitResult], table: pd.DataFrame | None, settings: ReportingSettings, beside: Beside
) -> list[Table]:
    return [] if table is None else build_tables(table, settings, prior_note(group), published_of(group), beside)


def _experiment(
    name: str,
    group: list[SplitResult],
    tables: Sequence[Table],
    images: str,
    drawn: dict[str, Path],
    sheets: list[Path],
    galleries: int,
) -> Shown:
    shown = [_shown(table) for table in tables]
    left_out = " or ".join(dict.fromkeys(finding for result in group for finding in result.left_out)) or "one finding"
    return {
        "name": name,
        "facts": _facts(group),
        "again": " ".join(["snakemake", *_targets(name, group, drawn), "--cores all"]),
        "images": images,
        "caveats": list_caveats(group),
        "all": shown,
        "main": [table for table in shown if table["main"]],
        "more": [table for table in shown if not table["main"]],
        "figures": [
            _picture(f"{about.format(left_out=left_out)}", *embed.figure_uri(drawn[f"{name}-{kind}"]))
            for kind, about in FIGURES.items()
            if f"{name}-{kind}" in drawn and kind not in FOLDED
        ],
        "folded": [
            _picture(FIGURES[kind], *embed.figure_uri(drawn[f"{name}-{kind}"]))
            for kind in FOLDED
            if f"{name}-{kind}" in drawn
        ],
        "galleries": [_picture(path.stem, *embed.gallery_uri(path, galleries)) for path in sheets],
        "settings": _settings(group),
    }


def _targets(name: str, group: Sequence[SplitResult], drawn: dict[str, Path]) -> list[str]:
    """What is shown of an experiment, as the workflow calls it."""
    base = f"results/{group[0].dataset}"
    figures = [f"{base}/figures/{name}-{kind}.svg" for kind in FIGURES if f"{name}-{kind}" in drawn]
    return [f"{base}/tables/{name}.csv", *figures]


def _picture(about: str, uri: str, width: int, height: int) -> Shown:
    return {"about": about, "uri": uri, "width": width, "height": height}


def _facts(group: Sequence[SplitResult]) -> list[str]:
    """Sentences: splits, training images, tested pairs."""
    first = once_a_split(group)
    out = [f"{len(first)} splits" if len(first) > 1 else f"one split ({first[0].split})"]
    runs = [result.run for result in once_a_split([result for result in group if "train_images" in result.run])]
    trained = [int(run["train_images"]) for run in runs]
    boxed = [int(run.get("train_boxed_images") or 0) for run in runs]
    if trained:
        boxes = f"{_range(boxed)} of them with boxes" if any(boxed) else "no boxes"
        out.append(f"trained on {_range(trained)} images{' a split' if len(first) > 1 else ''}, {boxes}")
    pairs = sum(int(result.counts.get("pairs") or 0) for result in first)
    out.append(f"localization tested on {pairs:,} pairs of image and finding" if pairs else "no localization tested")
    variants = list(variants_of(group))
    if len(variants) > 1:
        out.append(f"variants {', '.join(variants)}")
    return out


def _range(values: Sequence[int]) -> str:
    return f"{min(values):,}" if min(values) == max(values) else f"{min(values):,} to {max(values):,}"


def _resamples(results: Sequence[SplitResult]) -> str:
    """``1,000 times``, or several numbers."""
    counts = sorted({int(result.metrics["resamples"]["count"]) for result in results if "resamples" in result.metrics})
    return f"{' or '.join(f'{count:,}' for count in counts)} times" if counts else "many times"


def _shown(table: Table) -> Shown:
    """A table as the template wants it, cells marked where the model is not above every floor of its block."""
    floors: dict[tuple[str, int], float] = {}  # the best of each block and column
    for row in table.rows:
        if row.kind == "floor":
            for column, value in enumerate(row.numbers):
                if math.isfinite(value):
                    floors[row.block, column] = max(value, floors.get((row.block, column), -math.inf))
    rows: list[Shown] = []
    for row in table.rows:
        numbers = row.numbers or [math.nan] * len(row.cells)
        below = [
            row.kind == "model" and row.whole and not row.marks and value <= floors.get((row.block, column), -math.inf)
            for column, value in enumerate(numbers)
        ]
        cells = [
            {"text": text, "below": low, "interval": row.interval(place), "mark": row.marks[place] if row.marks else ""}
            for place, (text, low) in enumerate(zip(row.cells, below, strict=True))
        ]
        rows.append({"label": row.label, "kind": row.kind, "block": row.block, "cells": cells})
    groups = spans([group for group, _ in table.columns])
    return {
        "title": table.title,
        "caption": table.caption,
        "notes": table.notes,
        "main": table.main,
        "groups": groups if any(group for group, _ in groups) else [],
        "starts": _starts(groups) if any(group for group, _ in groups) else set(),
        "columns": [name for _, name in table.columns],
        "turned": len(table.columns) > 11 and not any(group for group, _ in groups),
        "rows": rows,
        "marked": any(cell["below"] for row in rows for cell in row["cells"]),
    }


def _starts(groups: Sequence[tuple[str, int]]) -> set[int]:
    """Columns at which a group begins."""
    out: set[int] = set()
    column = 0
    for _, span in groups:
        out.add(column)
        column += span
    return out


def _trainings(results: Sequence[SplitResult]) -> Shown:
    rows = [
        {
            "name": f"{result.experiment} / {result.variant} / {result.split}",
            "epochs": result.run.get("epochs", ""),
            "steps": result.run.get("steps", ""),
            "images": result.run.get("train_images", ""),
            "boxed": result.run.get("train_boxed_images", ""),
            "source": f"store of {result.run['store']} pixels" if result.run.get("store") else "files",
            "speed": result.run.get("images_per_second"),
            "device": result.run.get("device", ""),
            "threads": result.run.get("threads", ""),
            "time": duration(3600 * float(result.run.get("hours") or 0)),
            "commit": _commit(result.run.get("git")),
            "fingerprint": str(result.run.get("fingerprint", ""))[:12],
        }
        for result in results
        if result.run
    ]
    total = sum(float(result.run.get("hours") or 0) for result in results)
    return {"rows": rows, "total": duration(3600 * total), "adopted": _adoptions(results)}


def _adoptions(results: Sequence[SplitResult]) -> list[str]:
    """A sentence for each time that a training of other code or data was taken over."""
    return [
        f"{result.experiment} / {result.variant} / {result.split} was trained by commit "
        f"{_commit(result.run.get('git')) or 'unknown'} and adopted by commit "
        f"{_commit(record.get('git')) or 'unknown'}; "
        f"said not to matter: {', '.join(record.get('differences') or ['nothing'])}."
        for result in results
        for record in result.run.get("adopted") or []
    ]


def _commit(git: Any) -> str:
    """``445f621ec96d``, with a plus where files differed from it; empty outside a repository."""
    known = git if isinstance(git, dict) else {}
    return str(known.get("commit", ""))[:12] + ("+" if known.get("changed") else "")


def _versions(results: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """Name and version, several where the trainings differ; then the state of the source."""
    found: dict[str, dict[str, None]] = {}
    for result in results:
        for name, version in (result.run.get("versions") or {}).items():
            found.setdefault(str(name), {})[str(version)] = None
        for name, value in (result.run.get("git") or {}).items():
            found.setdefault(f"source, {name}", {})[_plain(value)] = None
    return [(name, ", ".join(versions)) for name, versions in found.items()]


def _settings(group: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """Training settings of an experiment as dotted key and value; values that differ among its runs, side by side."""
    found: dict[str, dict[str, None]] = {}
    for result in group:
        for key, value in flatten(result.settings):
            found.setdefault(key, {})[_plain(value)] = None
    return [(key, " | ".join(values)) for key, values in found.items()]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> str:
    """``1,041``; text and blanks as they are."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
