"""The truth of a data set, and that scoring takes another one just as well."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ham.datasets.dataset import Dataset
from ham.datasets.writer import Content, write_dataset
from ham.errors import DataError
from ham.model.map_file import write_maps
from ham.model.maps import RegionRule
from ham.scoring.run import ScoredFiles, ScoredLists, choose_points, make_metrics, make_tables
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair, Truth, masks_of

LEFT_HALF = [0.0, 0.0, 4.0, 8.0]  # x, y, w, h in an image of 8 x 8


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Four images of 8 x 8 of three patients; Mass is boxed, Hernia is not; a2 is absent; of b1 little is known."""
    table = pd.DataFrame(
        {
            "patient": ["a", "a", "b", "c"],
            "width": 8,
            "height": 8,
            "view": "PA",
            "sex": ["F", "F", "", "M"],
            "age": ["9", "21", "", "79"],
            "Mass": [1.0, 1.0, math.nan, 0.0],
            "Hernia": [0.0, 1.0, 0.0, 0.0],
        },
        index=pd.Index(["a1", "a2", "b1", "c/1"], name="image"),
    )
    content = Content(
        key="small", name="Small", source="nih", findings=("Mass", "Hernia"), boxed_findings=("Mass",), box_grid=8,
        table=table, boxes={"c/1": {"Mass": [LEFT_HALF, [6, 0, 2, 2]]}, "a2": {"Mass": [LEFT_HALF]}},
        lists={"test": ["c/1", "a1", "b1", "a2"], "boxes": ["a2", "c/1"]}, missing=["a2"], partial=True, problems=[],
        sources=[], image_digest="0" * 64, licence="none", attribution="nobody",
    )  # fmt: skip
    write_dataset(tmp_path / "Small", content)
    return Dataset.open(tmp_path / "Small")


def test_a_data_sets_truth_is_of_the_images_that_are_there_in_the_order_of_its_lists(dataset: Dataset) -> None:
    truth = Truth.of_dataset(dataset, "test", "boxes")
    assert truth.name == "small"
    assert truth.images == ("c/1", "a1", "b1")
    assert truth.patients == ("c", "a", "b")
    np.testing.assert_array_equal(truth.labels, [[0, 0], [1, 0], [math.nan, 0]])  # a blank is unknown
    (pair,) = truth.pairs
    assert (pair.image, pair.finding, pair.patient, pair.boxes) == ("c/1", "Mass", "c", 2)


def test_images_stand_in_groups_and_what_nobody_says_is_unknown(dataset: Dataset) -> None:
    groups = Truth.of_dataset(dataset, "test", "boxes").groups
    assert groups == {
        "view": {"c/1": "PA", "a1": "PA", "b1": "PA"},
        "sex": {"c/1": "M", "a1": "F", "b1": "unknown"},
        "age": {"c/1": "60-79", "a1": "0-19", "b1": "unknown"},
    }


def test_a_mask_is_all_boxes_of_a_pair_at_the_size_asked_for(dataset: Dataset) -> None:
    pairs = Truth.of_dataset(dataset, None, "boxes").pairs
    np.testing.assert_array_equal(
        masks_of(pairs, 4)[0].astype(int),
        [[1, 1, 0, 1], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]],
    )
    assert masks_of([], 4).shape == (0, 4, 4)


def test_without_a_list_of_boxes_there_are_no_pairs(dataset: Dataset) -> None:
    assert Truth.of_dataset(dataset, "test", None).pairs == ()
    with pytest.raises(DataError, match="no list nowhere"):
        Truth.of_dataset(dataset, "nowhere", None)


def write_predictions(folder: Path) -> ScoredFiles:
    """Predictions of two images, and a map of a1 that is 1 on the right half: its region is the right half."""
    (folder / "predictions.csv").write_text("image,Mass,abnormality\na1,0.9,0.8\nb1,0.2,0.6\n")
    with write_maps(folder / "maps.npz") as maps:
        maps.write("a1", "Mass", np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, axis=0))
    return ScoredFiles(folder / "model.safetensors", folder / "predictions.csv", folder / "maps.npz")


def of_an_expert(**changes: object) -> Truth:
    """An expert who drew the lower half of a1 by hand, without boxes, and does not know whether b1 has a mass."""

    def lower_half(side: int) -> np.ndarray:
        mask = np.zeros((side, side), dtype=bool)
        mask[side // 2 :] = True
        return mask

    values = {
        "name": "expert",
        "findings": ("Mass",),
        "boxed_findings": ("Mass",),
        "images": ("a1", "b1"),
        "patients": ("a", "b"),
        "labels": np.array([[1.0], [math.nan]], np.float32),
        "pairs": (Pair("a1", "Mass", "a", 0, lower_half),),
    }
    return Truth(**values | changes)  # type: ignore[arg-type]


def test_any_truth_is_scored_alike(tmp_path: Path) -> None:
    truth = of_an_expert()
    tables = make_tables(truth, [], write_predictions(tmp_path), RegionRule(4))
    # the right half against the lower half of 4 x 4: 4 pixels in both, 12 in either, 8 predicted
    assert tables.localization[["iou", "ior"]].to_numpy().tolist() == [[4 / 12, 4 / 8]]
    whole = tables.floors[tables.floors["floor"] == "whole-image"]
    assert whole[["iou", "ior"]].to_numpy().tolist() == [[0.5, 0.5]]
    rows = make_metrics(truth, tables, ScoringSettings())
    found = {(row["metric"], row["threshold"], row["finding"]): row["value"] for row in rows["localization"]}
    assert [found["t_iou", threshold, "Mass"] for threshold in (0.3, 0.4)] == [1, 0]
    known = {(row["metric"], row["finding"]): row["n_images"] for row in rows["classification"]}
    assert known["accuracy", "Mass"] == 1  # b1 is unknown


def test_thresholds_are_chosen_on_validation_images_that_are_not_tested(dataset: Dataset, tmp_path: Path) -> None:
    """Of the list ``test`` of c/1, a1 and b1, a1 is tested, with Mass, and b1's Mass is unknown."""
    predicted = tmp_path / "validation-predictions.csv"
    predicted.write_text("image,Mass,Hernia,abnormality\nc/1,0.3,0.1,0.2\nb1,0.4,0.2,0.6\n")
    files = replace(write_predictions(tmp_path), validation=predicted)
    truth = replace(Truth.of_dataset(dataset, "boxes", None), images=("a1",), patients=("a",))
    lists = ScoredLists("boxes", None, None, "test")
    points = choose_points(dataset, truth, files, lists, ScoringSettings())
    assert points is not None
    assert points.described()["images"] == 2
    assert (points.described()["patients"], points.described()["patients_tested"]) == (2, 0)
    everything = replace(truth, images=("a1", "b1", "c/1"))
    assert choose_points(dataset, everything, files, lists, ScoringSettings()) is None


def test_what_was_not_predicted_is_named(tmp_path: Path) -> None:
    files = write_predictions(tmp_path)
    with pytest.raises(DataError, match=r"predictions\.csv: 1 test images are not in it, z for one; predict again"):
        make_tables(of_an_expert(images=("a1", "z")), [], files, RegionRule(4))
    pair = of_an_expert().pairs[0]
    with pytest.raises(DataError, match=r"maps\.npz: 1 of 1 maps are not in it, b1/Mass for one"):
        make_tables(of_an_expert(pairs=(Pair("b1", "Mass", "b", 1, pair.mask),)), [], files, RegionRule(4))
