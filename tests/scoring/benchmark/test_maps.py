"""Maps of others in every form, and hostile ones: each is read as it was written, or is one sentence."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_lengths

from ham.errors import DataError, HamError, SettingsError
from ham.model.map_file import write_maps
from ham.scoring.benchmark.maps import MapsDescription, OutsideMaps
from ham.scoring.benchmark.regions import OutsideRegions

FINDINGS = ["Mass", "Infiltrate"]
DESCRIPTION = "method: theirs\nfindings: [Mass, Infiltrate]\nnames: {Infiltrate: Infiltration}\n"
MAPS = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 5  # [findings, h, w]


def npy(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def as_folder(folder: Path) -> None:
    (folder / "a.png").mkdir()
    for name, one in zip(FINDINGS, MAPS, strict=True):
        np.save(folder / f"a.png/{name}.npy", one)


def as_pictures(folder: Path) -> None:
    (folder / "a").mkdir()
    for name, one in zip(FINDINGS, MAPS, strict=True):
        Image.fromarray((one + 5).astype(np.uint8)).save(folder / f"a/{name}.png")


def as_stack(folder: Path) -> None:
    np.save(folder / "a.npy", MAPS)


def as_doubles(folder: Path) -> None:
    np.save(folder / "a.png.npy", MAPS.astype(np.float64))


def as_archive(folder: Path) -> None:
    np.savez_compressed(folder / "a.npz", **dict(zip(FINDINGS, MAPS, strict=True)))


def as_archive_of_one(folder: Path) -> None:
    np.savez(folder / "a.npz", MAPS)


def as_ours(folder: Path) -> None:
    with write_maps(folder / "maps.npz") as maps:
        for name, one in zip(FINDINGS, MAPS, strict=True):
            maps.write("a.png", name, one)


@pytest.mark.parametrize(
    "write", [as_folder, as_pictures, as_stack, as_doubles, as_archive, as_archive_of_one, as_ours]
)
def test_a_map_is_read_as_it_was_written(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text(DESCRIPTION)
    write(tmp_path)
    with OutsideMaps(tmp_path, MapsDescription.read(tmp_path)) as maps:
        assert maps.findings == {"Mass", "Infiltration"}
        for finding, one in zip(("Mass", "Infiltration"), MAPS, strict=True):
            found = maps.read("a.png", finding)
            assert found is not None
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, one + 5 if write is as_pictures else one)
        assert maps.read("b.png", "Mass") is None


def test_a_map_stored_column_by_column_is_the_same_map(tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text(DESCRIPTION)
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a/Mass.npy", np.asfortranarray(MAPS[0]))
    found = OutsideMaps(tmp_path, MapsDescription.read(tmp_path)).read("a.png", "Mass")
    np.testing.assert_array_equal(found, MAPS[0])


def bomb() -> bytes:
    """A header of a hundred thousand by a hundred thousand, and no numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2, 100000, 100000)})
    return file.getvalue()


def flat_bomb() -> bytes:
    """The same of one map."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (100000, 100000)})
    return file.getvalue()


def archive(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in members:
            packed.writestr(name, content)
    return file.getvalue()


def colour() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def wide() -> bytes:
    file = io.BytesIO()
    Image.new("L", (5000, 2)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.npy", bomb(), "from 1 to 4096 a side"),
        ("a.npy", npy(np.array([{}, None], dtype=object), allow_pickle=True), "nothing is unpickled"),
        ("a.npy", b"\x80\x04]\x94.", "cannot be read as a map"),
        ("a.npy", npy(MAPS)[:-56], "ends before its numbers do"),
        ("a.npy", npy(MAPS[0]), r"not \[2, h, w\]"),
        ("a.npy", npy(MAPS[:, :, :0]), "from 1 to 4096 a side"),
        ("a.npy", npy(np.full((2, 3, 4), np.nan)), "holds nan"),
        ("a.npy", npy(np.full((2, 3, 4), 1e300)), "beyond float32"),
        ("a.npy", npy(MAPS.astype(np.complex64)), "not numbers"),
        ("a.npy", npy(np.full((2, 3, 4), "x")), "not numbers"),
        ("a.npy", npy(np.zeros((2, 3), dtype=[("x", "f4")])), "not numbers"),
        ("a.npy", npy(np.asfortranarray(MAPS)), "column by column"),
        ("a.npz", archive(("../Mass.npy", npy(MAPS[0]))), "has a member"),
        ("a.npz", archive(("/tmp/Mass.npy", npy(MAPS[0]))), "has a member"),
        ("a.npz", archive(("Mass.npy", npy(MAPS[0])), ("Other.npy", npy(MAPS[0]))), "not among the findings"),
        ("a.npz", archive(("Mass.npy", bomb())), "not .h, w."),
        ("a.npz", archive(("Mass.npy", npy(np.array([None]), allow_pickle=True))), "not .h, w.|nothing is unpickled"),
        ("a.npz", archive(), "has no array"),
        ("a.npz", b"PK\x03\x04 and no more", "cannot be read as a map"),
        ("a/Mass.npy", npy(MAPS), r"not \[h, w\]"),
        ("a/Mass.png", colour(), "picture in colour"),
        ("a/Mass.png", wide(), "from 1 to 4096 a side"),
        ("a/Mass.png", b"GIF89a", "cannot be read as a map"),
        ("a/Hernia.npy", npy(MAPS[0]), "does not list"),
        ("maps.npz", b"no archive", "cannot be read as a map"),
        ("maps.npz", archive(("a.png/Mass.npy", flat_bomb())), "from 1 to 4096 a side"),
    ],
)
def test_a_hostile_map_is_one_sentence(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text(DESCRIPTION)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as raised:
        OutsideMaps(tmp_path, MapsDescription.read(tmp_path)).read("a.png", "Mass")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: x\nfindings: ['../Mass']\n", "empty, overlong, '.' or '..' part|holds no /"),
        ("method: x\nfindings: [Mass, Mass]\n", "each stands there once"),
        ("method: x\nfindings: [Mass]\nnames: {Nodule: Mass}\n", "not among findings"),
        ("method: x\nfindings: [A, B]\nnames: {A: Mass, B: Mass}\n", "the same name"),
        ("method: x\nfindings: [Mass]\nkind: boxes\n", "needs results"),
        ("method: x\nfindings: [Mass]\nkind: boxes\nresults: ../r.json\n", "name a file below the folder"),
        ("method: x\nfindings: [Mass]\nframe: crop\n", "frame"),
        ("method: x\n", "findings"),
        ("- method\n", "a map of keys"),
    ],
)
def test_a_description_with_a_mistake_is_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        MapsDescription.read(tmp_path)


def test_an_unknown_finding_is_named(tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text(DESCRIPTION)
    with pytest.raises(DataError, match="Infiltration is no finding here"):
        MapsDescription.read(tmp_path).require_known(tmp_path, ["Mass"])


SIZE = (8, 6)  # width, height
BOXES = "method: boxes\nkind: boxes\nresults: r.{ending}\nfindings: [Mass, Nodule]\n"


def regions(folder: Path, name: str, content: str, more: str = "") -> OutsideRegions:
    (folder / "maps.yaml").write_text(BOXES.format(ending=name.partition(".")[2]) + more)
    (folder / name).write_text(content)
    return OutsideRegions(folder, MapsDescription.read(folder))


def expected() -> np.ndarray:
    """On 8 x 8 of an image of 8 x 6: a box of .5 in columns 1 to 4, .9 where another lies over it."""
    out = np.zeros((6, 8), dtype=np.float32)
    out[0:3, 1:5] = 0.5
    out[2:6, 4:8] = 0.9
    return out[np.array([0, 1, 1, 2, 3, 4, 4, 5])]  # rows as Pillow's nearest takes them


def test_boxes_are_painted_with_the_highest_score_that_covers_a_pixel(tmp_path: Path) -> None:
    text = "image,finding,x,y,w,h,score\na.png,Mass,4,2,4,4,.9\na.png,Mass,1,0,4,3,.5\nb.png,Nodule,0,0,1,1,.1\n"
    found = regions(tmp_path, "r.csv", text)
    np.testing.assert_array_equal(found.read("a.png", "Mass", SIZE, 8), expected())
    assert not found.read("a.png", "Nodule", SIZE, 8).any()
    assert found.images == {"a.png", "b.png"}


def test_coco_results_are_read_as_boxes_and_as_run_lengths(tmp_path: Path) -> None:
    region = np.zeros((6, 8), dtype=np.uint8, order="F")
    region[2:6, 4:8] = 1
    rle = run_lengths.encode(region)
    mask = {"size": rle["size"], "counts": rle["counts"].decode()}
    results = [
        {"image_id": 7, "category_id": 3, "bbox": [1, 0, 4, 3], "score": 0.5},
        {"image_id": 7, "category_id": 3, "segmentation": mask, "score": 0.9},
    ]
    coco = {"images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 3, "name": "Mass"}], "annotations": []}
    (tmp_path / "ids.json").write_text(json.dumps(coco))
    found = regions(tmp_path, "r.json", json.dumps(results), "coco: ids.json\n")
    np.testing.assert_array_equal(found.read("a.png", "Mass", SIZE, 8), expected())


ENTRY: dict[str, Any] = {"image_id": "a.png", "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_id": "../a.png"}, "'..' part"),
        ({"image_id": 5}, "image_id is of no image"),
        ({"category_id": 9}, "of no finding"),
        ({"score": -1}, "not above 0"),
        ({"score": None}, "is no score"),
        ({"bbox": [0, 0, 1]}, "no bbox of four numbers"),
        ({"segmentation": [[0, 0, 1, 1, 2, 2]]}, "no compressed run lengths"),
        ({"segmentation": {"size": [10**6, 10**6], "counts": "0"}}, "up to 8192 a side"),
        ({"segmentation": {"size": [6, 9], "counts": "0"}}, "has the size"),
        ({"segmentation": {"size": [6, 8], "counts": "PPPPPPPPPPPP1"}}, "no run lengths that can be read"),
    ],
)
def test_a_hostile_result_is_one_sentence(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(HamError, match=re.escape(said)):
        regions(tmp_path, "r.json", json.dumps([ENTRY | change])).read("a.png", "Mass", SIZE, 8)
