"""CheXlocalize's form of segmentations and its two measures (Saporta et al., 2022), by its public evaluation script.

The script, ``eval.py`` of github.com/rajpurkarlab/cheXlocalize at 2a79492, reads ``{image: {task: run lengths}}`` of a
truth and of predictions, and asks every image for every one of ten tasks. With ``--if_human_benchmark True`` it reads
``{image: {task: [[x, y], …]}}``, a point in place of a map: here the maximum of the map.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ham.scoring.full_size import FullSizeImage, Rle, contains, count_pixels, encode, iou
from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import MEAN, defined, interval

TASKS = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Airspace Opacity",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Support Devices",
)
OTHER_NAMES = {"Lung Opacity": "Airspace Opacity", "Effusion": "Pleural Effusion"}  # CheXpert's column, NIH's finding
CHEXPERT_IMAGE = re.compile(r"(?:.*/)?(patient[^/]+)/(study[^/]+)/(view[^/]+)\.[^./]+", re.DOTALL)

# What a measure counts, for whoever compares it with another
COUNTED = {
    "miou": "mean IoU at the original size over images with both a drawn and a predicted pixel: CheXlocalize's default",
    "miou_all": "the same over images with either; where one is empty it is 0: CheXlocalize's --true_pos_only False",
    "hit_rate": "share of images with a drawn pixel in which the map's maximum lies, the map resized to the original "
    "size (bilinear, corners not aligned)",
    "mean_iou": "mean of the column iou of localization.csv, at the side of the network's input, over all pairs of "
    "image and finding; an empty region counts 0",
}


def name_tasks(findings: Sequence[str]) -> dict[str, str]:
    """Finding to task, each task once; a finding that is none of them keeps its own name, which the script passes over.

    A finding is a task by its name, by its name with blanks for underscores, or by ``OTHER_NAMES``, in this order.
    """
    names: dict[str, str] = {}
    spellings = [{finding: finding for finding in findings}]
    spellings.append({finding: finding.replace("_", " ") for finding in findings})
    spellings.append({finding: OTHER_NAMES.get(spaced, "") for finding, spaced in spellings[1].items()})
    for spelling in spellings:
        for finding, task in spelling.items():
            if finding not in names and task in TASKS and task not in names.values():
                names[finding] = task
    return {finding: names.get(finding, finding) for finding in findings}


def name_images(images: Sequence[FullSizeImage]) -> list[str]:
    """The key of each image: ``patient64541_study1_view1_frontal`` for CheXpert's paths, else the image's id.

    Where two would have one key both keep their ids; where an image is tested in several splits, all keys begin with
    the split and a slash.
    """
    short = {image.image: CHEXPERT_IMAGE.sub(r"\1_\2_\3", image.image) for image in images}
    owners = Counter(short.values())
    keys = {name: key if owners[key] == 1 else name for name, key in short.items()}
    several = len(short) < len(images)
    return [f"{image.split}/{keys[image.image]}" if several else keys[image.image] for image in images]


def segmentations(
    images: Sequence[FullSizeImage], findings: Sequence[str], masks: Sequence[Mapping[str, Rle]]
) -> dict[str, dict[str, Rle]]:
    """``{image: {task: run lengths}}`` of what each image has in ``masks``, by finding: drawn or predicted.

    Every image has every task and every finding, with empty run lengths where there is nothing.
    """
    tasks = name_tasks(findings)
    empty: dict[tuple[int, int], Rle] = {}
    out = {}
    for key, image, found in zip(name_images(images), images, masks, strict=True):
        size = (image.height, image.width)
        if size not in empty:
            empty[size] = encode(np.zeros(size, dtype=bool))
        out[key] = dict.fromkeys([*TASKS, *tasks.values()], empty[size])
        out[key] |= {tasks[finding]: mask for finding, mask in found.items()}
    return out


def points(images: Sequence[FullSizeImage], findings: Sequence[str]) -> dict[str, dict[str, list[list[int]]]]:
    """Where each map is highest, as ``{image: {task: [[x, y]]}}``."""
    tasks = name_tasks(findings)
    return {
        key: {tasks[finding]: [list(point)] for finding, point in image.points.items()}
        for key, image in zip(name_images(images), images, strict=True)
    }


def measure(images: Sequence[FullSizeImage], findings: Sequence[str]) -> pd.DataFrame:
    """A row an image and finding: split, patient, finding, miou, miou_all, hit_rate; nan where it does not count."""
    rows: list[dict[str, Any]] = []
    for image in images:
        for finding in findings:
            drawn, region = image.drawn.get(finding), image.regions[finding]
            has_region = count_pixels(region) > 0
            drawn = drawn if drawn and count_pixels(drawn) else None  # a sliver of a box covers no pixel
            overlap = iou(region, drawn) if drawn and has_region else 0.0
            rows.append(
                {
                    "split": image.split,
                    "patient": image.patient,
                    "finding": finding,
                    "miou": overlap if drawn and has_region else math.nan,
                    "miou_all": overlap if drawn or has_region else math.nan,
                    "hit_rate": float(contains(drawn, image.points[finding])) if drawn else math.nan,
                }
            )
    return pd.DataFrame(rows, columns=["split", "patient", "finding", "miou", "miou_all", "hit_rate"])


def summarize(
    measured: pd.DataFrame, scored: pd.DataFrame, findings: Sequence[str], resampling: Resampling
) -> pd.DataFrame:
    """The rows of chexlocalize.csv: each measure of every finding and its mean over those that have a value.

    ``measured`` as of :func:`measure`; ``scored`` has split, patient, finding and the IoU of localization.csv as
    ``mean_iou``. ``resampling`` is of ``<split>/<patient>``.
    """
    tasks = {finding: task if task in TASKS else "" for finding, task in name_tasks(findings).items()}
    rows: list[dict[str, Any]] = []
    for metric, counted in COUNTED.items():
        table = scored if metric == "mean_iou" else measured
        values, samples = {}, {}
        for finding in findings:
            of_finding = table[(table["finding"] == finding) & table[metric].notna()]
            found = of_finding[metric].to_numpy(float)
            places = resampling.places(name_patients(of_finding))
            values[finding] = float(found.mean()) if len(found) else math.nan
            samples[finding] = resampling.shares(places, found[:, None])[:, 0]
            low, high = interval(samples[finding])
            rows.append(
                {"scope": "finding", "finding": finding, "task": tasks[finding], "metric": metric}
                | {"value": values[finding], "low": low, "high": high, "n": len(found), "counted": counted}
            )
        members = defined(values)
        mean = float(np.mean([values[name] for name in members])) if members else math.nan
        low, high = interval(np.mean([samples[name] for name in members], axis=0)) if members else (mean, mean)
        count = sum(row["n"] for row in rows if row["metric"] == metric)
        rows.append(
            {"scope": MEAN.scope, "finding": MEAN.finding, "task": "", "metric": metric}
            | {"value": mean, "low": low, "high": high, "n": count, "counted": counted}
        )
    return pd.DataFrame(rows)


def name_patients(table: pd.DataFrame) -> list[str]:
    """``<split>/<patient>`` of each row: the same patient is another one in another split, as its model is."""
    return (table["split"] + "/" + table["patient"]).tolist()
