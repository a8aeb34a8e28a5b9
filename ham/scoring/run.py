"""Testing, second half: predictions beside the truth. Seconds, no network, run again for every changed threshold."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.datasets.dataset import Dataset
from ham.datasets.list_counts import ListCounts
from ham.errors import DataError
from ham.model.card import Card
from ham.model.metrics import Overlap
from ham.runtime.files import sha256, write_json, written
from ham.scoring import classification, floors, localization
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair, masks, pairs

log = logging.getLogger("ham")


def score(
    split: dict[str, str],
    dataset_folder: Path,
    checkpoint: Path,
    predictions: Path,
    maps: Path,
    test: str,
    test_boxes: str | None,
    train_boxes: str | None,
    settings: ScoringSettings,
    output: Path,
) -> None:
    """Write classification.csv, localization.csv, floors.csv, curves.json and metrics.json into ``output``.

    ``split`` names dataset, experiment, variant and split; ``test``, ``test_boxes`` and ``train_boxes`` name lists.
    """
    dataset = Dataset.open(dataset_folder)
    card = Card.read(checkpoint)
    training = card.model
    predicted = _predictions(predictions)
    boxed_images = dataset.listed(test_boxes) if test_boxes else []
    absent = [image for image in (*dataset.listed(test), *boxed_images) if image not in predicted.index]
    if absent:
        raise DataError(f"{predictions}: {len(absent)} test images are not in it, {absent[0]} for one; predict again.")
    probabilities = classification.beside_labels(dataset, predicted.loc[dataset.listed(test)])

    tested = pairs(dataset, boxed_images)
    truth = masks(dataset, tested, training.image_size)
    with np.load(maps) as raw:
        found = localization.model_overlap(raw, tested, truth, training.loss, settings.certainty)
    pair_table = localization.pair_table(dataset, tested, found, predicted)
    known = dataset.listed(train_boxes) if train_boxes else []
    below = {
        "location-prior": floors.location_prior(dataset, tested, known, training.image_size),
        "random-map": floors.random_map(tested, truth),
        "whole-image": floors.whole_image(tested, truth),
    }
    floor_table = pd.concat([_floor(dataset, name, tested, overlap) for name, overlap in below.items()])

    boxed = dataset.boxed_findings if tested else ()
    metrics: dict[str, Any] = {
        **split,
        "digests": {"predictions": sha256(predictions), "maps": sha256(maps), "data": dataset.info["digests"]},
        "counts": _counts(dataset, test, test_boxes, probabilities, pair_table),
        "lists": {"test": test, "test_boxes": test_boxes},
        "certainty": settings.certainty,
        "store": card.store,  # side in pixels of the image store that was tested on; null: the image files
        "location_prior_from": "training boxes" if known else "boxes of other test patients",
        "classification": classification.rows(probabilities, dataset.findings, settings),
        "localization": localization.rows(pair_table, dataset.findings, boxed, settings) if tested else [],
        "floors": {
            name: localization.rows(floor_table[floor_table["floor"] == name], dataset.findings, boxed, settings)
            if tested
            else []
            for name in below
        },
    }
    _write_table(output / "classification.csv", probabilities)
    _write_table(output / "localization.csv", pair_table)
    _write_table(output / "floors.csv", floor_table)
    write_json(output / "curves.json", {"roc": classification.curves(probabilities, dataset.findings)})
    write_json(output / "metrics.json", metrics)
    log.info("%d images and %d pairs scored", len(probabilities), len(pair_table))


def _predictions(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype={"image": str}).set_index("image")
    if not table.index.is_unique:
        raise DataError(f"{path}: image {table.index[table.index.duplicated()][0]} occurs twice; predict again.")
    return table


def _floor(dataset: Dataset, name: str, tested: list[Pair], found: Overlap) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "floor": name,
            "image": [pair.image for pair in tested],
            "patient": [dataset.patient(pair.image) for pair in tested],
            "finding": [pair.finding for pair in tested],
            "iou": found.iou,
            "ior": found.ior,
        }
    )


def _counts(
    dataset: Dataset, test: str, test_boxes: str | None, images: pd.DataFrame, tested: pd.DataFrame
) -> dict[str, Any]:
    """How much was tested, and how much of what the lists name was there."""
    lists = dataset.info["lists"]
    presence = ListCounts(dataset.table, dataset.findings, dataset.boxes, dataset.missing)
    of_test = {row.finding: row for row in presence.rows(test, dataset.listed(test, True))}
    of_boxes = {row.finding: row for row in presence.rows("", dataset.listed(test_boxes, True) if test_boxes else [])}
    return {
        "listed": lists[test]["listed"],
        "present": lists[test]["present"],
        "boxes_listed": lists[test_boxes]["listed"] if test_boxes else 0,
        "boxes_present": lists[test_boxes]["present"] if test_boxes else 0,
        "images": len(images),
        "patients": int(images["patient"].nunique()),
        "pairs": len(tested),
        "findings": {
            finding: {
                "positives": int((images[f"label_{finding}"] == 1).sum()),
                "positives_listed": of_test[finding].listed,
                "pairs": int((tested["finding"] == finding).sum()),
                "pairs_listed": of_boxes[finding].boxes_listed,
            }
            for finding in dataset.findings
        },
    }


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with written(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
