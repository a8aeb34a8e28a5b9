"""The one way of a file or folder into the data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from ham.datasets.acquire.links import link
from ham.errors import DataError


def test_a_link_is_absolute_and_replaces_a_file_or_link(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("there")
    (tmp_path / "here").write_text("here")
    for _ in range(2):
        link(tmp_path / "there", tmp_path / "here")
        assert (tmp_path / "here").readlink() == tmp_path / "there"
    (tmp_path / "other").mkdir()
    link(tmp_path / "other", tmp_path / "here")
    assert (tmp_path / "here").samefile(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "other", "there"]


def test_a_link_within_a_folder_outlives_its_move(tmp_path: Path) -> None:
    (tmp_path / "made/images").mkdir(parents=True)
    (tmp_path / "made/.drawn/train").mkdir(parents=True)
    link(tmp_path / "made/.drawn/train", tmp_path / "made/images/train", within=tmp_path / "made")
    assert (tmp_path / "made/images/train").readlink() == Path("../.drawn/train")
    (tmp_path / "made").rename(tmp_path / "moved")
    assert (tmp_path / "moved/images/train").is_dir()


def test_a_real_folder_in_the_way_is_left_and_named(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    with pytest.raises(DataError, match=r"here is in the way of a link to .*there: move it elsewhere and run again"):
        link(tmp_path / "there", tmp_path / "here")
    assert not (tmp_path / "here").is_symlink()


def test_what_is_one_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a").write_text("a")
    (tmp_path / "again").symlink_to("there")
    link(tmp_path / "again/a", tmp_path / "there/a")
    assert not (tmp_path / "there/a").is_symlink()
