"""Folds by patient: nobody is in two parts, and every part gets its share of what is rare."""

from __future__ import annotations

import hashlib
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ham.datasets.settings import FoldSettings
from ham.datasets.splits import folds_by_patient, lists_of_parts
from ham.errors import DataError

FINDINGS = ("Mass", "Edema", "Hernia")
PARTS = ("train", "val", "test")
Boxed = dict[str, list[str]]


def drawn(patients: int = 400, seed: int = 1) -> tuple[pd.DataFrame, Boxed]:
    """Patients with one to twenty images; Hernia is rare, a third of the images with Mass have boxes."""
    rng = np.random.RandomState(seed)
    owners = np.repeat(np.arange(patients), np.minimum(rng.geometric(0.3, patients), 20))
    labels = (rng.random_sample((len(owners), 3)) < (0.15, 0.3, 0.02)).astype(float)
    table = pd.DataFrame(labels, columns=list(FINDINGS), index=[f"{i:05d}.png" for i in range(len(owners))])
    table.index.name = "image"
    for place, (name, value) in enumerate({"width": 64, "height": 64, "view": "PA", "sex": "", "age": ""}.items()):
        table.insert(place, name, value)
    table.insert(0, "patient", [str(owner) for owner in owners])
    boxed = {image: ["Mass"] for i, image in enumerate(table.index[table["Mass"] == 1]) if i % 3 == 0}
    return table, boxed


def digest(lists: dict[str, list[str]]) -> str:
    return hashlib.sha256(repr(sorted(lists.items())).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def case() -> tuple[pd.DataFrame, Boxed, dict[str, list[str]]]:
    table, boxed = drawn()
    return table, boxed, folds_by_patient(table, boxed, FoldSettings())


def test_the_lists_are_those_that_the_settings_name(case: tuple) -> None:
    assert set(case[2]) == set(FoldSettings().list_names)
    assert "bbox/by-patient/fold5/val" in case[2]
    assert len(FoldSettings(count=3).list_names) == 18


def test_no_patient_is_in_two_parts_of_a_fold_and_no_image_is_left_out(case: tuple) -> None:
    table, _, lists = case
    for fold in range(1, 6):
        parts = [lists[f"Main/by-patient/fold{fold}/{part}"] for part in PARTS]
        assert sorted(image for part in parts for image in part) == sorted(table.index)
        patients = [set(table["patient"][part]) for part in parts]
        assert all(one.isdisjoint(other) for one, other in combinations(patients, 2))


def test_the_tests_of_the_folds_partition_the_images(case: tuple) -> None:
    table, boxed, lists = case
    for group, images in (("Main", list(table.index)), ("bbox", sorted(boxed))):
        tested = [image for fold in range(1, 6) for image in lists[f"{group}/by-patient/fold{fold}/test"]]
        assert sorted(tested) == images


def test_the_lists_of_boxes_are_the_boxed_images_of_the_others_in_the_tables_order(case: tuple) -> None:
    table, boxed, lists = case
    for name in lists:
        if name.startswith("bbox/"):
            every = lists[name.replace("bbox/", "Main/")]
            assert lists[name] == [image for image in every if image in boxed]
            assert every == [image for image in table.index if image in set(every)]


def test_every_part_gets_its_share_of_images_findings_and_boxes(case: tuple) -> None:
    table, boxed, lists = case
    for fold in range(1, 6):
        for part, share in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
            images = lists[f"Main/by-patient/fold{fold}/{part}"]
            assert len(images) == pytest.approx(share * len(table), rel=0.03)
            for finding in FINDINGS:  # whole patients cannot hit a share exactly: one image more or less
                assert table[finding][images].sum() == pytest.approx(share * table[finding].sum(), abs=1.5)
            assert len(lists[f"bbox/by-patient/fold{fold}/{part}"]) == pytest.approx(share * len(boxed), abs=1.5)


def test_the_folds_are_the_same_on_every_machine(case: tuple) -> None:
    table, boxed, lists = case
    assert digest(lists) == "0c2fdd53b9eaa0b7"
    mixed = table.sample(frac=1.0, random_state=3)
    again = folds_by_patient(mixed, dict(reversed(boxed.items())), FoldSettings())
    assert {name: sorted(images) for name, images in again.items()} == {n: sorted(i) for n, i in lists.items()}


def test_equal_patients_are_dealt_in_the_very_shares_of_the_settings() -> None:
    table = pd.DataFrame(
        {
            "patient": [str(n) for n in range(1000)],
            "width": 64,
            "height": 64,
            "view": "PA",
            "sex": "",
            "age": "",
            "Mass": 1.0,
        },
        index=[f"{n}.png" for n in range(1000)],
    )
    for validation, sizes in ((0.1, [700, 100, 200]), (0.345, [460, 340, 200])):
        lists = folds_by_patient(table, {}, FoldSettings(count=5, validation=validation))
        for fold in range(1, 6):
            assert [len(lists[f"Main/by-patient/fold{fold}/{part}"]) for part in PARTS] == sizes


def test_another_seed_gives_other_folds(case: tuple) -> None:
    table, boxed, lists = case
    other = folds_by_patient(table, boxed, FoldSettings(seed=1))
    shared = set(lists["Main/by-patient/fold1/test"]) & set(other["Main/by-patient/fold1/test"])
    assert len(shared) < 0.5 * len(lists["Main/by-patient/fold1/test"])


def test_the_validation_patients_of_the_folds_are_not_the_same(case: tuple) -> None:
    held_out = [frozenset(case[2][f"Main/by-patient/fold{fold}/val"]) for fold in range(1, 6)]
    assert all(len(one & other) < 0.5 * len(one) for one, other in combinations(held_out, 2))


def test_unknown_labels_are_not_positive_and_a_data_set_may_have_no_boxes() -> None:
    table, _ = drawn(60)
    lists = folds_by_patient(table, {}, FoldSettings())
    unknown = table.copy()
    unknown[list(FINDINGS)] = table[list(FINDINGS)].replace(0.0, np.nan)
    assert folds_by_patient(unknown, {}, FoldSettings()) == lists
    assert {tuple(images) for name, images in lists.items() if name.startswith("bbox/")} == {()}


def test_boxes_of_images_that_are_not_in_the_table_are_left_out() -> None:
    table, boxed = drawn(60)
    assert folds_by_patient(table, boxed | {"x.png": ["Mass"]}, FoldSettings()) == folds_by_patient(
        table, boxed, FoldSettings()
    )


def test_too_few_patients_are_an_error_that_names_the_setting() -> None:
    table, boxed = drawn(4)
    with pytest.raises(DataError, match=r"4 patients are too few for 5 folds.*data\.folds"):
        folds_by_patient(table, boxed, FoldSettings())


@pytest.mark.parametrize("wrong", [{"count": 1}, {"count": 2, "validation": 0.41}, {"count": 2.5}, {"folds": 3}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FoldSettings.of(wrong)


def test_folds_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match="less than a fifth"):
        FoldSettings(count=2, validation=0.35)


def test_the_lists_of_a_given_split_are_its_images_and_those_of_them_with_boxes() -> None:
    lists = lists_of_parts({"train": ["a", "b", "c"], "test": ["d"]}, {"a": ["Mass"], "c": [], "d": ["Mass"]})
    assert lists == {"Main/train": ["a", "b", "c"], "Main/test": ["d"], "bbox/train": ["a"], "bbox/test": ["d"]}
