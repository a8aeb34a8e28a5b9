"""NIH's tables to the data set folder: forms that are understood, and mistakes that are named."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
from PIL import Image
from small_nih import FOLDS, Mirror, box_list, png

from ham.datasets.settings import DataSettings
from ham.datasets.sources import csv_text, nih
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.errors import DataError
from ham.images import read_grey

ENTRIES = "Data_Entry_2017_v2020.csv"
BOX_LIST = "BBox_List_2017.csv"
FIRST = "00000001_000.png"


def rows(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


def test_a_distribution_becomes_a_data_set(mirror: Mirror) -> None:
    dataset = mirror.build()
    assert dataset.findings == ("Infiltration", "Mass", "Edema")
    np.testing.assert_array_equal(dataset.labels(list(dataset.table.index))[:3], [[0, 1, 0], [1, 1, 0], [0, 0, 0]])
    assert dataset.patient("00000003_001.png") == "3"
    assert dataset.size(FIRST) == (32, 32)
    assert dataset.table.loc[FIRST, ["view", "sex", "age"]].tolist() == ["PA", "M", "57"]
    assert all(dataset.path(image).is_file() for image in dataset.table.index)
    assert dataset.listed("Main/fold1/test_0_0.2") == [FIRST]
    assert dataset.listed("bbox/empty") == []
    assert dataset.info["partial"] is False
    assert dataset.info["key"] == "small"
    assert rows(dataset.folder / "missing.csv") == []


def test_boxes_are_in_the_frame_of_the_distributed_image_and_infiltrate_means_infiltration(mirror: Mirror) -> None:
    dataset = mirror.build()
    assert dataset.boxes["00000001_001.png"]["Infiltration"][0].xywh() == pytest.approx([3, 4, 20.5, 27.9])
    assert json.loads((dataset.folder / "Annotations/BBoxes.json").read_text()) == json.loads(
        mirror.files["published/Annotations/BBoxes.json"]
    )
    assert rows(dataset.folder / "validation.csv") == [
        ',"1 boxes are of Infiltrate, a finding that Data_Entry does not know",read as Infiltration'
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Patient Sex", "Patient Gender"),
        # 2017: a nameless last column, ages as 057Y
        lambda text: "\n".join(line + "," for line in text.replace(",57,", ",057Y,").splitlines()) + "\n",
        lambda text: text.replace("spacing[x,y]".title(), "spacing[x,y]") + "\n\n",
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
    ],
    ids=["gender", "2017", "blank lines at the end", "byte order mark and CRLF"],
)
def test_every_issue_of_data_entry_reads_the_same(mirror: Mirror, change) -> None:  # type: ignore[no-untyped-def]
    expected = mirror.build().table
    mirror.text(ENTRIES, change(mirror.files[ENTRIES].decode()))
    assert mirror.build().table.equals(expected)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (ENTRIES, "Infiltration|Mass", "Infiltration|Mas", r"line 3: unknown finding 'Mas'"),
        (ENTRIES, "Infiltration|Mass", "No Finding|Mass", r"line 3: No Finding beside a finding"),
        (ENTRIES, "Infiltration|Mass", "", r"line 3: unknown finding ''"),
        (ENTRIES, "00000001_001.png", FIRST, rf"line 3: {FIRST} stands in line 2 already"),
        (ENTRIES, "00000001_001.png", "../../etc/x.png", r"line 3: the image name '../../etc/x.png' has an empty"),
        (ENTRIES, "00000001_001.png", "/etc/x.png", r"line 3: the image name '/etc/x.png' is not a relative path"),
        (ENTRIES, "Patient ID", "Patient", "the header has no column Patient ID"),
        (
            ENTRIES,
            ",57,M,PA,2682,2749,0.143,0.143\n00000001_001",
            "\n00000001_001",
            r"line 2: 4 fields, 11 are expected",
        ),
        (ENTRIES, "Mass,0,1,", "Mass,0,,", rf"line 2: {FIRST} has no patient"),
        (ENTRIES, "Mass", "x," * 1_000_000, "after line 1: no CSV text"),
        (BOX_LIST, f"{FIRST},Mass", "x.png,Mass", r"line 2: a box for x\.png, an image that Data_Entry does not have"),
        (BOX_LIST, f"{FIRST},Mass", f"{FIRST},Infiltrate", "line 2: a box of Infiltration in .* does not have"),
        (BOX_LIST, f"{FIRST},Mass", f"{FIRST},Edema", "line 2: a box of 'Edema', which is not among"),
        (BOX_LIST, "1.5,2.25,10.125,7", "1.5,2.25,30.6,7", "line 2: the box .* is not inside the image of 32 x 32"),
        (BOX_LIST, "1.5,2.25,10.125,7", "-1,2.25,10.125,7", "line 2: the box .* is not inside"),
        (BOX_LIST, "1.5,2.25,10.125,7", "1,2,0,7", "line 2: the box .* is not inside"),
        (BOX_LIST, "1.5,2.25,10.125,7", "nan,2.25,10.125,7", "line 2: .* are not four numbers"),
        (BOX_LIST, "1.5,2.25,10.125,7", "1.5,2.25,wide,7", "line 2: .* are not four numbers"),
        (BOX_LIST, "1.5,2.25,10.125,7", "1.5,2.25,10", "line 2: 5 fields"),
        (BOX_LIST, "Image Index", "Image", "the header does not begin with"),
        ("published/ImageSets/Main/fold1/test_0_0.2.txt", FIRST, "x.png", r"entry 1: x\.png is no image"),
        ("published/ImageSets/Main/fold1/test_0_0.2.txt", FIRST, f"{FIRST}\n{FIRST}", "is listed twice"),
        ("test_list.txt", FIRST, "00000004_001.png", "not the official .* byte for byte"),
        ("published/Annotations/BBoxes.json", "{", "[", "cannot be read as JSON"),
        ("published/Annotations/BBoxes.json", "1.5", '"1.5"', "is not {image: {finding: .* of numbers: get it again"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_line(mirror: Mirror, name: str, old: str, new: str, message: str) -> None:
    text = mirror.files[name].decode()
    assert old in text
    mirror.text(name, text.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        mirror.build()
    assert Path(name).name in str(caught.value)


@pytest.mark.parametrize("damage", [b"\0" * 9, b"\xff\xfe", b'\n"'], ids=["zeros", "no UTF-8", "an open quote"])
def test_a_damaged_table_is_no_csv_text(mirror: Mirror, damage: bytes) -> None:
    row = b"00000009_000.png,Mass,0,9,57,M,PA,1,1,1," + b"x" * 5000  # behind what fetching looks at
    mirror.files[ENTRIES] += row + damage + b"y" * 200_000
    with pytest.raises(DataError, match=rf"{ENTRIES}, after line \d+: no CSV text"):
        mirror.build()


def test_a_box_that_stands_twice_is_an_error(mirror: Mirror) -> None:
    line = f"{FIRST},Mass,1.5,2.25,10.125,7\n"
    mirror.text(BOX_LIST, mirror.files[BOX_LIST].decode() + line)
    with pytest.raises(DataError, match="line 4: the same box of Mass"):
        mirror.build()


def test_two_boxes_of_one_finding_in_an_image_are_kept(mirror: Mirror) -> None:
    mirror.text(BOX_LIST, mirror.files[BOX_LIST].decode() + f"{FIRST},Mass,20,20,5,5\n")
    dataset = mirror.build()
    assert len(dataset.boxes[FIRST]["Mass"]) == 2
    assert dataset.info["counts"]["boxes"] == 3
    # and the authors' file, which has one, is said to differ
    assert f"{FIRST},the authors' boxes differ" in (dataset.folder / "validation.csv").read_text().replace('"', "")


def test_a_box_that_differs_from_the_authors_is_recorded(mirror: Mirror) -> None:
    mirror.text(BOX_LIST, mirror.files[BOX_LIST].decode().replace("10.125", "10.12500001"))
    dataset = mirror.build()
    assert any(row.startswith(FIRST) for row in rows(dataset.folder / "validation.csv"))
    assert dataset.boxes[FIRST]["Mass"][0].xywh()[2] == pytest.approx(10.12500001, abs=1e-12)


def test_absent_images_stop_the_conversion_unless_they_are_allowed(mirror: Mirror) -> None:
    del mirror.archives["images_002.tar.gz"]["00000003_001.png"]
    with pytest.raises(DataError, match=r"1 of 8 images are missing \(00000003_001\.png\).*partial: true"):
        mirror.build()
    assert not (mirror.dataset / "dataset.json").exists()
    dataset = mirror.build(partial=True)
    assert rows(dataset.folder / "missing.csv") == ["00000003_001.png"]
    assert dataset.info["partial"] is True
    assert dataset.info["counts"]["present"] == 7
    assert dataset.info["lists"]["Main/train_val_list"]["present"] == 3
    assert "00000003_001.png" not in dataset.listed("Main/train_val_list")


def test_a_download_without_one_image_is_refused_even_as_a_partial_one(mirror: Mirror) -> None:
    for images in mirror.archives.values():
        images.clear()
    with pytest.raises(DataError, match="not one is there"):
        mirror.build(partial=True)


def test_allowing_absent_images_changes_nothing_when_all_are_there(mirror: Mirror) -> None:
    first = (mirror.build().folder / "dataset.json").read_bytes()
    assert (mirror.build(partial=True).folder / "dataset.json").read_bytes() == first


def test_other_pixels_are_another_data_set(mirror: Mirror) -> None:
    first = mirror.build().info["digests"]["images"]
    mirror.archives["images_001.tar.gz"][FIRST] = png(200)
    assert mirror.build().info["digests"]["images"] != first


def test_an_image_lost_after_its_check_is_noticed(mirror: Mirror) -> None:
    dataset = mirror.build()
    description = mirror.write()
    checks = sorted((dataset.folder / ".checked").iterdir())
    dataset.path("00000002_000.png").write_bytes(b"")
    said = r"00000002_000\.png has 0 bytes, it had \d+ when it was checked: remove images_001\.csv in \.unpacked/"
    fetched, data = dataset.folder / ".sources", DataSettings(folds=FOLDS)
    request = ConversionRequest(dataset.folder, "small", description, data, fetched, tuple(checks))
    with pytest.raises(DataError, match=said):
        convert(request)


def test_images_that_no_table_knows_are_left_out_and_recorded(mirror: Mirror) -> None:
    mirror.archives["images_002.tar.gz"]["99999999_000.png"] = png(5)
    dataset = mirror.build()
    assert "99999999_000.png,in images_002 but in no table,left out" in rows(dataset.folder / "validation.csv")
    assert dataset.info["counts"]["images"] == 8


def test_one_run_names_every_mistake_of_tables_boxes_lists_and_images(mirror: Mirror) -> None:
    entries, boxes = mirror.files[ENTRIES].decode(), mirror.files[BOX_LIST].decode()
    mirror.text(ENTRIES, entries.replace("No Finding", "Noise", 1) + entries.splitlines()[1] + "\n")
    mirror.text(BOX_LIST, boxes.replace("1.5,2.25,10.125,7", "1.5,2.25,30.6,7") + "x.png,Mass,1,2,3,4\n")
    mirror.text("published/ImageSets/Main/fold1/test_0_0.2.txt", "x.png\ny.png")
    mirror.text("published/Annotations/BBoxes.json", "[" * 100_000)
    mirror.archives["images_001.tar.gz"][FIRST] = png(0, size=64)
    mirror.archives["images_001.tar.gz"]["00000002_000.png"] = png()[:60]
    mirror.archives["images_002.tar.gz"]["00000004_000.png"] = png(mode="RGBA")
    del mirror.archives["images_002.tar.gz"]["00000004_001.png"]
    with pytest.raises(DataError, match=r"data set Small has 9 mistakes, the first is: .*validation\.csv lists all"):
        mirror.build()
    found = rows(mirror.dataset / "validation.csv")
    for said in (
        "unknown finding 'Noise'",
        f"{FIRST} stands in line 2 already",
        "is not inside the image of 32 x 32",
        "a box for x.png, an image that Data_Entry does not have",
        "BBoxes.json cannot be read as JSON",
        "entry 1: x.png is no image of Data_Entry, nor are ",
        "has 64 x 64 pixels, 32 x 32 are expected",
        "00000002_000.png cannot be used (",
        "1 of 8 images are missing",
    ):
        assert len([row for row in found if said in row]) == 1, said
    # what was repaired stands below the mistakes
    assert found[9:] == [
        ',"1 boxes are of Infiltrate, a finding that Data_Entry does not know",read as Infiltration',
        '00000004_000.png,"grey as RGBA, 8 bit grey is expected",read as grey: nothing is lost',
    ]
    assert not (mirror.dataset / "dataset.json").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe" * 99, "cannot be read as a list of images"), (b"x\n" * 200, "it is no list of images")],
    ids=["binary", "larger than any list"],
)
def test_a_list_that_is_none_is_a_mistake(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.setattr(nih, "LARGEST_TABLE", 300)
    mirror.files["published/ImageSets/Main/fold1/test_0_0.2.txt"] = content
    with pytest.raises(DataError, match=said):
        mirror.build()


def test_a_line_without_end_is_not_read_whole(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = csv_text._lines

    def watched(file: TextIO) -> Iterator[str]:
        for line in read(file):
            asked.append(len(line))
            yield line

    monkeypatch.setattr(csv_text, "_lines", watched)
    mirror.text(ENTRIES, "," * 10_000_000)
    with pytest.raises(DataError, match="a line of 65536 characters or more"):
        mirror.build()
    assert asked == []


def test_a_box_under_a_pixel_is_a_mistake(mirror: Mirror) -> None:
    mirror.text(BOX_LIST, box_list([(FIRST, "Mass", "9.99,4,0.02,9")]))
    with pytest.raises(
        DataError, match=r"line 2: the box x 9\.99, y 4\.0, w 0\.02, h 9\.0 is under a pixel: it covers nothing"
    ):
        mirror.build()


def test_a_table_that_is_none_ends_in_validation_csv_too(mirror: Mirror) -> None:
    mirror.text(ENTRIES, "")
    with pytest.raises(DataError, match="is empty"):
        mirror.build()
    assert "is empty" in rows(mirror.dataset / "validation.csv")[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png(0, size=64), "has 64 x 64 pixels, 32 x 32 are expected"),
        (png()[:-20], "cannot be used"),
        (b"<html>", "cannot be used (no PNG, JPEG, TIFF or BMP image, or a kind"),
    ],
    ids=["size", "truncated", "no image"],
)
def test_an_image_that_cannot_be_used_is_a_mistake(mirror: Mirror, content: bytes, said: str) -> None:
    mirror.archives["images_001.tar.gz"][FIRST] = content
    with pytest.raises(DataError, match="data set Small has a mistake") as caught:
        mirror.build()
    assert said in str(caught.value)
    assert rows(mirror.dataset / "validation.csv")[0].startswith(f"{FIRST},")


def test_an_image_of_sixteen_bits_is_read_over_their_full_range_and_recorded(mirror: Mirror) -> None:
    mirror.archives["images_001.tar.gz"][FIRST] = png(257 * 77, mode="I;16")
    dataset = mirror.build()
    (row,) = [row for row in rows(dataset.folder / "validation.csv") if row.startswith(FIRST)]
    assert '"grey 16 bit, 8 bit grey is expected","read as 8 bit, the full range of 16: 65535 becomes 255"' in row
    assert read_grey(dataset.path(FIRST)).getextrema() == (77, 77)


@pytest.mark.parametrize(
    ("colour", "repair"),
    [((9, 9, 9, 255), "nothing is lost"), ((9, 8, 9, 255), "brightness is kept"), ((9, 9, 9, 0), "brightness is kept")],
)
def test_an_image_of_another_form_is_read_as_grey_and_recorded(
    mirror: Mirror, colour: tuple[int, ...], repair: str
) -> None:
    data = io.BytesIO()
    Image.new("RGBA", (32, 32), colour).save(data, "PNG")
    mirror.archives["images_001.tar.gz"][FIRST] = data.getvalue()
    dataset = mirror.build()
    row = [row for row in rows(dataset.folder / "validation.csv") if row.startswith(FIRST)]
    assert len(row) == 1
    assert f"read as grey: {repair}" in row[0]
    assert read_grey(dataset.path(FIRST)).getpixel((0, 0)) == {9: 9, 8: 8}[colour[1]]


def test_an_image_in_two_archives_must_be_the_same(mirror: Mirror) -> None:
    mirror.archives["images_002.tar.gz"][FIRST] = mirror.archives["images_001.tar.gz"][FIRST]
    assert f'{FIRST},in the archives images_001 and images_002,"the same bytes, used once"' in rows(
        mirror.build().folder / "validation.csv"
    )
    mirror.archives["images_002.tar.gz"][FIRST] = png(77)
    with pytest.raises(DataError, match="images_001 and images_002 with different content"):
        mirror.build()


def test_an_official_list_without_a_published_copy_is_used(mirror: Mirror) -> None:
    mirror.keys["lists"] = []
    assert len(mirror.build().listed("Main/test_list")) == 4


def test_folds_by_patient_stand_beside_the_lists_of_others(mirror: Mirror) -> None:
    dataset = mirror.build()
    assert set(FOLDS.list_names) < set(dataset.info["lists"])
    for fold in (1, 2):
        parts = [dataset.listed(f"Main/by-patient/fold{fold}/{part}") for part in ("train", "val", "test")]
        assert sorted(image for part in parts for image in part) == list(dataset.table.index)
        assert len({dataset.patient(image) for image in parts[0]} & {dataset.patient(image) for image in parts[2]}) == 0
    tested = [image for fold in (1, 2) for image in dataset.listed(f"bbox/by-patient/fold{fold}/test")]
    assert sorted(tested) == sorted(dataset.boxes)


def test_sources_are_named_with_size_and_digest_and_without_places(mirror: Mirror) -> None:
    dataset = mirror.build()
    sources = {source["file"]: source for source in dataset.info["sources"]}
    assert sources["images_001.tar.gz"]["images"] == 5
    assert sources[ENTRIES]["bytes"] == len(mirror.files[ENTRIES])
    assert len(sources[ENTRIES]["sha256"]) == 64
    assert str(mirror.root) not in (dataset.folder / "dataset.json").read_text()


def test_lists_and_boxes_with_a_byte_order_mark_are_read(mirror: Mirror) -> None:
    before = mirror.build()
    listed = before.listed("Main/fold1/test_0_0.2")
    for name in ("published/ImageSets/Main/fold1/test_0_0.2.txt", "published/Annotations/BBoxes.json"):
        mirror.files[name] = b"\xef\xbb\xbf" + mirror.files[name]
    after = mirror.build()
    assert after.listed("Main/fold1/test_0_0.2") == listed
    assert after.boxes == before.boxes


def test_public_copies_that_are_jpeg_inside_an_archive_are_used_under_the_tables_names(mirror: Mirror) -> None:
    for images in mirror.archives.values():
        for name in list(images):
            data = io.BytesIO()
            Image.open(io.BytesIO(images.pop(name))).save(data, "JPEG")
            images[name.replace(".png", ".jpg")] = data.getvalue()
    dataset = mirror.build()
    assert not dataset.missing
    assert any("are there under another ending" in row for row in rows(mirror.dataset / "validation.csv"))
