"""COCO's JSON in the ways that programs write it: numbers as text, no sizes, polygons, crowds, a byte order mark."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from small_own import A1, LABELS, Own

from ham.errors import DataError

Json = dict[str, Any]


def coco(**annotation: Any) -> Json:
    """One box of an image of 60 x 40 pixels."""
    return {
        "images": [{"id": 1, "file_name": A1}],
        "categories": [{"id": 1, "name": "Mass"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], **annotation}],
    }


@pytest.fixture
def own(tmp_path: Path) -> Own:
    own = Own(tmp_path)
    own.keys["boxes"] = {"file": "b.json"}
    return own


def read(own: Own, given: Json | str) -> list[list[float]]:
    own.boxes = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return [box.xywh() for box in own.build().boxes.get(A1, {}).get("Mass", [])]


def refused(own: Own, given: Json | str) -> str:
    with pytest.raises(DataError) as caught:
        read(own, given)
    return str(caught.value)


def test_a_byte_order_mark_is_read_as_in_csv(own: Own) -> None:
    own.labels = "\ufeff" + LABELS
    assert read(own, "\ufeff" + json.dumps(coco())) == [[1, 2, 3, 4]]


@pytest.mark.parametrize("sizes", [("60", "40"), (60.0, "40.0"), (0, 0), ("0", "0"), (None, None), ("", "")])
def test_sizes_are_read_as_text_too_and_nothing_is_not_given(own: Own, sizes: tuple[Any, Any]) -> None:
    given = coco()
    given["images"][0] |= dict(zip(("width", "height"), sizes, strict=True))
    assert read(own, given) == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((60, "41"), f"{A1} has 60 x 41 pixels there and 60 x 40 here: the boxes would lie elsewhere"),
        ((0, 41), f"{A1} has 0 x 41 pixels there and 60 x 40 here"),
        (("wide", 40), f"'wide' stands as the width of {A1}, which is no number of pixels"),
        ((60, -40), f"-40 stands as the height of {A1}, which is no number of pixels"),
        ((60, 40.5), f"40.5 stands as the height of {A1}, which is no number of pixels"),
        ((True, 40), f"True stands as the width of {A1}, which is no number of pixels"),
        (([60], 40), f"[60] stands as the width of {A1}, which is no number of pixels"),
    ],
)
def test_a_size_that_is_another_or_none_is_called_what_it_is(own: Own, sizes: tuple[Any, Any], said: str) -> None:
    given = coco()
    given["images"][0] |= dict(zip(("width", "height"), sizes, strict=True))
    assert said in refused(own, given)


@pytest.mark.parametrize("other", ["1", 1.0, "1.0", " 1"])
@pytest.mark.parametrize(
    ("part", "key"),
    [("images", "id"), ("categories", "id"), ("annotations", "image_id"), ("annotations", "category_id")],
)
def test_an_id_is_the_same_as_number_and_as_text(own: Own, other: Any, part: str, key: str) -> None:
    given = coco()
    given[part][0][key] = other
    assert read(own, given) == [[1, 2, 3, 4]]


def test_ids_that_only_differ_in_their_writing_stand_there_twice(own: Own) -> None:
    given = coco()
    given["images"].append({"id": "1", "file_name": "x.png"})
    assert "an id stands twice" in refused(own, given)
    for odd in (True, float("nan"), None, [1]):
        assert "no COCO file: annotations is not a list of objects with image_id" in refused(own, coco(image_id=odd))
    assert "annotation 1 is of an unknown id (image_id 1.5)" in refused(own, coco(image_id=1.5))


def test_numbers_of_a_box_may_be_text_as_in_csv(own: Own) -> None:
    assert read(own, coco(bbox=["1", "2.5", 3, 4])) == [[1, 2.5, 3, 4]]
    assert "no bbox of four numbers" in refused(own, coco(bbox=["1", "2", "3", "four"]))
    assert "no bbox of four numbers" in refused(own, coco(bbox=["1", "2", "3", "nan"]))


@pytest.mark.parametrize("box", [None, []])
def test_a_polygon_without_a_box_has_its_hull(own: Own, box: Any) -> None:
    polygons = [[5, 6, 9, 6, 7, 20], [20, 10.5, 22, 10.5, 22, 12, 20, 12]]
    assert read(own, coco(bbox=box, segmentation=polygons)) == [[5, 6, 17, 14]]  # 5 to 22, 6 to 20
    without = coco(segmentation=polygons)
    del without["annotations"][0]["bbox"]
    assert read(own, without) == [[5, 6, 17, 14]]


def test_a_box_beside_its_polygon_is_the_box(own: Own) -> None:
    assert read(own, coco(segmentation=[[5, 6, 9, 6, 7, 20]])) == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ({"counts": "abc", "size": [40, 60]}, "a mask as its segmentation: write its bbox as well"),
        ([[1, 2, 3, 4]], "a polygon that is no list x, y, x, y, x, y"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon that is no list"),
        ([[1, 2, 3, 4, 5, "six"]], "a polygon that is no list"),
        ([1, 2, 3, 4, 5, 6], "a polygon that is no list"),
        ([[1, 2, 3, 4, 5, 1e9]], "a polygon that lies beyond any image"),
        ([[1, 2, 8, 2, 9, 2]], "has no area"),
        ([], "no bbox of four numbers and no polygon"),
        (None, "no bbox of four numbers and no polygon"),
    ],
)
def test_a_region_that_has_no_hull_is_a_mistake(own: Own, segmentation: Any, said: str) -> None:
    assert said in refused(own, coco(bbox=[], segmentation=segmentation))


@pytest.mark.parametrize("crowd", [1, True, "1", 1.0])
def test_crowds_are_left_out_and_counted(own: Own, crowd: Any) -> None:
    given = coco(iscrowd=0)
    given["annotations"] += coco(id=2, iscrowd=crowd, bbox=[9, 9, 9, 9])["annotations"] * 2
    assert read(own, given) == [[1, 2, 3, 4]]
    with open(own.dataset / "validation.csv", newline="") as file:
        rows = [(row["problem"].rpartition("/")[2], row["repair"]) for row in csv.DictReader(file)]
    assert ("b.json: 2 annotations are of crowds (iscrowd: 1), not of one box", "left out") in rows


def test_a_box_under_a_pixel_is_a_mistake_by_its_annotation(own: Own) -> None:
    given = coco()
    given["annotations"] += coco(id=2, bbox=[9.99, 3, 0.02, 9])["annotations"]
    assert "annotation 2: the box 9.99, 3, 0.02, 9 (left, top, width, height) is 0.02 x 9 pixels" in refused(own, given)


def test_names_are_matched_however_their_letters_are_written(own: Own) -> None:
    name = "a/Müller.png"
    own.images[unicodedata.normalize("NFD", name)] = own.images.pop(A1)
    own.labels = own.labels.replace(A1, name)
    given = coco()
    given["images"][0]["file_name"] = unicodedata.normalize("NFD", name)
    own.boxes = json.dumps(given)
    dataset = own.build()
    assert [box.xywh() for box in dataset.boxes[name]["Mass"]] == [[1, 2, 3, 4]]
