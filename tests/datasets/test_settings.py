"""Descriptions of data sets: the shipped ones, and what a mistake in one says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from ham.datasets.description import Description, FileEntry, explain_unsafe
from ham.datasets.settings import DataSettings, PhantomSettings
from ham.errors import SettingsError


def described(tmp_path: Path, **changes: object) -> Path:
    keys = {
        "name": "Small",
        "source": "nih",
        "box_grid": 1024,
        "findings": ["Mass", "Edema"],
        "boxed_findings": ["Mass"],
        "licence": "none",
        "attribution": "nobody",
        "archives": ["images_001.tar.gz"],
        "tables": ["Data_Entry.csv"],
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(keys | changes))
    return path


def test_the_paper_has_twelve_archives_of_the_published_size(root: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    assert len(nih.archives) == 12
    assert sum(entry.bytes or 0 for entry in nih.archives) == 45_079_862_784
    assert sum(entry.images or 0 for entry in nih.archives) == 112_120
    assert all(entry.md5 and entry.address for entry in nih.archives)
    assert len({entry.md5 for entry in nih.archives}) == 12


def test_the_paper_has_fourteen_findings_the_first_eight_with_boxes(root: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    assert len(nih.findings) == 14
    assert nih.boxed_findings == nih.findings[:8]
    assert nih.findings[0] == "Atelectasis"
    assert nih.findings[-1] == "Hernia"


def test_the_authors_lists_come_from_one_commit_with_checksums(root: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    entry = nih.file("published/ImageSets/Main/fold1/test_0_0.2.txt")
    commit = "8ec32d3d564c69b8200c56ed0a857654fdcac8e3"
    folder = f"https://raw.githubusercontent.com/oyxhust/HAM/{commit}/datasets/NIHChestXray14"
    assert entry.address == f"{folder}/ImageSets/Main/fold1/test_0_0.2.txt"
    assert all(len(entry.sha256) == 1 and entry.bytes is not None for entry in nih.lists)


def test_a_partial_download_is_another_data_set_with_the_same_tables(root: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    sample = Description.read(root / "config/datasets/nih-sample.yaml")
    assert sample.name != nih.name
    assert sample.tables == nih.tables
    assert sample.archive_names == nih.archive_names
    assert not any(entry.md5 or entry.sha256 or entry.bytes or entry.address for entry in sample.archives)


def test_the_phantom_is_drawn_and_has_the_lists_of_the_paper(root: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    phantom = Description.read(root / "config/datasets/phantom.yaml")
    assert phantom.drawn == "phantom"
    assert phantom.findings == phantom.boxed_findings == nih.boxed_findings
    assert set(phantom.list_names) <= set(nih.list_names)
    assert phantom.table_names == nih.table_names


def test_chexpert_has_thirteen_findings_nine_of_them_with_boxes_and_is_brought_by_the_user(root: Path) -> None:
    chexpert = Description.read(root / "config/datasets/chexpert.yaml")
    assert len(chexpert.findings) == 13
    assert len(chexpert.boxed_findings) == 9
    assert chexpert.brought == ("train.csv", "valid.csv", "train", "valid")
    assert (chexpert.archives, chexpert.box_grid) == ((), 0)
    assert Description.of(chexpert.plain()) == chexpert
    phantom = Description.read(root / "config/datasets/chexpert-phantom.yaml")
    assert phantom.drawn == "chexpert_phantom"
    assert set(phantom.findings) <= set(chexpert.findings)


def test_what_a_folder_lacks_of_chexpert_is_said_in_one_sentence(root: Path, tmp_path: Path) -> None:
    chexpert = Description.read(root / "config/datasets/chexpert.yaml")
    assert "cannot be fetched" in str(chexpert.lacks(None))
    for name in ("train", "valid"):
        (tmp_path / name).mkdir()
    (tmp_path / "train.csv").touch()
    said = str(chexpert.lacks(tmp_path))
    assert said.startswith(
        f"data.folder: {tmp_path} has no valid.csv, nor have the folders in it: give the folder that holds train.csv"
    )
    (tmp_path / "valid.csv").touch()
    assert chexpert.lacks(str(tmp_path)) is None


def test_all_mistakes_are_said_at_once_with_their_keys(tmp_path: Path) -> None:
    path = described(tmp_path, box_grid="large", findngs=["Mass"], archives=[{"name": "../a.gz", "md5": "abc"}])
    with pytest.raises(SettingsError) as caught:
        Description.read(path)
    for part in (str(path), "box_grid:", "findngs:", "archives.0.name:", "archives.0.md5:"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxed_findings": ["Hernia"]}, "Hernia: in boxed_findings but not in findings"),
        ({"findings": ["Mass", "Mass"]}, "Mass: named twice"),
        ({"findings": ["Mass", "mean"]}, "mean: a word that ham's own tables use"),
        ({"findings": ["Mass", "Mean", "SD"]}, "Mean, SD: a word that ham's own tables use"),
        ({"findings": ["Mass", "Abnormality"]}, "Abnormality: a word that ham's own tables use"),
        ({"findings": ["Mass", "pooled"]}, "pooled: a word that ham's own tables use"),
        ({"findings": ["Mass", "Mean_without_Mass"]}, "Mean_without_Mass: a word that ham's own tables use"),
        ({"findings": ["Mass", "patient"]}, "patient: a word that ham's own tables use"),
        ({"findings": ["Mass", "a|b"]}, "findings.1: a finding holds no |"),
        ({"findings": ["Mass", "a\nb"]}, "findings.1: a finding is printable text"),
        ({"findings": ["Mass", " b"]}, "findings.1: a finding is printable text without a space at either end"),
        ({"findings": ["Mass", ""]}, "findings.1:"),
        ({"archives": ["a.tar.gz", "a.tar.gz"]}, "a.tar.gz: given as a file twice"),
        ({"lists": ["ImageSets/a.txt"]}, "ImageSets/a.txt: not below published/"),
        ({"archives": []}, "archives: needed where the source is nih"),
        ({"box_grid": None}, "box_grid:"),
        ({"source": "chexpert"}, "archives, box_grid: mean nothing where the source is chexpert"),
        ({"name": "../up"}, "name:"),
        ({"box_grid": 0}, "box_grid:"),
        ({"like": "nowhere"}, "nowhere.yaml: no such data set description"),
        ({"like": "small"}, "circle"),
        ({"like": "../small"}, "same folder"),
    ],
)
def test_an_impossible_description_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Description.read(described(tmp_path, **changes))
    assert message in str(caught.value)


def test_a_description_that_is_no_yaml_or_absent_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such data set description"):
        Description.read(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("name: [")
    with pytest.raises(SettingsError, match=r"broken\.yaml: cannot be read as YAML"):
        Description.read(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(SettingsError, match="map of keys"):
        Description.read(tmp_path / "list.yaml")


def test_a_file_that_the_description_does_not_have_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"images_099\.tar\.gz is no file of data set Small"):
        Description.read(described(tmp_path)).file("images_099.tar.gz")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a", "a/../b", "a\\b", "C:/a", "a//b", "a\0b", "a\nb", "./a"])
def test_names_that_lead_elsewhere_are_unsafe(name: str) -> None:
    assert explain_unsafe(name)
    with pytest.raises(ValidationError):
        FileEntry(name=name)


def test_ordinary_names_are_safe() -> None:
    assert explain_unsafe("images_001/images/00000001_000.png") is None


def test_settings_refuse_wrong_keys_types_and_values() -> None:
    for wrong in (
        {"archives": []},
        {"archives": [0]},
        {"archives": [1, 1]},
        {"archives": ["1"]},
        {"folder": ""},
        {"keep_archives": "no"},
        {"miror": "x"},
        {"partial": "yes"},
        {"phantom": {"images": "many"}},
        {"phantom": {"seed": -1}},
        {"uncertain": "maybe"},
    ):
        with pytest.raises(ValidationError):
            DataSettings.of(wrong)
    with pytest.raises(ValidationError, match="patients may not exceed images"):
        PhantomSettings(images=50, patients=60)
    with pytest.raises(ValidationError, match="together at most 1"):
        PhantomSettings(normal=0.6, double=0.6)


def test_chosen_archives_are_taken_by_number_and_in_order(root: Path, tmp_path: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    assert DataSettings().archives_of(nih, tmp_path) == nih.archive_names
    assert DataSettings(archives=(12, 2)).archives_of(nih, tmp_path) == ("images_002.tar.gz", "images_012.tar.gz")
    assert DataSettings(folder="/data").archives_of(nih, tmp_path) == ()


def test_where_images_may_be_missing_the_archives_that_are_there_are_taken(root: Path, tmp_path: Path) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    mirror, folder = tmp_path / "mirror", tmp_path / "NIHChestXray14"
    for path in (mirror / "images_003.tar.gz", folder / ".unpacked/images_002.csv"):
        path.parent.mkdir(parents=True)
        path.touch()
    some = ("images_002.tar.gz", "images_003.tar.gz")
    assert DataSettings(mirror=str(mirror), partial=True).archives_of(nih, folder) == some
    (mirror / "images_003.tar.gz").unlink()  # the disk was taken away
    assert DataSettings(mirror=str(mirror), partial=True).archives_of(nih, folder) == some[:1]
    for whole in ({"mirror": str(mirror)}, {"mirror": "http://example.org", "partial": True}, {"partial": True}):
        assert DataSettings.of(whole).archives_of(nih, folder) == nih.archive_names
    assert DataSettings(mirror=str(tmp_path), partial=True).archives_of(nih, tmp_path) == nih.archive_names


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"archives": [1, 13], "partial": True}, "data.archives: NIHChestXray14 has no archive 13, it has 12"),
        ({"archives": [1, 2]}, "with 2 of 12 archives, images will be missing: set data.partial: true"),
        ({"archives": [1], "folder": "/data"}, "data.folder has the images already"),
    ],
)
def test_a_choice_of_archives_that_cannot_be_is_refused(root: Path, data: dict[str, object], said: str) -> None:
    nih = Description.read(root / "config/datasets/nih.yaml")
    assert [said in problem for problem in DataSettings.of(data).refusals(nih)] == [True]
    assert DataSettings(archives=tuple(range(1, 13))).refusals(nih) == []
    assert DataSettings(archives=(3,), partial=True).refusals(nih) == []


def test_the_snakefile_can_read_descriptions_without_the_heavy_packages(root: Path) -> None:
    code = (
        "import sys; import ham.datasets.settings; "
        "print([m for m in ('numpy', 'pandas', 'torch', 'requests', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
