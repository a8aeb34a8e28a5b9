"""The ways to a data set: archives that go once unpacked, chosen archives, a folder that has the images already."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from .conftest import Checkout, copy_of_workflow

ARCHIVES = {"fetch_archive": 2, "unpack": 2, "check_images": 2, "convert": 1, "summarize": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A data set whose archives were deleted once unpacked."""
    checkout = copy_of_workflow(tmp_path_factory.mktemp("data") / "checkout")
    checkout.edit("small.yaml", "data:", "data:\n  keep_archives: false")
    checkout.run("datasets")
    return checkout


def planned(checkout: Checkout, *words: str) -> dict[str, int]:
    found = checkout.planned("datasets", *words)
    found.pop("datasets", None)
    return found


def test_archives_are_deleted_once_unpacked_and_not_fetched_again(made: Checkout) -> None:
    folder = made.folder / "datasets/Phantom"
    assert len(list((folder / "images").glob("*.png"))) == 60
    assert not list((folder / ".sources").glob("images_*"))
    assert planned(made) == {}
    made.edit("small.yaml", "data:", "data:\n  mirror: /somewhere/else")
    assert planned(made) == {}
    made.edit("ham/datasets/sources/label_table.py", 'NO_FINDING = "No Finding"', 'NO_FINDING = "None"')
    assert planned(made) == {"convert": 1, "summarize": 1}
    made.edit("ham/datasets/sources/label_table.py", 'NO_FINDING = "None"', 'NO_FINDING = "No Finding"')


def test_unpacking_again_fetches_what_was_deleted(made: Checkout) -> None:
    assert planned(made, "--forcerun", "unpack") == ARCHIVES
    before = (made.folder / "datasets/Phantom/dataset.json").read_bytes()
    made.run("datasets", "--forcerun", "unpack")
    assert (made.folder / "datasets/Phantom/dataset.json").read_bytes() == before
    assert not list((made.folder / "datasets/Phantom/.sources").glob("images_*"))


def test_a_folder_of_images_is_linked_and_its_mistakes_outlive_the_job(made: Checkout, tmp_path: Path) -> None:
    there = tmp_path / "kaggle/images_001/images"
    there.mkdir(parents=True)
    for image in (made.folder / "datasets/Phantom/images").iterdir():
        (there / image.name).write_bytes(image.read_bytes())
    checkout = copy_of_workflow(tmp_path / "checkout")
    checkout.edit("small.yaml", "data:", f"data:\n  folder: {tmp_path / 'kaggle'}")
    assert {"fetch_archive", "unpack"}.isdisjoint(planned(checkout))
    first = sorted(there.iterdir())[0]
    whole = first.read_bytes()
    first.write_bytes(whole[:-30])
    done = checkout.snakemake("datasets", *checkout.config, "--cores", "2", check=False)
    assert done.returncode != 0
    assert "data set Phantom has a mistake" in done.stdout
    folder = checkout.folder / "datasets/Phantom"
    listed = (folder / "validation.csv").read_text()
    assert f"{first.name},datasets/Phantom/images/{first.name} cannot be used (" in listed
    assert not (folder / "dataset.json").exists()
    first.write_bytes(whole)
    for record in (".unpacked/linked.csv", ".checked/linked.csv"):
        (folder / record).unlink()
    checkout.run("datasets")
    assert (folder / "images" / first.name).readlink() == first
    assert (folder / "images.csv").read_bytes() == (made.folder / "datasets/Phantom/images.csv").read_bytes()
    assert planned(checkout) == {}


def test_chosen_archives_alone_are_planned_and_absent_images_must_be_allowed(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "checkout")
    part = tmp_path / "part.yaml"
    checkout.config = ["--configfile", str(part)]
    part.write_text("data: {archives: [1, 12]}")
    done = checkout.snakemake("datasets", *checkout.config, "-n", check=False)
    assert "with 2 of 12 archives, images will be missing: set data.partial: true" in done.stdout
    part.write_text("data: {archives: [1, 12], partial: true}")
    found = planned(checkout)
    assert (found["fetch_archive"], found["unpack"], found["check_images"], found["convert"]) == (2, 2, 2, 1)


def test_a_mirror_with_some_archives_is_taken_as_it_is_and_watched(made: Checkout, tmp_path: Path) -> None:
    """NIH's form without the authors' lists: what is there is taken; another archive put in place is seen."""
    checkout, mirror = copy_of_workflow(tmp_path / "checkout"), tmp_path / "mirror"
    drawn = made.folder / "datasets/Phantom/.drawn"
    mirror.mkdir()
    for name in (
        "images_002.tar.gz",
        "Data_Entry_2017_v2020.csv",
        "BBox_List_2017.csv",
        "train_val_list.txt",
        "test_list.txt",
    ):
        shutil.copy(drawn / name, mirror / name)
    description = yaml.safe_load((checkout.folder / "config/datasets/phantom.yaml").read_text())
    for key in ("drawn", "lists"):
        description.pop(key, None)
    (tmp_path / "part.yaml").write_text(yaml.safe_dump(description | {"name": "Part", "lists": []}))
    settings = {"dataset": str(tmp_path / "part.yaml"), "experiments": ["localization-5fold-by-patient"]}
    small = yaml.safe_load((checkout.folder / "small.yaml").read_text())
    small = small | settings | {"data": {"mirror": str(mirror), "partial": True}, "define": {}}
    (checkout.folder / "small.yaml").write_text(yaml.safe_dump(small))
    assert planned(checkout) == ARCHIVES | {
        "fetch_archive": 1,
        "unpack": 1,
        "check_images": 1,
        "fetch_tables": 1,
        "summarize": 1,
    }
    shown = checkout.run("datasets").stdout
    assert "no checksum is known of " in shown
    assert re.search(r"\[convert\] datasets/Part: 30 of 60 images, \d+ of 30 patients, \d+ of \d+ boxes on ", shown)
    assert re.search(r"localization-5fold-by-patient +fold1 +train ", shown)
    sources = json.loads((checkout.folder / "datasets/Part/dataset.json").read_text())["sources"]
    assert [source.get("verified") for source in sources] == [False] * 5
    assert planned(checkout) == {}

    mirror.rename(tmp_path / "taken away")
    assert planned(checkout) == {}
    (tmp_path / "taken away").rename(mirror)
    assert planned(checkout) == {}

    archive = mirror / "images_002.tar.gz"
    older = tmp_path / "older.tar.gz"
    shutil.copy(archive, older)
    os.utime(older, (1, 1))
    older.replace(archive)
    assert planned(checkout)["unpack"] == 1
    (mirror / "SHA256SUMS").write_text(f"{'0' * 64}  images_002.tar.gz\n")
    done = checkout.snakemake("datasets", *checkout.config, "--cores", "2", check=False)
    assert "images_002.tar.gz has sha256" in done.stdout.rstrip().splitlines()[-2]
    (mirror / "SHA256SUMS").unlink()
    checkout.run("datasets")
    table = mirror / "BBox_List_2017.csv"
    table.write_bytes(table.read_bytes().replace(b"Cardiomegaly", b"Cardiomegali"))
    os.utime(table, (1, 1))
    assert planned(checkout)["convert"] == 1
