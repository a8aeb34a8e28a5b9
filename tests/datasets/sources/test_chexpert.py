"""CheXpert's layout to the data set folder: sizes, boxes by their corners, labels that are no yes or no."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_chexpert import FINDINGS, FIRST, HEADER, LATER, LATERAL, SECOND, SIZES, THIRD, VALID, Brought, jpeg

from ham.boxes import resized_mask
from ham.datasets.dataset import Dataset
from ham.errors import DataError
from ham.images import read_grey
from ham.runtime.files import sha256


@pytest.fixture
def brought(tmp_path: Path) -> Brought:
    return Brought(tmp_path)


def problems(dataset: Dataset, image: str | None = None) -> list[tuple[str, str]]:
    with open(dataset.folder / "validation.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row["problem"], row["repair"]) for row in rows if image in (None, row["image"])]


def test_a_folder_becomes_a_data_set_without_a_copied_image(brought: Brought) -> None:
    dataset = brought.build()
    assert dataset.findings == FINDINGS
    assert list(dataset.table.index) == list(SIZES)
    assert {image: dataset.size(image) for image in SIZES} == SIZES
    assert dataset.patient(LATER) == "patient00003"
    assert dataset.table["view"].tolist() == ["PA", "lateral", *["frontal"] * 6]
    assert set(zip(dataset.table["sex"], dataset.table["age"], strict=True)) == {("F", "68")}
    assert (dataset.folder / "images/train").is_symlink()
    assert dataset.path(FIRST).samefile(brought.folder / FIRST)
    assert dataset.listed("Main/valid") == [VALID]
    assert dataset.listed("bbox/train") == [FIRST, LATERAL, THIRD]
    sources = {entry["file"]: entry for entry in dataset.info["sources"]}
    assert list(sources) == ["train", "valid", "train.csv", "valid.csv", "BBoxes.json"]
    assert (sources["train"]["images"], sources["valid"]["images"]) == (7, 1)
    assert sources["train.csv"]["sha256"] == sha256(brought.folder / "train.csv")
    assert sources["train.csv"]["uncertain"] == "zeros"


def test_boxes_are_corners_in_each_images_own_pixels(brought: Brought) -> None:
    dataset = brought.build()
    (box,) = dataset.boxes[LATERAL]["Cardiomegaly"]
    assert (box.x0, box.y0, box.x1, box.y1) == (5, 20, 30, 50)
    mask = resized_mask([box], *dataset.size(LATERAL), side=240)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    # 48 x 60 pixels on 240 x 240: five times across, four times down
    assert (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1) == (25, 150, 80, 200)
    written = json.loads((dataset.folder / "Annotations/BBoxes.json").read_text())
    assert written[LATERAL] == {"Cardiomegaly": [[5, 20, 25, 30]]}


def test_a_turned_image_has_the_size_in_which_its_boxes_were_drawn(brought: Brought) -> None:
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = 8
    Image.new("L", (48, 60), 90).save(data, "JPEG", exif=exif)  # lies 48 wide, 60 high; shown 60 wide, 48 high
    brought.images[FIRST] = data.getvalue()
    dataset = brought.build()
    assert dataset.size(FIRST) == SIZES[FIRST] == (60, 48)
    assert read_grey(dataset.path(FIRST)).size == (60, 48)


def test_the_two_misspellings_are_repaired_and_counted(brought: Brought) -> None:
    dataset = brought.build()
    assert [box.x0 for box in dataset.boxes[THIRD]["Edema"]] == [8, 40]
    assert set(dataset.boxes[VALID]) == {"Enlarged_Cardiomediastinum", "Atelectasis"}
    assert ("2 boxes are of edema, which CheXpert has no column of", "read as Edema") in problems(dataset, "")
    assert "1 boxes are of Enlarg_Cardiomediastinum" in " ".join(problem for problem, _ in problems(dataset, ""))


def test_an_image_that_is_named_without_a_box_is_kept_and_counted(brought: Brought) -> None:
    dataset = brought.build()
    assert json.loads((dataset.folder / "Annotations/BBoxes.json").read_text())[SECOND] == {}
    assert dataset.info["counts"]["boxed_images"] == 5
    assert SECOND not in dataset.boxes
    assert problems(dataset, SECOND) == [
        ("named in BBoxes.json without a box", "kept: an annotated image without boxes")
    ]


def test_folds_by_patient_are_over_the_annotated_images(brought: Brought) -> None:
    dataset = brought.build()
    tested = [image for fold in (1, 2) for image in dataset.listed(f"Main/by-patient/fold{fold}/test")]
    assert sorted(tested) == [FIRST, LATERAL, SECOND, THIRD, VALID]  # not LATER, of a patient who is among them
    for fold in (1, 2):
        parts = [
            {dataset.patient(image) for image in dataset.listed(f"Main/by-patient/fold{fold}/{part}")}
            for part in ("train", "val", "test")
        ]
        assert sum(map(len, parts)) == len(set().union(*parts)) == 4


@pytest.mark.parametrize(
    ("uncertain", "expected"),
    [
        ("ones", [1, 1, 1, 1, 1]),
        ("zeros", [0, 0, 1, 0, 0]),
        ("ignore", [np.nan, np.nan, 1, np.nan, np.nan]),
        ("paper", [np.nan, np.nan, 1, 1, np.nan]),
    ],
)
def test_uncertain_labels_are_what_the_policy_says_and_blank_ones_absent(
    brought: Brought, uncertain: str, expected: list[float]
) -> None:
    dataset = brought.build(uncertain=uncertain)
    np.testing.assert_array_equal(dataset.labels([THIRD])[0], expected)
    np.testing.assert_array_equal(dataset.labels([SECOND, LATER]), [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])


def test_the_papers_policy_takes_uncertain_edema_and_atelectasis_as_present(brought: Brought) -> None:
    dataset = brought.build(uncertain="paper")
    assert dataset.labels([FIRST])[0].tolist() == [0, 1, 1, 0, 1]
    said = problems(dataset, "")
    assert ("2 labels of Edema are uncertain", "read as present") in said
    assert ("1 labels of Pleural_Effusion are uncertain", "read as unknown") in said
    assert ("4 labels of Atelectasis are blank: not mentioned", "read as absent") in said


@pytest.mark.parametrize(("label", "said"), [("0.0", "absent"), ("", "not mentioned"), ("-1.0", "uncertain")])
def test_a_boxed_finding_is_present_whatever_the_table_says(brought: Brought, label: str, said: str) -> None:
    brought.labels[FIRST][2] = label
    dataset = brought.build(uncertain="ignore")
    assert dataset.labels([FIRST])[0][1] == 1
    assert (f"boxes of Cardiomegaly, which is {said} in the table", "taken as present") in problems(dataset, FIRST)


@pytest.mark.parametrize(
    ("corners", "box", "problem", "repair"),
    [
        ([50, 40, 20, 10], [20, 10, 30, 30], "has its corners the wrong way round", "corners turned"),
        ([20, 40, 50, 10], [20, 10, 30, 30], "has its corners the wrong way round", "corners turned"),
        ([20, 10, 62, 50], [20, 10, 40, 38], "leaves the image of 60 x 48", "cut at its edge"),
        ([-3, -2, 50, 40], [0, 0, 50, 40], "leaves the image of 60 x 48", "cut at its edge"),
        ([20, 10, 20, 40], None, "has no area", "left out"),
    ],
)
def test_a_box_that_can_be_mended_is_and_the_repair_recorded(
    brought: Brought, corners: list[float], box: list[float] | None, problem: str, repair: str
) -> None:
    brought.boxes[FIRST]["Cardiomegaly"] = [corners]
    dataset = brought.build()
    written = json.loads((dataset.folder / "Annotations/BBoxes.json").read_text())[FIRST]
    assert written.get("Cardiomegaly") == ([box] if box else None)
    text = "[" + ", ".join(map(str, corners)) + "]"
    assert (f"box {text} of Cardiomegaly {problem}", repair) in problems(dataset, FIRST)


def test_a_box_under_a_pixel_is_a_mistake(brought: Brought) -> None:
    brought.boxes[FIRST]["Cardiomegaly"] = [[9.99, 10, 10.01, 40]]
    with pytest.raises(
        DataError, match=r"Cardiomegaly: the box \[9\.99, 10, 10\.01, 40\] is 0\.02 x 30 pixels: under a"
    ):
        brought.build()


def test_boxes_in_shares_are_one_mistake(brought: Brought) -> None:
    brought.boxes = {FIRST: {"Cardiomegaly": [[0.2, 0.1, 0.8, 0.7]]}, LATERAL: {"Cardiomegaly": [[0.1, 0, 1, 1]]}}
    with pytest.raises(DataError, match=r"has a mistake: .*all boxes lie within 1 x 1: these are shares of the image"):
        brought.build()


def test_many_boxes_that_leave_their_images_were_drawn_on_others(brought: Brought) -> None:
    """Three of seven: each alone would be cut."""
    brought.boxes[FIRST]["Cardiomegaly"] = [[20, 10, 62, 50]]
    brought.boxes[THIRD] = {"Edema": [[-2, 0, 30, 30]]}
    brought.boxes[LATERAL]["Cardiomegaly"] = [[10, 10, 52, 50]]
    with pytest.raises(DataError, match="3 of 7 boxes are not inside their images"):
        brought.build()


def test_a_box_that_stands_there_twice_is_used_once(brought: Brought) -> None:
    brought.boxes[THIRD]["Edema"] = [[8, 8, 24, 40]]  # beside the misspelt ones
    dataset = brought.build()
    assert len(dataset.boxes[THIRD]["Edema"]) == 2
    assert ("box [8, 8, 24, 40] of Edema stands there twice", "used once") in problems(dataset, THIRD)


def test_reduced_images_are_refused_for_boxes_with_the_reason_and_taken_without(brought: Brought) -> None:
    brought.images = {image: jpeg(width // 7, height // 7) for image, (width, height) in SIZES.items()}
    brought.prefix = "CheXpert-v1.0-small/"
    with pytest.raises(
        DataError, match=r"mostly outside the image of \d x \d: boxes are in pixels of the full-size.*-sm"
    ):
        brought.build()
    brought.keys = {"boxed_findings": [], "tables": []}
    assert brought.build().boxes == {}


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (
            {FIRST: {"Hernia": [[1, 2, 3, 4]]}},
            r"patient00001.*, Hernia: a finding that is not among the boxed_findings",
        ),
        ({"train/patient00009/study1/view1_frontal.jpg": {}}, r"patient00009.*an image that train\.csv and valid\.csv"),
        ({FIRST: {"Edema": [[1, 2, 3]]}}, r"view1_frontal\.jpg is not \{finding: "),
        ({FIRST: {"Edema": [[1, 2, 3, "4"]]}}, r"view1_frontal\.jpg is not \{finding: "),
        ({FIRST: {"Edema": [[1, 2, 3, float("nan")]]}}, r"view1_frontal\.jpg is not \{finding: "),
        ({FIRST: {"Edema": [[1, 2, 3, 10**400]]}}, r"view1_frontal\.jpg is not \{finding: "),
        ({FIRST: {"Edema": [[1, 2, 3, float("inf")]]}}, r"view1_frontal\.jpg is not \{finding: "),
        ({FIRST: {"Edema": [[1, 2, 3, True]]}}, r"view1_frontal\.jpg is not \{finding: "),
        ({FIRST: [1, 2, 3, 4]}, r"view1_frontal\.jpg is not \{finding: "),
        ([], r"the file is not \{finding: "),
        ('{"a": {}, "a": {}}', r"cannot be read as JSON \(a stands there twice\)"),
        ("{", r"cannot be read as JSON"),
        ("[" * 100_000, r"cannot be read as JSON"),
    ],
)
def test_boxes_that_mean_nothing_are_refused(brought: Brought, boxes: Any, message: str) -> None:
    brought.boxes = boxes
    with pytest.raises(DataError, match=message):
        brought.build()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ["CheXpert-v1.0/train/../../x.jpg", "F", 1, "Frontal", "AP", *[""] * 6],
            r"train\.csv, line 9: '.*' is no path",
        ),
        (["x/train/patient1/study1/view1_frontal.png", "F", 1, "Frontal", "AP", *[""] * 6], r"line 9: .* is no path"),
        (["x/" + FIRST, "F", 1, "Frontal", "AP", *[""] * 6], r"view1_frontal\.jpg stands there twice"),
        (
            ["x/" + LATER.replace("study2", "study9"), "F", 1, "Oblique", "AP", *[""] * 6],
            r"line 9: 'Oblique' stands in",
        ),
        (
            ["x/" + LATER.replace("study2", "study9"), "F", 1, "Frontal", "AP", "", "2.0", *[""] * 4],
            r"line 9: the label '2\.0' is not 1\.0",
        ),
        (["x/" + LATER.replace("study2", "study9"), "F", 1, "Frontal"], r"line 9: 4 fields, 11 are expected"),
        (["x"] * 40, r"line 9: 40 fields, 11 are expected"),
    ],
)
def test_a_row_that_means_nothing_is_named_by_its_line(brought: Brought, row: list[Any], message: str) -> None:
    brought.write()
    with open(brought.folder / "train.csv", "a", newline="") as file:
        csv.writer(file).writerow(row)
    with pytest.raises(DataError, match=message):
        brought.convert()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train\.csv is empty"),
        (b"\0\1\xff" * 10_000, r"train\.csv, after line 0: no CSV text"),
        (",".join(f"c{i}" for i in range(1_000_000)).encode(), r"no CSV text"),
        (",".join(HEADER).replace("Edema", "Oedema").encode(), r"has no column Edema \(it has: Path, Sex"),
        (",".join(HEADER).encode(), r"has a header and no rows"),
        (",".join([*HEADER, "Edema"]).encode(), r"has the column Edema more than once: keep one"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(brought: Brought, content: bytes, message: str) -> None:
    brought.write()
    (brought.folder / "train.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        brought.convert()


def test_all_mistakes_stand_in_validation_csv_above_the_repairs(brought: Brought) -> None:
    brought.labels[THIRD][3] = "2.0"
    brought.labels[LATER][0] = "yes"  # a column that is no finding is not read
    brought.images.pop(FIRST)
    brought.boxes[LATERAL] = {"Hernia": [[1, 2, 3, 4]], "Edema": [[100, 100, 200, 200]]}
    with pytest.raises(DataError, match=r"5 mistakes, the first is:.*line 5.*validation\.csv lists all"):
        brought.build()
    with open(brought.dataset / "validation.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows if not row["repair"]] == ["", "", LATERAL, LATERAL, THIRD]
    assert [bool(row["repair"]) for row in rows] == sorted(bool(row["repair"]) for row in rows)
    assert not (brought.dataset / "dataset.json").exists()
    assert not (brought.dataset / "images").exists()


def test_a_byte_order_mark_and_other_line_ends_change_nothing(brought: Brought) -> None:
    expected = brought.build().table
    for name in ("train.csv", "valid.csv"):
        text = (brought.folder / name).read_text()
        (brought.folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\r\n", "\n").encode() + b"\n\n")
    assert brought.convert().table.equals(expected)


BATCHES = {
    "CheXpert-v1.0 batch 1 (validate & csv)": ["train.csv", "valid.csv", "valid"],
    "CheXpert-v1.0 batch 2 (train 1)": ["patient00001", "patient00002"],
    "CheXpert-v1.0 batch 3 (train 2)": ["patient00003"],
    "CheXpert-v1.0 batch 4 (train 3)": ["patient00004", "patient00005"],
}


def as_batches(brought: Brought, inner: str = "") -> Path:
    """The folder's content as it is handed out: four folders side by side, patients in them or in train/ below."""
    brought.write()
    root = brought.root / "handed out"
    for batch, names in BATCHES.items():
        for name in names:
            patient = name.startswith("patient")
            target = root / batch / (inner if patient else "") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (brought.folder / ("train" if patient else "") / name).rename(target)
    return root


@pytest.mark.parametrize("inner", ["", "train"])
@pytest.mark.parametrize("given", ["", "CheXpert-v1.0 batch 1 (validate & csv)"])
def test_the_batches_that_stanford_hands_out_are_one_data_set(brought: Brought, inner: str, given: str) -> None:
    expected = brought.build()
    before = expected.info
    root = as_batches(brought, inner)
    for _ in range(2):
        dataset = brought.convert(folder=str(root / given))
        assert dataset.info == before
        assert dataset.missing == frozenset()
        assert dataset.path(THIRD).resolve() == (
            root / "CheXpert-v1.0 batch 3 (train 2)" / inner / THIRD.removeprefix("train/")
        )
        assert all(dataset.path(image).is_file() for image in SIZES)
    whole = Brought(brought.root)
    assert whole.build().path(THIRD).resolve() == brought.folder / THIRD  # and back to one folder


def test_a_patient_in_two_batches_has_all_studies(brought: Brought) -> None:
    root = as_batches(brought)
    later = root / "CheXpert-v1.0 batch 4 (train 3)/patient00003/study2"
    later.parent.mkdir()
    (root / "CheXpert-v1.0 batch 3 (train 2)/patient00003/study2").rename(later)
    dataset = brought.convert(folder=str(root))
    assert dataset.missing == frozenset()
    assert dataset.path(LATER).resolve() == later / "view1_frontal.jpg"
    assert dataset.path(THIRD).is_file()


def test_a_batch_that_is_not_there_is_missing_images_or_a_partial_data_set(brought: Brought) -> None:
    root = as_batches(brought)
    (root / "CheXpert-v1.0 batch 4 (train 3)").rename(brought.root / "elsewhere")
    with pytest.raises(DataError, match="2 of 8 images are missing"):
        brought.convert(folder=str(root))
    assert len(brought.convert(folder=str(root), partial=True).missing) == 2


def test_a_folder_further_down_is_found_and_two_are_refused(brought: Brought) -> None:
    expected = brought.build().info
    (brought.root / "archive").mkdir()
    brought.folder.rename(brought.root / "archive/CheXpert-v1.0")
    assert brought.convert(folder=str(brought.root / "archive")).info == expected
    brought.write()
    brought.folder.rename(brought.root / "archive/CheXpert-v1.0-small")
    with pytest.raises(
        DataError, match=r"archive has train\.csv 2 times \(.*CheXpert-v1\.0-small/train\.csv\): give the fold"
    ):
        brought.convert(folder=str(brought.root / "archive"))


def test_a_table_of_frontal_views_works_as_a_partial_data_set(brought: Brought) -> None:
    brought.labels.pop(LATERAL)
    with pytest.raises(DataError, match=r"view2_lateral\.jpg, an image that train\.csv and valid\.csv do not have"):
        brought.build()
    dataset = brought.build(partial=True)
    assert LATERAL not in dataset.boxes
    assert len(dataset.table) == 7
    said = "1 boxes are of 1 images (1 lateral) that the tables do not have"
    assert (said, "left out: the data set is partial") in problems(dataset, "")


def test_whatever_root_the_path_column_has_images_are_named_from_train_or_valid_on(brought: Brought) -> None:
    for prefix in ("", "CheXpert-v1.0 batch 2 (train 1)/", "/data/train/chexpert/"):
        brought.prefix = prefix
        assert list(brought.build().table.index) == list(SIZES)


def test_absent_and_damaged_images_stop_a_conversion_unless_it_may_be_partial(brought: Brought) -> None:
    del brought.images[SECOND]
    brought.images[THIRD] = b"<html>no image</html>"
    with pytest.raises(
        DataError, match=rf"2 of 8 images are missing \({SECOND}, {THIRD}\): .*no JPEG.*set partial: true"
    ):
        brought.build()
    dataset = brought.build(partial=True)
    assert dataset.missing == {SECOND, THIRD}
    assert dataset.size(THIRD) == (0, 0)
    assert problems(dataset, THIRD)[0] == ("no JPEG image, or one whose header is damaged", "taken as missing")
    assert dataset.listed("bbox/train") == [FIRST, LATERAL]
    assert dataset.info["partial"] is True


def test_an_image_of_another_kind_under_a_jpeg_name_is_taken_as_absent(brought: Brought) -> None:
    data = io.BytesIO()
    Image.new("L", SIZES[SECOND]).save(data, "PNG")
    brought.images[SECOND] = data.getvalue()
    assert brought.build(partial=True).missing == {SECOND}


def test_a_folder_without_any_image_is_refused_also_as_partial(brought: Brought) -> None:
    brought.images = {}
    with pytest.raises(DataError, match=r"8 of 8 images.*not one is there; .*check data\.folder"):
        brought.build(partial=True)


def test_converting_again_gives_the_same_bytes_and_follows_a_folder_that_moved(brought: Brought) -> None:
    first = brought.build()
    files = ["dataset.json", "images.csv", "validation.csv", "ImageSets/Main/by-patient/fold1/train.txt"]
    before = {name: (first.folder / name).read_bytes() for name in files}
    moved = Brought(brought.root)
    brought.folder.rename(brought.root / "moved")
    (brought.root / "mine").symlink_to("moved")
    second = moved.convert()
    assert {name: (second.folder / name).read_bytes() for name in files} == before
    assert (second.folder / "images/valid").resolve() == brought.root / "moved/valid"


def test_real_images_in_the_way_of_a_link_are_not_touched(brought: Brought) -> None:
    (brought.dataset / "images/train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"images/train is in the way"):
        brought.build()
    assert (brought.dataset / "images/train").is_dir()


def test_a_folder_that_is_the_data_sets_own_is_used_where_it_lies(brought: Brought) -> None:
    brought.write()
    brought.dataset.joinpath("images").symlink_to(brought.folder)
    dataset = brought.convert(folder=str(brought.dataset / "images"))
    assert (brought.folder / "train").is_dir()
    assert not (brought.folder / "train").is_symlink()
    assert dataset.path(FIRST).is_file()


def test_another_size_of_an_image_is_another_data_set(brought: Brought) -> None:
    before = brought.build().info["digests"]
    brought.images[LATER] = jpeg(*SIZES[LATER], value=200)
    (brought.folder / LATER).write_bytes(jpeg(51, 64))
    after = brought.convert().info["digests"]
    assert before["images"] != after["images"]
    assert before["images.csv"] != after["images.csv"]
