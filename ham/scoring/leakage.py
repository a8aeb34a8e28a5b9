"""What training, and the choice of the checkpoint, have seen of the images and patients that are tested.

``tables/leakage/<experiment>.csv`` has a row a variant, split and kind:

==================================  ====================================================================================
kind                                classification: tested on the list ``test``; localization: on ``test_boxes``
images                              listed: the lists are counted whole; present: without the images that are absent
                                    (rows that only a partial download has)
checkpoint                          which weights are tested: last, or the best of an epoch on the validation lists;
                                    given: trained elsewhere
chosen_on_test                      1: the best of an epoch, and an image of the validation lists is a test image;
                                    blank: given, so nobody here knows
<part>_images, <part>_patients      how many the lists name; part is train, validation (both lists together) or test
<part>_images_in_<other>            of these images, those that are in the other part too
<part>_patients_in_<other>          of these patients, those who have an image in the other part
<part>_images_of_<other>_patients   of these images, those whose patient has an image in the other part
==================================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ham.datasets.dataset import Dataset
from ham.runtime.files import write_text

KINDS = {"classification": "test", "localization": "test_boxes"}
PARTS = ("train", "validation", "test")
COMPARED = (("test", "train"), ("test", "validation"), ("validation", "train"))
COLUMNS = (
    "experiment", "variant", "split", "kind", "images", "checkpoint", "chosen_on_test",
    *(f"{part}_{what}" for part in PARTS for what in ("images", "patients")),
    *(
        f"{part}_{what}"
        for part, other in COMPARED
        for what in (f"images_in_{other}", f"patients_in_{other}", f"images_of_{other}_patients")
    ),
)  # fmt: skip


def write_leakage(dataset_folder: Path, splits: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write the audit of these splits, which are of one experiment (``Configuration.runs``)."""
    table = pd.DataFrame(audit(Dataset.open(dataset_folder), splits), columns=list(COLUMNS))
    table["chosen_on_test"] = table["chosen_on_test"].astype("Int64")
    write_text(output, table.to_csv(index=False, lineterminator="\n"))


def audit(dataset: Dataset, splits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the audit: of each split ``experiment``, ``split``, ``lists`` by role (train, validation,
    validation_boxes, test, test_boxes) and ``checkpoints`` by variant are given. DataError where a list is not there.
    """
    patients = dict(zip(dataset.table.index, dataset.table["patient"], strict=True))
    return [
        {
            "experiment": split["experiment"],
            "variant": variant,
            "split": split["split"],
            "kind": kind,
            "images": images,
            "checkpoint": checkpoint,
            "chosen_on_test": None
            if checkpoint == "given"
            else int(checkpoint != "last" and numbers["test_images_in_validation"] > 0),
        }
        | numbers
        for split in splits
        for kind, role in KINDS.items()
        if split["lists"][role] is not None
        for images in (("listed", "present") if dataset.missing else ("listed",))
        for numbers in (shared(_parts(dataset, split["lists"], role, images == "listed"), patients),)
        for variant, checkpoint in split["checkpoints"].items()
    ]


def _parts(dataset: Dataset, lists: Mapping[str, str | None], tested: str, absent: bool) -> dict[str, set[str]]:
    """The images of each part; validation looks at both of its lists."""
    roles = {"train": ["train"], "validation": ["validation", "validation_boxes"], "test": [tested]}
    return {
        part: {image for role in named if (name := lists[role]) is not None for image in dataset.listed(name, absent)}
        for part, named in roles.items()
    }


def shared(parts: Mapping[str, set[str]], patients: Mapping[str, str]) -> dict[str, int]:
    """How many images and patients each of ``PARTS`` has, and how many of them are in another."""
    people = {part: {patients[image] for image in parts[part]} for part in PARTS}
    numbers = {}
    for part in PARTS:
        numbers[f"{part}_images"] = len(parts[part])
        numbers[f"{part}_patients"] = len(people[part])
    for part, other in COMPARED:
        numbers[f"{part}_images_in_{other}"] = len(parts[part] & parts[other])
        numbers[f"{part}_patients_in_{other}"] = len(people[part] & people[other])
        numbers[f"{part}_images_of_{other}_patients"] = sum(patients[image] in people[other] for image in parts[part])
    return numbers
