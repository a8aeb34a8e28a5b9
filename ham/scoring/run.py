"""Testing, second half: predictions beside the truth. Seconds, no network, run again for every changed threshold."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.datasets.dataset import Dataset
from ham.datasets.list_counts import ListCounts
from ham.errors import DataError
from ham.model.card import Card
from ham.model.map_file import read_maps
from ham.model.maps import RegionRule
from ham.model.metrics import Overlap
from ham.runtime.files import sha256, write_json, written
from ham.scoring import best_maps, ceilings, classification, cuts, floors, localization, operating_points
from ham.scoring.curves import curves as make_curves
from ham.scoring.decision_names import NO_VALIDATION
from ham.scoring.intervals import Resampling
from ham.scoring.operating_points import OperatingPoints
from ham.scoring.predictions import read_predictions
from ham.scoring.settings import ScoringSettings
from ham.scoring.subgroups import split_groups, subgroup_rows
from ham.scoring.truth import Pair, Truth, masks_of

log = logging.getLogger("ham")
FLOORS = ("location-prior", "random-map", "whole-image")


@dataclass(frozen=True)
class ScoredFiles:
    """What is scored: the weights that predicted, for their card, and what they predicted; ``validation`` of images
    that are not tested, for the choice of thresholds."""

    checkpoint: Path
    predictions: Path
    maps: Path
    validation: Path | None = None


@dataclass(frozen=True)
class ScoredLists:
    """Lists of the data set (``bbox/fold1/test``): tested, whose boxes the training knew, and of images that chose the
    checkpoint; None: no boxes."""

    test: str
    test_boxes: str | None
    train_boxes: str | None
    validation: str | None = None


@dataclass(frozen=True)
class Tables:
    """classification.csv, localization.csv, floors.csv, cuts.csv: a row an image, a pair, a floor and pair, a pair."""

    classification: pd.DataFrame
    localization: pd.DataFrame
    floors: pd.DataFrame
    cuts: pd.DataFrame


def score(
    split: dict[str, str],
    dataset_folder: Path,
    files: ScoredFiles,
    lists: ScoredLists,
    settings: ScoringSettings,
    output: Path,
) -> None:
    """Write classification.csv, localization.csv, floors.csv, cuts.csv, curves.json, resamples.npz and
    metrics.json into ``output``.

    ``split`` names dataset, experiment, variant and split. DataError where predictions, maps or lists lack something.
    """
    dataset = Dataset.open(dataset_folder)
    card = Card.read(files.checkpoint)
    training = card.model
    rule = RegionRule.of(training.image_size, training.loss, settings.certainty)
    if lists.test_boxes and (reason := training.loss.explain_cut(settings.certainty)):
        raise DataError(f"{files.checkpoint}: its maps cannot be cut: {reason}.")
    truth = Truth.of_dataset(dataset, lists.test, lists.test_boxes)
    trained = Truth.of_dataset(dataset, None, lists.train_boxes)
    tables = make_tables(truth, trained.pairs, files, rule)
    resampling = Resampling.of_truth(truth, settings.resamples, settings.seed)
    points = choose_points(dataset, truth, files, lists, settings)
    scores = make_metrics(truth, tables, settings, resampling, points)
    samples = take_samples(scores) | pairs_drawn(tables.localization, truth, resampling)
    metrics = {
        **split,
        "dataset_name": dataset.name,
        "published": dataset.info.get("published") if truth.name == dataset.info["key"] else None,
        "truth": truth.name,
        "digests": _digests(dataset, files),
        "counts": _count(dataset, lists, truth),
        "lists": {"test": lists.test, "test_boxes": lists.test_boxes},
        "certainty": settings.certainty,
        "region": rule._asdict(),
        "fingerprint": card.fingerprint,  # of settings, code and data that the tested weights were trained with
        "store": card.store,  # side in pixels of the image store that was tested on; null: the image files
        "location_prior_from": "training boxes" if trained.pairs else "boxes of other test patients",
        "resamples": {"count": len(resampling), "seed": settings.seed, "drawn_from": resampling.drawn_from},
        **scores,
    }
    for field in fields(tables):
        _write_table(output / f"{field.name}.csv", getattr(tables, field.name))
    write_json(output / "curves.json", make_curves(tables.classification, truth.findings, resampling))
    _write_arrays(output / "resamples.npz", samples)
    write_json(output / "metrics.json", metrics)
    log.info("%d images and %d pairs scored", len(truth.images), len(truth.pairs))
    if empty := localization.describe_empty(tables.localization):
        log.warning(empty)


def make_tables(truth: Truth, trained: Sequence[Pair], files: ScoredFiles, rule: RegionRule) -> Tables:
    """Predictions beside the truth, floors beside both; ``trained`` are the pairs whose boxes the location prior knows.

    DataError where an image or a pair of the truth was not predicted.
    """
    tested = list(dict.fromkeys([*truth.images, *(pair.image for pair in truth.pairs)]))
    predicted = read_predictions(files.predictions, tested, truth.findings)
    masks = masks_of(truth.pairs, rule.size)
    with read_maps(files.maps) as maps:
        maps.require((pair.image, pair.finding) for pair in truth.pairs)
        found = localization.model_overlap(maps, truth.pairs, masks, rule)
        at_cuts = cuts.iou_at_cuts(maps, truth.pairs, masks, rule.size)
        limits = {
            "highest_iou": ceilings.highest_ious(maps, truth.pairs, masks, rule),
            "reached_iou": best_maps.reached_ious(maps, truth.pairs, masks, rule),
        }
    below = (
        floors.location_prior(truth.pairs, trained, rule.size),
        floors.random_map(truth.pairs, masks),
        floors.whole_image(truth.pairs, masks),
    )
    grouped = partial(_with_groups, groups=truth.groups)
    return Tables(
        grouped(classification.join_labels(truth, predicted)),
        grouped(localization.pair_table(truth.pairs, found, predicted).assign(**limits)),
        pd.concat([_floor_table(name, truth.pairs, overlap) for name, overlap in zip(FLOORS, below, strict=True)]),
        pd.concat(
            [_pair_columns(truth.pairs), pd.DataFrame(at_cuts, columns=[f"{cut:g}" for cut in cuts.CUTS])], axis=1
        ),
    )


def make_metrics(
    truth: Truth,
    tables: Tables,
    settings: ScoringSettings,
    resampling: Resampling | None = None,
    points: OperatingPoints | None = None,
) -> dict[str, Any]:
    """classification, operating_points, decisions, localization, floors and subgroups of metrics.json, with intervals
    where there are resamples; where no pair is tested, nothing is localized, where there are no ``points`` nothing
    decided."""

    def localized(table: pd.DataFrame) -> list[dict[str, Any]]:
        if not truth.pairs:
            return []
        return localization.metric_rows(table, truth.findings, truth.boxed_findings, settings, resampling)

    names = tables.floors["floor"]
    return {
        "classification": classification.metric_rows(tables.classification, truth.findings, settings, resampling),
        "operating_points": {"reason": NO_VALIDATION} if points is None else points.described(),
        "decisions": []
        if points is None
        else operating_points.metric_rows(tables.classification, truth.findings, points, resampling),
        "localization": localized(tables.localization),
        "floors": {name: localized(tables.floors[names == name]) for name in FLOORS},
        "subgroups": subgroup_rows(truth, tables.classification, tables.localization, settings, resampling, points),
    }


def choose_points(
    dataset: Dataset, truth: Truth, files: ScoredFiles, lists: ScoredLists, settings: ScoringSettings
) -> OperatingPoints | None:
    """Thresholds of the validation images that are not tested; None where there is no such image."""
    if lists.validation is None or files.validation is None:
        return None
    images = dataset.held_out(lists.validation, [*truth.images, *(pair.image for pair in truth.pairs)])
    if not images:
        return None
    validation = Truth.of_dataset(dataset, lists.validation, None).only(images)
    joined = classification.join_labels(validation, read_predictions(files.validation, images, truth.findings))
    patients = set(validation.patients)
    return OperatingPoints.choose(
        joined,
        truth.findings,
        settings.sensitivity,
        list=lists.validation,
        images=len(images),
        patients=len(patients),
        patients_tested=len(patients & {*truth.patients, *(pair.patient for pair in truth.pairs)}),
    )


def take_samples(scores: dict[str, Any]) -> dict[str, Any]:
    """Take the samples out of the rows of metrics.json: float32 [rows, B], in the order of the rows, by
    ``classification``, ``decisions``, ``localization``, ``subgroups`` and ``floor <name>``."""
    kinds = {name: scores.get(name) or [] for name in ("classification", "decisions", "localization", "subgroups")}
    kinds |= {f"floor {name}": rows for name, rows in scores["floors"].items()}
    return {
        kind: np.array([row.pop("samples") for row in rows], dtype=np.float32) for kind, rows in kinds.items() if rows
    }


def pairs_drawn(pairs: pd.DataFrame, truth: Truth, resampling: Resampling) -> dict[str, Any]:
    """Pairs of each boxed finding in each resample, uint32 [F, B], weights of pooled shares: ``pairs`` of all images,
    ``pairs view=AP`` of a group."""
    if not len(pairs):
        return {}
    out = {}
    for group, inside in {"": pairs, **dict(split_groups(truth, pairs))}.items():
        of = np.column_stack([inside["finding"] == finding for finding in truth.boxed_findings]).astype(float)
        drawn = resampling.sums(resampling.places(inside["patient"].tolist()), of)
        out[f"pairs {group}".rstrip()] = drawn.T.astype(np.uint32)
    return out


def _with_groups(table: pd.DataFrame, groups: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """A column a grouping of images, last."""
    return table.assign(**{name: table["image"].map(values) for name, values in groups.items()})


def _pair_columns(pairs: Sequence[Pair]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": [pair.image for pair in pairs],
            "patient": [pair.patient for pair in pairs],
            "finding": [pair.finding for pair in pairs],
        }
    )


def _floor_table(name: str, pairs: Sequence[Pair], found: Overlap) -> pd.DataFrame:
    table = _pair_columns(pairs).assign(iou=found.iou, ior=found.ior, empty=(found.predicted_area == 0).astype(int))
    table.insert(0, "floor", name)
    return table


def _digests(dataset: Dataset, files: ScoredFiles) -> dict[str, Any]:
    return {
        "predictions": sha256(files.predictions),
        "maps": sha256(files.maps),
        "data": dataset.info["digests"],
    }


def _count(dataset: Dataset, lists: ScoredLists, truth: Truth) -> dict[str, Any]:
    """How much was tested, and how much of what the lists name was there."""
    of_lists, boxed = dataset.info["lists"], lists.test_boxes
    counts = ListCounts(dataset.table, dataset.findings, dataset.boxes, dataset.missing)
    of_test = {row.finding: row for row in counts.rows(lists.test, dataset.listed(lists.test, True))}
    of_boxes = {row.finding: row for row in counts.rows("", dataset.listed(boxed, True) if boxed else [])}
    positives = dict(zip(truth.findings, (truth.labels == 1).sum(axis=0).tolist(), strict=True))
    pairs = Counter(pair.finding for pair in truth.pairs)
    return {
        "listed": of_lists[lists.test]["listed"],
        "present": of_lists[lists.test]["present"],
        "boxes_listed": of_lists[boxed]["listed"] if boxed else 0,
        "boxes_present": of_lists[boxed]["present"] if boxed else 0,
        "images": len(truth.images),
        "patients": len(set(truth.patients)),
        "pairs": len(truth.pairs),
        "findings": {
            finding: {
                "positives": positives[finding],
                "positives_listed": of_test[finding].listed,
                "pairs": pairs[finding],
                "pairs_listed": of_boxes[finding].boxes_listed,
            }
            for finding in truth.findings
        },
    }


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with written(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with written(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
