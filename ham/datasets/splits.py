"""Folds of whole patients, beside the published ones, which cut by image and so share patients.

Written in the format of the published lists, below ``by-patient`` in the same two folders::

    ImageSets/Main/by-patient/fold1/{train,val,test}    all images of the patients of each part
    ImageSets/bbox/by-patient/fold1/{train,val,test}    those of them that have boxes

Beside ``Main/fold1/train_0.5_0.8`` (half of the images without boxes, four fifths of those with) the names hold no
shares, since nothing is left out: each patient is in one part of a fold, with all images. The tests of the folds
partition the patients; the validation patients of a fold come from those that it does not test.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from ham.datasets.description import IMAGE_COLUMNS, SPLIT_PARTS
from ham.datasets.settings import FoldSettings
from ham.errors import DataError

FINE = 1 << 40  # weights of counts are whole numbers of 1/FINE, so that no sum depends on a machine's rounding


def folds_by_patient(
    table: pd.DataFrame, boxed: Mapping[str, Collection[str]], settings: FoldSettings
) -> dict[str, list[str]]:
    """Lists by name (``Main/by-patient/fold1/train``), each in the table's order; the same on every machine.

    ``table`` is images.csv: index image; patient, width, height, view, sex, age, then a column a finding (1, 0, nan).
    ``boxed`` names the findings with boxes of an image; images that are not in the table are left out. Every part of a
    fold gets about its share of the images, of those without a finding, of each finding and of each finding's boxes.
    DataError where there are too few patients.
    """
    patient, names = pd.factorize(table["patient"])
    counts = _count_by_patient(table, boxed, patient, len(names))
    has_boxes = np.array([bool(boxed.get(image)) for image in table.index], dtype=bool)
    images = table.index.to_numpy(dtype=object)
    tested = _deal(counts, names, f"{settings.seed}/test", [1] * settings.count)
    held_out = round(100 * settings.validation)
    shares = [100 - 100 // settings.count - held_out, held_out]
    lists: dict[str, list[str]] = {}
    for fold in range(settings.count):
        part = np.full(len(names), 2)
        rest = np.flatnonzero(tested != fold)
        part[rest] = _deal(counts[rest], names[rest], f"{settings.seed}/fold{fold + 1}", shares)
        for number, name in enumerate(SPLIT_PARTS):
            chosen = part[patient] == number
            lists[f"Main/by-patient/fold{fold + 1}/{name}"] = images[chosen].tolist()
            lists[f"bbox/by-patient/fold{fold + 1}/{name}"] = images[chosen & has_boxes].tolist()
    empty = [name for name, listed in lists.items() if name.startswith("Main/") and not listed]
    if empty:
        raise DataError(
            f"{len(names)} patients are too few for {settings.count} folds with validation patients ({empty[0]} would "
            "be empty): lower count or raise validation below data.folds"
        )
    return lists


def lists_of_parts(
    parts: Mapping[str, Sequence[str]], boxed: Mapping[str, Collection[str]]
) -> dict[str, Sequence[str]]:
    """The lists of a given split: ``Main/<part>``, all its images, and ``bbox/<part>``, those that have boxes."""
    return {f"Main/{part}": images for part, images in parts.items()} | {
        f"bbox/{part}": [image for image in images if boxed.get(image)] for part, images in parts.items()
    }


def _count_by_patient(
    table: pd.DataFrame, boxed: Mapping[str, Collection[str]], patient: np.ndarray, size: int
) -> np.ndarray:
    """What is to be shared out evenly, of each patient: int64 [size, 4 + findings + boxed findings].

    The patient itself, its images, those without a finding, those with boxes, those with each finding and with boxes of
    each.
    """
    positive = table.drop(columns=list(IMAGE_COLUMNS[1:])).to_numpy(dtype=np.float32) == 1
    with_boxes = [(row, boxed[image]) for row, image in enumerate(table.index) if boxed.get(image)]
    kinds = sorted({finding for _, found in with_boxes for finding in found})
    has_box = np.zeros((len(table), len(kinds)), dtype=bool)
    for row, found in with_boxes:
        has_box[row] = [finding in found for finding in kinds]
    every = np.ones((len(table), 1), dtype=bool)
    normal = ~positive.any(axis=1, keepdims=True)
    columns = np.hstack([every, normal, has_box.any(axis=1, keepdims=True), positive, has_box])
    counts = np.zeros((size, 1 + columns.shape[1]), dtype=np.int64)
    counts[:, 0] = 1
    np.add.at(counts[:, 1:], patient, columns)
    return counts


def _deal(counts: np.ndarray, patients: Iterable[str], seed: str, shares: Sequence[int]) -> np.ndarray:
    """The part that each patient (row of ``counts``) falls to, int64 [N], so that each part gets its share of all.

    ``shares`` are small whole numbers, in proportion to what the parts are to get. Greedy: a patient goes where it adds
    least to the sum, over columns and parts, of count^2 / (share total^2), which is least where all counts are in
    proportion to the shares. Patients who weigh most (rare findings, many images) come first, by powers of two; among
    those alike a hash of seed and name decides, which is the same on every machine.
    """
    weight = np.maximum(FINE // np.maximum(counts.sum(axis=0), 1) ** 2, 1)
    inverse = math.lcm(*shares) // np.array(shares, dtype=np.int64)
    heavy = [int(total).bit_length() for total in (weight * counts**2).sum(axis=1)]
    drawn = [hashlib.sha256(f"{seed}/{patient}".encode()).digest() for patient in patients]
    part = np.empty(len(counts), dtype=np.int64)
    held = np.zeros((len(shares), counts.shape[1]), dtype=np.int64)
    for row in sorted(range(len(counts)), key=lambda row: (-heavy[row], drawn[row])):
        added = counts[row]
        part[row] = (((2 * held + added) @ (weight * added)) * inverse).argmin()
        held[part[row]] += added
    return part
