"""A data set of one's own to the data set folder: any tree, any size, both forms of labels, boxes in three forms."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from small_own import A1, A2, B1, BOXES, C1, D1, D2, LABELS, SIZES, Own, encoded

from ham.boxes import resized_mask
from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.image_store import Store, write_store
from ham.datasets.settings import DataSettings
from ham.errors import DataError, SettingsError
from ham.samples import Samples


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def problems(folder: Path) -> list[tuple[str, str, str]]:
    with open(folder / "validation.csv", newline="") as file:
        return [(row["image"], row["problem"], row["repair"]) for row in csv.DictReader(file)]


def mistakes(own: Own, **options: Any) -> list[str]:
    """The mistakes of a conversion that must fail, from validation.csv; the first is also what is said."""
    with pytest.raises(DataError) as caught:
        own.build(**options)
    found = [problem for _, problem, repair in problems(own.dataset) if not repair]
    assert found[0] in str(caught.value)
    return found


def turned(pixels: np.ndarray, orientation: int, form: str, **options: Any) -> bytes:
    """An image that says that it is to be seen turned."""
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(data, form, exif=exif, **options)
    return data.getvalue()


@pytest.mark.parametrize("store", [False, True])
def test_an_image_is_seen_turned_everywhere_as_its_boxes_were_drawn(own: Own, store: bool) -> None:
    lying = np.tile(np.arange(40, dtype=np.uint8) * 6, (60, 1))  # 40 wide, 60 high, bright to the right
    own.images[A2] = turned(lying, 6, "JPEG", quality=100)  # shown: 60 wide, 40 high, bright at the bottom
    own.images[A1] = turned(lying, 3, "TIFF")  # shown: dark to the right
    own.labels = own.labels.replace(f"{A2},p1,", f"{A2},p1,Mass")
    own.boxes = f"image,finding,x,y,w,h\n{A2},Mass,50,0,10,10\n{A1},Mass,0,50,10,10\n"
    dataset = own.build()
    assert (dataset.size(A2), dataset.size(A1)) == ((60, 40), (40, 60))
    opened = None
    if store:
        write_store(dataset.folder, dataset.folder / "store/20.json", 20)
        opened = Store.open(dataset.folder / "store/20.json", dataset)
    down, across = (
        np.diff(Samples(dataset, [image], [], 20, store=opened)[0]["image"].mean(axis=axis, dtype=float))
        for image, axis in ((A2, 1), (A1, 0))
    )
    assert (down > 0).all()
    assert (across < 0).all()
    assert (A2, "grey, turned, 8 bit grey is expected") in [row[:2] for row in problems(dataset.folder)]


def test_a_table_and_a_tree_of_images_become_a_data_set_of_links(own: Own) -> None:
    dataset = own.build()
    assert list(dataset.table.index) == list(SIZES)
    assert {image: dataset.size(image) for image in SIZES} == SIZES
    assert dataset.labels(list(SIZES)).tolist() == [[1, 1], [0, 0], [1, 0], [0, 0], [0, 1], [1, 0]]
    assert [dataset.patient(image) for image in (A1, D2)] == ["p1", "NA"]
    assert dataset.path(D2).is_symlink()
    assert dataset.path(D2).samefile(own.folder / "pictures" / D2)
    assert dataset.info["sources"][0] == {"file": "a folder of images", "images": 6}
    assert [entry["file"] for entry in dataset.info["sources"][1:]] == ["labels.csv", "boxes.csv"]
    assert str(own.root) not in (dataset.folder / "dataset.json").read_text()


def test_boxes_are_in_each_images_own_pixels_and_keep_their_numbers(own: Own) -> None:
    dataset = own.build()
    written = json.loads((dataset.folder / "Annotations/BBoxes.json").read_text())
    assert written[A1] == {"Mass": [[10.1, 5, 20.2, 30], [0, 0, 5, 5]]}
    mask = resized_mask(dataset.boxes[A1]["Mass"][:1], *dataset.size(A1), side=120)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    # 60 x 40 pixels on 120 x 120: twice across, three times down
    assert (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1) == (20, 60, 15, 105)


def test_a_box_that_leaves_its_image_by_less_than_a_pixel_is_cut_and_recorded(own: Own) -> None:
    dataset = own.build()
    (box,) = dataset.boxes[D2]["Mass"]
    assert (box.x0, box.y0, box.x1, box.y1) == (40, 40, 50, 50)
    ((image, problem, repair),) = problems(dataset.folder)
    assert (image, repair) == (D2, "cut at its edge")
    assert "line 5: the box 40, 40, 10.5, 10 (left, top, width, height) leaves its image of 50 x 50 by 0.5" in problem


def test_lists_follow_the_split_column_and_folds_go_by_patient(own: Own) -> None:
    dataset = own.build()
    lists = {name: dataset.listed(name) for name in dataset.info["lists"] if "by-patient" not in name}
    assert lists == {
        "Main/train": [A1, A2],
        "Main/val": [B1],
        "Main/test": [C1, D1],
        "bbox/train": [A1],
        "bbox/val": [B1],
        "bbox/test": [],
    }
    assert set(lists) == set(own.write().made_lists)
    tested = [dataset.listed(f"Main/by-patient/fold{fold}/test") for fold in (1, 2)]
    assert sorted(tested[0] + tested[1]) == sorted(SIZES)
    assert not {dataset.patient(image) for image in tested[0]} & {dataset.patient(image) for image in tested[1]}


def test_view_sex_and_age_come_from_the_columns_that_are_named(own: Own) -> None:
    about = iter(["Position,Sex,Age", "PA,F,58", "LL,F,59", ",,414", "AP,male,7", "ap,x,", "PA,M,99"])
    own.labels = "".join(f"{line},{next(about)}\n" for line in own.labels.splitlines())
    own.keys["labels"] |= {"view": "Position", "sex": "Sex", "age": "Age"}
    table = own.build().table
    assert table["view"].tolist() == ["PA", "lateral", "", "AP", "AP", "PA"]
    assert table["sex"].tolist() == ["F", "F", "", "M", "", "M"]
    assert table["age"].tolist() == ["58", "59", "", "7", "", "99"]
    assert ("", "1 ages are no years from 0 to 99, such as '414'", "read as unknown") in problems(own.dataset)
    own.keys["labels"]["age"] = "Jahre"
    assert "the header has no column Jahre" in mistakes(own)[0]


def test_a_column_a_finding_with_unknown_labels_and_no_split_or_boxes(own: Own) -> None:
    own.labels = (
        "Mass,who,file,Edema\n" + f"1,p1,{A1},0\n,p1,{A2},1.0\n0.0,p2,{B1},\n0,p3,{C1},0\n1,p4,{D1},0\n0,p5,{D2},1\n"
    )
    own.keys |= {"labels": {"file": "labels.csv", "image": "file", "patient": "who"}, "boxes": None}
    own.keys["boxed_findings"] = []
    dataset = own.build()
    np.testing.assert_array_equal(
        dataset.labels(list(SIZES)), [[1, 0], [np.nan, 1], [0, np.nan], [0, 0], [1, 0], [0, 1]]
    )
    assert dataset.boxes == {}
    assert own.write().made_lists == ()
    assert all("by-patient" in name for name in dataset.info["lists"])


ODD = "2nd rib / fracture (left) & 50% {x} \u00fc, =1"


@pytest.mark.parametrize("form", ["joined", "columns", "coco"])
def test_a_finding_may_bear_any_printable_name(own: Own, form: str) -> None:
    written = unicodedata.normalize("NFD", ODD)
    own.keys |= {"findings": [ODD, "Edema"], "boxed_findings": [ODD]}
    own.labels = f'image,patient,findings\n{A1},p1,"{written}|Edema"\n{A2},p2,\n{B1},p3,Edema\n{D2},p4,"{ODD}"\n'
    own.labels += f"{C1},p5,\n{D1},p6,\n"
    own.keys["labels"] = {"file": "labels.csv", "findings": "findings"}
    own.boxes = f'image,finding,x,y,w,h\n{A1},"{written}",1,2,3,4\n'
    if form == "columns":
        own.labels = f'image,patient,"{written}",Edema\n{A1},p1,1,1\n{A2},p2,0,0\n{B1},p3,0,1\n{D2},p4,1,0\n'
        own.labels += f"{C1},p5,0,0\n{D1},p6,0,0\n"
        own.keys["labels"] = {"file": "labels.csv"}
    if form == "coco":
        given = json.loads(as_coco({A1: [1, 2, 3, 4]}))
        given["categories"][0]["name"] = written
        own.keys["boxes"] = {"file": "boxes.json"}
        own.boxes = json.dumps(given)
    dataset = own.build()
    assert dataset.findings == (ODD, "Edema")
    assert dataset.labels([A1, A2, B1, D2]).tolist() == [[1, 1], [0, 0], [0, 1], [1, 0]]
    assert dataset.boxes[A1][ODD][0].xywh() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["labels.csv", "boxes.csv"])
@pytest.mark.parametrize(
    ("form", "said"),
    [
        (
            "cp1252",
            "after line 1: no CSV text ('M\u00fcller' in line 2 is not in UTF-8 but in Windows' or Latin letters",
        ),
        ("utf-16", "is text in UTF-16, no CSV text"),
        ("utf-16-le", "is text in UTF-16, no CSV text"),
        ("xlsx", "is an Excel workbook or another zip archive, no CSV text"),
        (";", "has semicolons between its columns, commas are expected"),
        ("\t", "has tabs between its columns, commas are expected"),
    ],
)
def test_a_table_that_another_program_wrote_is_called_what_it_is(own: Own, name: str, form: str, said: str) -> None:
    text = (LABELS if name == "labels.csv" else BOXES).replace(A1, "M\u00fcller")
    if form in (";", "\t"):
        content = text.replace(",", form).encode()
    else:
        content = b"PK\x03\x04\x84" * 9 if form == "xlsx" else text.encode(form)
    own_write = own.write

    def write() -> Description:
        description = own_write()
        (own.folder / name).write_bytes(content)
        return description

    own.write = write  # type: ignore[method-assign]
    (found,) = [mistake for mistake in mistakes(own) if name in mistake]
    assert said in found
    assert found.endswith(": save it as CSV UTF-8, comma separated")
    assert "again" not in found


def test_corners_and_coco_say_the_same_as_x_y_w_h(own: Own) -> None:
    own.boxes = own.boxes.replace("10.1,5,20.2,30", "10,5,20,30")
    expected = own.build().boxes
    own.keys["boxes"] = {
        "file": "b.csv",
        "image": "i",
        "finding": "f",
        "corners": ["l", "t", "r", "b"],
    }
    own.boxes = f"b,r,t,l,f,i\n35,30,5,10,Mass,{A1}\n5,5,0,0,Mass,{A1}\n6,4,2,1,Mass,{B1}\n50,50.5,40,40,Mass,{D2}\n"
    assert own.build().boxes == expected
    own.keys["boxes"] = {"file": "boxes.json"}
    own.boxes = json.dumps(coco())
    assert own.build().boxes == expected


def coco() -> dict[str, Any]:
    images = {A1: 7, B1: 8, D2: "x"}
    boxes = [(7, [10, 5, 20, 30]), (7, [0, 0, 5, 5]), (8, [1, 2, 3, 4]), ("x", [40, 40, 10.5, 10])]
    return {
        "images": [
            {"id": number, "file_name": image, "width": SIZES[image][0], "height": SIZES[image][1]}
            for image, number in images.items()
        ],
        "categories": [{"id": 3, "name": "Mass"}, {"id": 4, "name": "Cat"}],
        "annotations": [
            {"id": number, "image_id": image, "category_id": 3, "bbox": box, "area": 1, "iscrowd": 0}
            for number, (image, box) in enumerate(boxes)
        ],
    }


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("annotations", 1, "category_id"), 4, "annotation 1: a box of 'Cat', which is not among"),
        (("annotations", 1, "category_id"), 5, "annotation 1 is of an unknown id"),
        (("annotations", 1, "image_id"), 9, "annotation 1 is of an unknown id"),
        (("annotations", 1, "image_id"), [1], "annotations is not a list of objects with image_id"),
        (("annotations", 1, "bbox"), [1, 2, 3], "annotation 1 has no bbox of four numbers"),
        (("annotations", 1, "bbox"), [1, 2, 3, float("inf")], "annotation 1 has no bbox of four numbers"),
        (("annotations", 1, "bbox"), None, "annotation 1 has no bbox of four numbers"),
        (("images", 0, "width"), 120, f"{A1} has 120 x 40 pixels there and 60 x 40 here"),
        (("images", 1, "id"), 7, "an id stands twice"),
        (("images", 1, "file_name"), "nowhere.png", "a box for nowhere.png, an image that labels.csv does not have"),
        (("images",), {}, "images is not a list of objects with id"),
        (("categories",), None, "categories is not a list"),
    ],
)
def test_a_mistake_in_a_coco_file_is_named(own: Own, place: tuple[Any, ...], value: Any, said: str) -> None:
    given: Any = coco()
    inner = given
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    own.keys["boxes"] = {"file": "boxes.json"}
    own.boxes = json.dumps(given)
    assert said in " ".join(mistakes(own))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"images": [], "images": []}', "\0\xff"])
def test_a_file_that_is_no_coco_is_one_mistake(own: Own, text: str) -> None:
    own.keys["boxes"] = {"file": "boxes.json"}
    own.boxes = text
    assert len(mistakes(own)) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"{B1},p2,Mass", f"{B1},p2,Mas", "line 4: unknown finding 'Mas'; the description's findings are Mass, Edema"),
        (f"{B1},p2,Mass", f"{B1},p2,Mass|No Finding", "line 4: No Finding beside a finding"),
        (f"{B1},p2", f"{B1},", f"line 4: {B1} has no patient"),
        (f"{A2},p1", f"{A1},p1", f"line 3: {A1} stands in line 2 already"),
        (f"{C1},p3", "../up.png,p3", "line 5: the image name '../up.png' has an empty, overlong, '.' or '..' part"),
        (f"{C1},p3", "/etc/p.png,p3", "line 5: the image name '/etc/p.png' is not a relative path"),
        ("Mass,validation", "Mass,valid", "line 4: 'valid' stands in split, expected are train, validation, test or"),
        ("Mass,validation", "Mass", "line 4: 3 fields, 4 are expected"),
        ("image,patient", "picture,patient", "the header has no column image (it has: picture, patient"),
        ("patient,findings", "patient,patient", "the header has no column findings"),
        ("split\n", "split,image\n", "the header has the column image more than once"),
    ],
)
def test_a_mistake_in_the_labels_is_named_by_its_line(own: Own, old: str, new: str, said: str) -> None:
    own.labels = own.labels.replace(old, new)
    assert own.labels != LABELS
    assert said in mistakes(own)[0]


@pytest.mark.parametrize("cell", ["-1", "yes", "2", "nan"])
def test_a_label_that_is_no_yes_or_no_is_named(own: Own, cell: str) -> None:
    own.labels = f"image,patient,Mass,Edema\n{A1},p1,1,{cell}\n"
    own.keys["labels"] = {"file": "labels.csv"}
    assert f"line 2: {cell!r} stands in Edema, expected are 1, 0 or nothing (unknown)" in mistakes(own)[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            f"{A1},Mass,0",
            f"{A1},Edema,0",
            "line 3: a box of 'Edema', which is not among the description's boxed_findings",
        ),
        (f"{B1},Mass", f"{C1},Mass", f"line 4: a box of Mass in {C1}, which does not have that finding in labels.csv"),
        (f"{B1},Mass", "x.png,Mass", "line 4: a box for x.png, an image that labels.csv does not have"),
        ("0,0,5,5", "10.1,5,20.2,30", f"line 3: the same box of Mass in {A1} stands there twice"),
        ("0,0,5,5", "0,0,five,5", "line 3: 0, 0, five, 5 are not four numbers (x, y, w, h)"),
        ("0,0,5,5", "0,0,nan,5", "line 3: 0, 0, nan, 5 are not four numbers"),
        ("0,0,5,5", "0,0,5", "line 3: 5 fields, 6 are expected"),
        ("0,0,5,5", "0,0,0,5", "line 3: the box 0, 0, 0, 5 (left, top, width, height) has no area"),
        ("0,0,5,5", "9,9,-5,5", "line 3: the box 9, 9, -5, 5 (left, top, width, height) has no area"),
        (
            "0,0,5,5",
            "54,0,12.5,5",
            "line 3: the box 54, 0, 12.5, 5 (left, top, width, height) lies mostly outside the image of 60 x 40",
        ),
        ("0,0,5,5", "60.1,0,5,5", "line 3: the box 60.1, 0, 5, 5 (left, top, width, height) lies mostly outside"),
        ("0,0,5,5", "9.99,3,0.02,5", "line 3: the box 9.99, 3, 0.02, 5 (left, top, width, height) is 0.02 x 5 pixels"),
        ("0,0,5,5", ",,5,5", "line 3: x, y are blank: give four numbers, or none where there is no box"),
        ("0,0,5,5", "0,0,5,", "line 3: h is blank: give four numbers"),
        ("x,y,w,h", "x,y,x2,y2", "the header has no column w, h"),
    ],
)
def test_a_mistake_in_the_boxes_is_named_by_its_line(own: Own, old: str, new: str, said: str) -> None:
    own.boxes = own.boxes.replace(old, new)
    assert own.boxes != BOXES
    assert said in mistakes(own)[0]


SHARES = f"image,finding,x,y,w,h\n{A1},Mass,.2,.2,.3,.3\n{B1},Mass,.1,.1,.5,.5\n{D2},Mass,.5,.5,.5,.4\n"
IN_PIXELS = {A1: [12, 8, 18, 12], B1: [6.4, 6.4, 32, 32], D2: [25, 25, 25, 20]}  # of 60 x 40, 64 x 64, 50 x 50


def as_coco(boxes: dict[str, list[float]], **changes: Any) -> str:
    """A box of Mass in each image, as COCO writes it."""
    return json.dumps(
        {
            "images": [{"id": number, "file_name": image} for number, image in enumerate(boxes)],
            "categories": [{"id": 1, "name": "Mass"}],
            "annotations": [
                {"id": number, "image_id": number, "category_id": 1, "bbox": box, **changes}
                for number, box in enumerate(boxes.values())
            ],
        }
    )


@pytest.mark.parametrize("form", ["xywh", "corners", "coco"])
def test_shares_of_the_image_are_one_mistake_and_boxes_when_they_are_called_so(own: Own, form: str) -> None:
    shares = {A1: [0.2, 0.2, 0.3, 0.3], B1: [0.1, 0.1, 0.5, 0.5], D2: [0.5, 0.5, 0.5, 0.4]}
    if form == "coco":
        own.keys["boxes"] = {"file": "boxes.json"}
        own.boxes = as_coco(shares)
    else:
        own.boxes = SHARES
    if form == "corners":
        own.keys["boxes"] = {"file": "boxes.csv", "corners": [*"xywh"]}
        own.boxes = "image,finding,x,y,w,h\n" + "".join(
            f"{image},Mass,{x},{y},{x + w},{y + h}\n" for image, (x, y, w, h) in shares.items()
        )
    (said,) = mistakes(own)
    assert "all boxes lie within 1 x 1: these are shares of the image and not pixels; say frame: shares below" in said
    own.keys["boxes"]["frame"] = "shares"
    written = json.loads((own.build().folder / "Annotations/BBoxes.json").read_text())
    assert {image: pytest.approx(named["Mass"][0]) for image, named in written.items()} == IN_PIXELS


def test_pixels_that_are_called_shares_are_refused(own: Own) -> None:
    own.keys["boxes"]["frame"] = "shares"
    said = mistakes(own)
    assert len(said) == 4
    assert (
        "mostly outside the image of 60 x 40: it was drawn on another size of it, or the description names" in said[0]
    )


def test_a_share_under_a_pixel_is_a_mistake_and_one_of_a_missing_image_is_left_out(own: Own) -> None:
    own.keys["boxes"]["frame"] = "shares"
    own.boxes = SHARES.replace(".1,.1,.5,.5", ".1,.1,.5,.015")  # 0.96 of 64 pixels
    assert "line 3: the box 0.1, 0.1, 0.5, 0.015 (left, top, width, height) is 32 x 0.96 pixels" in mistakes(own)[0]
    own.boxes = SHARES
    del own.images[B1]
    (own.folder / "pictures" / B1).unlink()
    dataset = own.build(partial=True)
    assert set(dataset.boxes) == {A1, D2}
    assert (B1, "left out: a share of an unknown size is no number of pixels") in [
        (image, repair) for image, _, repair in problems(dataset.folder)
    ]


def test_a_row_without_coordinates_is_left_out_and_recorded(own: Own) -> None:
    own.boxes += f"{C1},,,,,\n"
    dataset = own.build()
    assert C1 not in dataset.boxes
    assert (C1, "left out: it is no box") in [(image, repair) for image, _, repair in problems(dataset.folder)]


def test_a_box_that_leaves_its_image_is_cut_while_most_of_it_is_inside(own: Own) -> None:
    own.boxes = own.boxes.replace("0,0,5,5", "52,-4,10,20")  # 8 x 16 of 10 x 20 inside 60 x 40: 128 of 200
    dataset = own.build()
    assert dataset.boxes[A1]["Mass"][1].xywh() == [52, 0, 8, 16]
    said = [row for row in problems(dataset.folder) if row[0] == A1]
    assert [(row[1].partition(": ")[2], row[2]) for row in said] == [
        (
            "the box 52, -4, 10, 20 (left, top, width, height) leaves its image of 60 x 40 by 4 pixels",
            "cut at its edge",
        )
    ]


def test_boxes_of_missing_images_say_nothing_of_the_frame(own: Own) -> None:
    """Of one image that is there both boxes leave it; the others' images are not there."""
    own.boxes = own.boxes.replace("0,0,5,5", "52,-4,10,20")
    image = next(line.split(",")[0] for line in own.boxes.splitlines() if "52,-4" in line)
    lines = [line for line in own.boxes.splitlines()[1:] if not line.startswith(f"{image},") or "52,-4" in line]
    own.boxes = "\n".join(["image,finding,x,y,w,h", *lines, ""])
    kept = own.images[image]
    own.images = {image: kept}
    assert any("1 of 1 boxes are not inside their images" in said for said in mistakes(own, partial=True))


def test_boxes_without_area_are_not_called_shares(own: Own) -> None:
    own.boxes = f"image,finding,x,y,w,h\n{A1},Mass,0,0,0,0\n{B1},Mass,0,0,0,0\n"
    said = mistakes(own)
    assert len(said) == 2
    assert all("has no area" in one for one in said)


def test_many_boxes_that_leave_their_images_are_in_another_frame(own: Own) -> None:
    """Two of four: more than a third; each alone would be cut."""
    own.boxes = own.boxes.replace("0,0,5,5", "52,-4,10,20").replace("1,2,3,4", "-3,0,20,20")
    assert "2 of 4 boxes are not inside their images" in mistakes(own)[0]


def test_corners_given_as_x_y_w_h_are_refused_and_not_drawn_elsewhere(own: Own) -> None:
    own.boxes = f"image,finding,x,y,w,h\n{B1},Mass,20,20,60,60\n"
    assert "1 of 1 boxes are not inside their images, by more than a pixel: they were drawn" in mistakes(own)[0]


def test_all_mistakes_of_all_files_are_found_in_one_run(own: Own) -> None:
    own.labels = own.labels.replace("p2,Mass", ",Mas")
    own.boxes = own.boxes.replace("0,0,5,5", "0,0,five,5").replace("40,40,10.5,10", "40,40,50,10")
    own.images[C1] = encoded((30, 90), "PNG")[:60]
    own.images[D1] = encoded((9, 9), "PNG", "RGB")
    del own.images[A2]
    found = mistakes(own)
    for part in (
        "unknown finding 'Mas'",
        "five",
        "mostly outside",
        f"{C1} cannot be used",
        "1 of 6 images are missing",
    ):
        assert [part in problem for problem in found].count(True) == 1, part
    repaired = [(image, problem) for image, problem, repair in problems(own.dataset) if repair]
    assert (D1, "colour as RGB, 8 bit grey is expected") in repaired
    assert not (own.dataset / "dataset.json").exists()


@pytest.mark.parametrize("name", ["labels.csv", "boxes.csv"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0\1\xff" * 10_000, ",".join(f"c{i}" for i in range(1_000_000)).encode(), b"a" * 2_000_000, b"image\n"],
    ids=["empty", "binary", "columns", "line", "header"],
)
def test_a_hostile_table_is_a_mistake_and_no_hang(own: Own, name: str, content: bytes) -> None:
    own.build()
    (own.folder / name).unlink()
    own_write = own.write

    def write() -> Description:
        description = own_write()
        (own.folder / name).write_bytes(content)
        return description

    own.write = write  # type: ignore[method-assign]
    assert name in mistakes(own)[0]


def test_one_image_under_two_names_and_two_patients_is_said(own: Own) -> None:
    own.images[B1] = own.images[C1] = own.images[D1]  # of p2, p3 and NA
    own.images[A2] = own.images[A1]  # both of p1: no fold parts them
    own.boxes = BOXES.splitlines()[0] + f"\n{A1},Mass,1,2,3,4\n"
    dataset = own.build()
    assert [row for row in problems(dataset.folder) if "same pixels" in row[1]] == [
        (B1, f"the same pixels as {C1}, of another patient: crosses folds", "kept: both are used"),
        (D1, f"the same pixels as {C1}, of another patient: crosses folds", "kept: both are used"),
    ]


def test_images_may_be_absent_where_that_is_allowed(own: Own) -> None:
    del own.images[B1]
    assert "labels.csv has their paths below" in mistakes(own)[0]
    dataset = own.build(partial=True)
    assert (dataset.missing, dataset.size(B1)) == ({B1}, (0, 0))
    assert dataset.listed("bbox/val") == []
    assert dataset.info["counts"]["present_boxes"] == 3


@pytest.mark.parametrize("there", ["a/p1-2.JPG", "a/p1-2.jpeg", "A/p1-2.tif"])
def test_an_image_that_is_there_under_another_name_is_said_by_both(own: Own, there: str) -> None:
    own.images[there] = own.images.pop(A2)
    said = " ".join(mistakes(own))
    assert f"1 of 6 images are missing ({A2}): {there} is there where {A2} is asked for: give both one name" in said
    own.build(partial=True)
    assert (A2, f"is not there, but {there} is", "taken as missing") in problems(own.dataset)
    own.labels = own.labels.replace(A2, there)
    assert own.build().missing == frozenset()


def test_a_file_of_another_kind_that_the_labels_name_is_called_what_it_is(own: Own) -> None:
    own.images["a/p1-2.dcm"] = b"DICM"
    own.labels = own.labels.replace(A2, "a/p1-2.dcm")
    assert (
        "labels.csv names a/p1-2.dcm, a file that is there and no image that ham reads (.png, .jpg" in mistakes(own)[0]
    )


def test_all_that_is_missing_is_listed_up_to_ten(own: Own) -> None:
    own.labels += "".join(f"x/{number}.png,p9,,\n" for number in range(12))
    listed = ", ".join(f"x/{number}.png" for number in range(10))
    assert f"12 of 18 images are missing ({listed} and 2 more): labels.csv has their paths" in mistakes(own)[0]
    own.labels = LABELS.replace("Mass|Edema", "Mas|Oedem")
    assert "line 2: unknown finding 'Mas', 'Oedem'; the description's" in mistakes(own)[0]


def test_file_names_without_their_folders_are_said_to_be_missing(own: Own) -> None:
    own.labels = own.labels.replace("a/", "").replace("b/", "").replace("c/d/", "").replace("c/", "")
    own.labels = own.labels.replace("\n1.png,NA", "\n9.png,NA")
    own.keys |= {"boxes": None, "boxed_findings": []}
    assert "6 of 6 images are missing" in mistakes(own)[0]


def test_other_images_in_the_folder_are_left_out_and_recorded(own: Own) -> None:
    own.images["z/other.png"] = encoded((5, 5), "PNG")
    dataset = own.build()
    assert "z/other.png" not in dataset.table.index
    assert ("z/other.png", "in linked but in no table", "left out") in problems(dataset.folder)


def test_names_of_any_language_and_sizes_that_change_are_what_they_are(own: Own) -> None:
    own.labels = own.labels.replace(C1, "b/Müller ü.png")
    own.images["b/Müller ü.png"] = own.images.pop(C1)
    before = own.build().info["digests"]
    own.images[D1] = encoded((49, 32), "PNG")
    after = own.build()
    sample = Samples(after, ["b/Müller ü.png"], [], 16)[0]
    assert sample["image"].shape == (16, 16)
    assert after.size("b/Müller ü.png") == (30, 90)
    assert before["images"] != after.info["digests"]["images"]
    assert before["images.csv"] != after.info["digests"]["images.csv"]


def test_converting_again_gives_the_same_bytes_wherever_the_files_are(own: Own, tmp_path: Path) -> None:
    other = Own(tmp_path / "elsewhere")
    made: list[Dataset] = [own.build(), other.build()]
    for name in ("dataset.json", "images.csv", "Annotations/BBoxes.json", "ImageSets/Main/val.txt"):
        assert (made[0].folder / name).read_bytes() == (made[1].folder / name).read_bytes(), name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"archives": ["a.tar.gz"], "box_grid": 9}, "archives, box_grid: mean nothing where the source is table"),
        ({"labels": None}, "labels: needed where the source is table"),
        ({"images": None}, "images: needed where the source is table"),
        ({"boxes": None}, "boxes and boxed_findings: give both, or neither"),
        ({"boxed_findings": []}, "boxes and boxed_findings: give both, or neither"),
        ({"boxes": {"file": "b.csv"}}, "boxes: name the columns as xywh: [left, top, width, height] or corners"),
        ({"boxes": {"file": "b.csv", "xywh": [*"xywh"], "corners": [*"ltrb"]}}, "boxes: name the columns as xywh"),
        ({"boxes": {"file": "b.csv", "xywh": [*"xyw"]}}, "boxes.xywh"),
        ({"boxes": {"file": "b.JSON", "xywh": [*"xywh"]}}, "boxes: COCO's JSON takes neither xywh nor corners"),
        (
            {"labels": {"file": "l.csv", "pacient": "p"}},
            "labels.pacient: there is no such key; do you mean labels.patient?",
        ),
        ({"labels": {"file": "l.csv", "finding": "f"}}, "do you mean labels.findings?"),
        ({"boxes": {"file": "b.csv", "xywh": [*"xyxy"]}}, "boxes: x, y: the four columns are four: named twice"),
        ({"findings": ["No Finding", "Mass"]}, "No Finding means none of the others"),
        ({"labels": None, "images": None}, "images, labels: needed"),
        ({"source": "nih"}, "images, labels, boxes: mean nothing where the source is nih"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused(own: Own, changes: dict[str, Any], said: str) -> None:
    own.folder.mkdir()
    (own.folder / "own.yaml").write_text(yaml.safe_dump(own.keys | changes))
    with pytest.raises(SettingsError) as caught:
        Description.read(own.folder / "own.yaml")
    assert said in str(caught.value)


def test_paths_start_in_the_folder_of_the_description(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    own.keys["boxes"]["file"] = str(own.root / "boxes.csv")
    own.write()
    monkeypatch.chdir(own.root)
    description = Description.read(Path("mine/own.yaml"))
    assert description.images == str(own.root / "mine/pictures")
    assert description.own_tables == (str(own.root / "mine/labels.csv"), str(own.root / "boxes.csv"))
    assert Description.of(description.plain()) == description


def test_other_places_of_files_are_refused_where_the_description_says_them(own: Own) -> None:
    description = own.write()
    said = DataSettings(folder="/x", mirror="/y").refusals(description)
    assert said == [
        f"data.{key}: the description of Own says where its files are: leave this null" for key in ("mirror", "folder")
    ]
    assert DataSettings().refusals(description) == []
