"""A model card: what one trained network is, what it was tested on, what came out, and what it is not for.

Markdown with a YAML front matter, the form that model hubs read; every number is one of metrics.json.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ham.model.card import LICENCE_NOTE, Card
from ham.reporting.card_limits import list_card_limits
from ham.reporting.cells import NOTHING, Table, TableRow, number_text
from ham.reporting.data_sources import read_info
from ham.reporting.markdown import escape, table_lines
from ham.reporting.model_index import SHOWN_AS, front_matter, subject_name, told
from ham.reporting.numbers import EMPTY
from ham.reporting.results import SplitResult, subject_of
from ham.reporting.settings import ReportingSettings
from ham.runtime.files import sha256, write_text
from ham.scoring.decision_names import MEASURES, POINTS, YOUDEN
from ham.scoring.metric_rows import MEAN, Subject

DRAWN = (
    "> **Drawn images.** The data set is a phantom: its radiographs, findings and boxes are drawn by a program. The "
    "numbers show that the pipeline works, and say nothing about patients."
)
INTERVALS = "In brackets: 95 % interval, from resampled patients."
POINT_NAMES = {YOUDEN: "sensitivity + specificity largest in validation"}
USE = """\
```python
from pathlib import Path

import numpy as np
import torch
from ham.images import network_input, read_grey, resized
from ham.model.maps import predicted_regions
from ham.model.weights import open_network

network, card = open_network("model.safetensors")  # in evaluation mode; settings and findings are in the file
side, loss = card.model.image_size, card.model.loss
grey = np.array(resized(read_grey(Path("radiograph.png")), side))
with torch.inference_mode():
    output = network(network_input(torch.from_numpy(grey)[None], card.model.normalisation))
probabilities = dict(zip(card.findings, output.logit_class[0].sigmoid().tolist()))
regions = predicted_regions(output.cam_class[0], side, loss.refined_threshold, loss.refined_slope)
```"""
Row = Mapping[str, Any]


def write_model_card(
    dataset_folder: Path, split: Path, leakage: Path, output: Path, settings: ReportingSettings
) -> None:
    """Write the card of the network in the result folder ``split``; of weights trained elsewhere what is known of them.

    ``leakage`` is the audit of the experiment. DataError or WeightsError where a file cannot be read.
    """
    result = SplitResult(split)
    info = read_info(dataset_folder)
    card = Card.read(split / "model.safetensors")
    levels = {"t_iou": settings.t_iou_thresholds, "t_ior": settings.t_ior_thresholds}
    limits = list_card_limits(result, info, leakage)
    parts = [
        front_matter(result, info, levels),
        *([DRAWN, ""] if info.get("drawn") else []),
        f"# {escape(f'{result.experiment}, {result.variant}, {result.split}')}",
        "",
        f"**{LICENCE_NOTE}**",
        "",
        *_section("What it is", _what_it_is(result, card)),
        *_section("How to load it", ["With ham installed:", "", USE, ""]),
        *_section("Data", _data(info, card)),
        *_section("Protocol", _pairs(_protocol(result, card))),
        *_section("Metrics", _metrics(result, levels)),
        *_section("Operating points", _operating_points(result)),
        *_section("Subgroups", _subgroups(result, settings)),
        *_section("Limits", [*(f"- {escape(sentence)}" for sentence in limits), ""]),
        *_section("Licence", _licence(card)),
        *_section("Made by", _pairs(_made_by(result, card, split))),
    ]
    write_text(output, "\n".join(parts).rstrip() + "\n")


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines] if lines else []


def _pairs(rows: Mapping[str, str]) -> list[str]:
    lines = [f"| {escape(name)} | {escape(text)} |" for name, text in rows.items() if text]
    return ["| | |", "|---|---|", *lines, ""]


def _what_it_is(result: SplitResult, card: Card) -> list[str]:
    network, side = card.model.network, card.model.image_size
    attention = "with" if network.foreground_attention else "without"
    parameters = result.run.get("parameters")
    size = f", {parameters:,} parameters" if isinstance(parameters, int) else ""
    return [
        f"A {escape(network.architecture)} {attention} foreground attention{size}, that takes a chest radiograph of "
        f"{side} x {side} pixels and gives, for each of {len(card.findings)} findings, a probability and an attention "
        f"map of {side // network.downsampling} x {side // network.downsampling} cells, and the same for abnormality "
        "(any finding).",
        "",
        f"Findings, in the order of the outputs: {escape(', '.join(card.findings))}.",
        "",
    ]


def _data(info: Row, card: Card) -> list[str]:
    counts = info.get("counts", {})
    trained = card.dataset or "not recorded (weights trained elsewhere)"
    return _pairs(
        {
            "tested on": str(info["name"]),
            "trained on": trained,
            "attribution": str(info.get("attribution", "")),
            "licence of the images": str(info.get("licence", "")),
            "images present, of those in the tables": _of(counts, "present", "images"),
            "patients": _of(counts, "present_patients", "patients"),
            "images with boxes": _of(counts, "present_boxed_images", "boxed_images"),
            "findings with boxes": ", ".join(info.get("boxed_findings", [])),
        }
    )


def _of(counts: Row, present: str, total: str) -> str:
    return f"{counts[present]:,} of {counts[total]:,}" if present in counts and total in counts else ""


def _protocol(result: SplitResult, card: Card) -> dict[str, str]:
    lists, run = result.metrics.get("lists") or {}, result.run
    trained = run.get("lists") or {}
    region, resamples = result.metrics["region"], result.metrics.get("resamples")
    present, listed = result.images()
    counts = result.counts
    return {
        "tested weights": _weights(result, card),
        "trained on": _listed(trained, "train", run.get("train_images")),
        "its boxes": _listed(trained, "train_boxes", run.get("train_boxed_images")),
        "validated on": _listed(trained, "validation", run.get("validation_images")),
        "tested on": f"{lists.get('test', '')}: {present:,} of {listed:,} images, {counts['patients']:,} patients",
        "boxes tested on": f"{lists['test_boxes']}: {counts['pairs']:,} pairs of image and finding"
        if lists.get("test_boxes")
        else "none",
        "images from": f"a store of {card.store} pixels" if card.store else "the image files",
        "cut of the map": f"fixed at {result.fixed_cut:.3g} of the map stretched to the range 0 to 1",
        "frame": f"image, boxes and maps as squares of {region['size']} x {region['size']} pixels",
        "box rule": "a pair is an image and a finding; its truth is the union of the finding's boxes in the image",
        "location prior": f"made from {result.prior_from}" if result.prior_from else "",
        "intervals": f"95 %, {resamples['count']:,} resamples of the tested patients, seed {resamples['seed']}"
        if resamples
        else "none",
    }


def _weights(result: SplitResult, card: Card) -> str:
    if card.imported is not None:
        return f"trained elsewhere: {card.imported.get('file', '')}, sha256 {card.imported.get('sha256', '')}"
    epochs = result.run.get("epochs")
    epoch = f"epoch {card.epoch}" + (f" of {epochs}" if epochs else "") if card.epoch is not None else ""
    return ", ".join(part for part in (result.checkpoint, epoch) if part) or "not recorded"


def _listed(lists: Row, role: str, images: int | None) -> str:
    if not lists.get(role):
        return ""
    return f"{lists[role]}" + (f": {images:,} images" if images is not None else "")


def _metrics(result: SplitResult, levels: Mapping[str, Sequence[float]]) -> list[str]:
    metrics = result.metrics
    tables = [_classification(metrics["classification"])]
    for metric in SHOWN_AS if metrics["localization"] else ():
        if metric in levels:
            tables.append(_localization(metrics, metric, levels))
    return [line for table in tables for line in (f"### {escape(table.title)}", "", *table_lines(table))]


def _classification(rows: Sequence[Row]) -> Table:
    of_auc = [row for row in rows if row["metric"] == "auc"]
    shown = [
        TableRow(
            subject_name(subject_of(row)),
            [number_text(_value(row)), _count(row, "n_images"), _count(row, "n_positive")],
            intervals=[_interval(row), "", ""],
        )
        for row in of_auc
    ]
    caption = f"Area under the ROC curve on the test images. {INTERVALS}"
    return Table("AUC", caption, [("", "AUC"), ("", "images"), ("", "with it")], shown, _reasons(of_auc))


def _localization(metrics: Row, metric: str, levels: Mapping[str, Sequence[float]]) -> Table:
    prior = told((metrics.get("floors") or {}).get("location-prior") or [], levels)
    rows = told(metrics["localization"], levels)
    chosen = [row for row in rows if row["metric"] in (metric, EMPTY)]
    columns = list(dict.fromkeys((row["metric"], row["threshold"]) for row in chosen))
    shown = _by_subject(chosen, columns, subject_name)
    shown += _by_subject(
        [row for row in prior if subject_of(row).is_mean],
        columns,
        lambda subject: f"location prior, {subject_name(subject)}",
    )
    caption = (
        f"Share of pairs of image and finding whose {SHOWN_AS[metric][2:-1]} of predicted region and boxes is at least "
        "the threshold; empty maps: share of pairs whose region has no pixel. The location prior is a map that never "
        f"looks at the image. {INTERVALS}"
    )
    heads = [("", f"{level:g}" if name == metric else "empty maps") for name, level in columns]
    return Table(SHOWN_AS[metric], caption, [("", "pairs"), *heads], shown, _reasons(chosen))


def _by_subject(
    rows: Sequence[Row], columns: Sequence[tuple[str, float | None]], name: Callable[[Subject], str]
) -> list[TableRow]:
    """A line a subject: its pairs, then the columns."""
    out = []
    for subject in dict.fromkeys(map(subject_of, rows)):
        own = {(row["metric"], row["threshold"]): row for row in rows if subject_of(row) == subject}
        found = [own.get(column, {}) for column in columns]
        pairs = next((_count(row, "n_pairs") for row in found if row.get("n_pairs") is not None), NOTHING)
        cells = [pairs, *(number_text(_value(row)) for row in found)]
        out.append(TableRow(name(subject), cells, intervals=["", *map(_interval, found)]))
    return out


def _operating_points(result: SplitResult) -> list[str]:
    chosen = result.metrics.get("operating_points") or {}
    if "thresholds" not in chosen:
        return [f"None: {escape(str(chosen.get('reason', 'not scored')))}.", ""]
    rows, own = [], result.metrics.get("decisions") or []
    for point in POINTS:
        block = POINT_NAMES.get(point, f"sensitivity {chosen['sensitivity']:g} in validation")
        names = [f"{measure}_at_{point}" for measure in MEASURES]
        for subject in dict.fromkeys(subject_of(row) for row in own if row["metric"] in names):
            found = {row["metric"]: row for row in own if subject_of(row) == subject}
            level = chosen["thresholds"][point].get(subject.finding)
            at = "" if subject.is_mean else number_text(math.nan if level is None else level)
            cells = [at, *(number_text(_value(found.get(name, {}))) for name in names)]
            first = found.get(names[0], {})
            counts = [_count(first, "n_images"), _count(first, "n_positive")]
            intervals = ["", *(_interval(found.get(name, {})) for name in names), "", ""]
            rows.append(TableRow(subject_name(subject), [*cells, *counts], block=block, intervals=intervals))
    caption = (
        f"Thresholds were chosen on {chosen['images']:,} validation images ({chosen['list']}), none of them tested; "
        f"{chosen['patients_tested']:,} of their {chosen['patients']:,} patients have other images in the test. "
        f"Numbers are of the test images. {INTERVALS}"
    )
    heads = ("threshold", "sensitivity", "specificity", "PPV", "NPV", "images", "with it")
    return table_lines(Table("", caption, [("", head) for head in heads], rows, _reasons(own)))


def _subgroups(result: SplitResult, settings: ReportingSettings) -> list[str]:
    levels = {"t_iou": settings.t_iou_thresholds}
    means = [row for row in told(result.metrics.get("subgroups") or [], levels) if subject_of(row) == MEAN]
    wanted = dict.fromkeys((row["metric"], row["threshold"]) for row in means if not row["metric"].endswith("target"))
    if not means:
        return ["None: images.csv says nothing by which the test images differ.", ""]
    rows = []
    for group in dict.fromkeys(row["group"] for row in means):
        own = {(row["metric"], row["threshold"]): row for row in means if row["group"] == group}
        images, pairs = (max((row.get(n) or 0 for row in own.values()), default=0) for n in ("n_images", "n_pairs"))
        few = {metric: (pairs if metric == "t_iou" else images) < settings.subgroup_minimum for metric, _ in wanted}
        found = [own.get(column, {}) for column in wanted]
        cells = [
            f"n < {settings.subgroup_minimum}" if few[metric] else number_text(_value(row))
            for (metric, _), row in zip(wanted, found, strict=True)
        ]
        spans = ["" if few[metric] else _interval(row) for (metric, _), row in zip(wanted, found, strict=True)]
        grouping, value = group.split("=", 1)
        rows.append(TableRow(value, [f"{images:,}", f"{pairs:,}", *cells], block=grouping, intervals=["", "", *spans]))
    heads = [
        f"T(IoU) at {level:g}" if metric == "t_iou" else "AUC" if metric == "auc" else metric.split("_")[0]
        for metric, level in wanted
    ]
    caption = (
        "The same weights, thresholds and maps on groups of the test images: mean over the findings that a group has; "
        f"sensitivity and specificity where their sum is largest on validation images. {INTERVALS}"
    )
    return table_lines(Table("", caption, [("", head) for head in ("images", "pairs", *heads)], rows))


def _licence(card: Card) -> list[str]:
    if card.data_licence:
        terms = f"The weights were trained on images under these terms: {escape(card.data_licence)}"
    else:
        terms = "Under which terms these weights may be used is not recorded; whoever made them says."
    return [terms, "", f"ham, which made this file, is under the MIT licence. {LICENCE_NOTE}", ""]


def _made_by(result: SplitResult, card: Card, split: Path) -> dict[str, str]:
    run = result.run
    git = run.get("git") or {}
    commit = str(git.get("commit", "")) + (", with changed files" if git.get("changed") else "")
    versions = run.get("versions") or card.versions
    folder = f"results/{result.dataset}/{result.experiment}/{result.variant}/{result.split}"
    return {
        "command": f"snakemake {folder}/metrics.json --cores all",
        "weights": f"{folder}/model.safetensors, sha256 {sha256(split / 'model.safetensors')}",
        "training": f"{run['hours']:.2f} hours on {run.get('device', 'a device')}" if run.get("hours") else "",
        "commit": commit,
        "made from": card.fingerprint or "",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _value(row: Row) -> float:
    return math.nan if row.get("value") is None else float(row["value"])


def _count(row: Row, name: str) -> str:
    return NOTHING if row.get(name) is None else f"{row[name]:,}"


def _interval(row: Row) -> str:
    low, high = row.get("low"), row.get("high")
    return "" if low is None or high is None or row.get("value") is None else f"[{low:.3f}, {high:.3f}]"


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why numbers are blank, each reason once with what it is of."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get("reason"):
            found.setdefault(str(row["reason"]), []).append(subject_name(subject_of(row)))
    return [f"Blank for {', '.join(dict.fromkeys(names))}: {reason}." for reason, names in found.items()]
