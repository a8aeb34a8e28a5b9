"""Room for all that is still to come, before anything is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from ham.datasets.acquire import disk_space
from ham.datasets.acquire.disk_space import SPARE, need_space_for_all
from ham.datasets.description import FileEntry
from ham.errors import EnvironmentProblem

GB = 10**9
TWO = [FileEntry(name=f"images_00{number}.tar.gz", bytes=number * GB) for number in (1, 2)]


def needed(folder: Path, monkeypatch: pytest.MonkeyPatch, mirror: str | None = None, keep: bool = True) -> float:
    """GB that must be free, found by what is refused."""
    wanted: list[int] = []
    monkeypatch.setattr(disk_space, "need_space", lambda place, needed, what: wanted.append(needed))
    need_space_for_all(folder, TWO, mirror, keep)
    return wanted[0] / GB


def sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)


def test_archives_and_their_images_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert needed(tmp_path, monkeypatch) == 6


def test_deleted_archives_need_room_for_one_more_than_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert needed(tmp_path, monkeypatch, keep=False) == 5


def test_what_is_there_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse(tmp_path / ".sources/images_002.tar.gz.part", GB // 2)
    assert needed(tmp_path, monkeypatch) == 5.5
    sparse(tmp_path / ".sources/images_002.tar.gz", 2 * GB)
    assert needed(tmp_path, monkeypatch) == 4
    sparse(tmp_path / ".unpacked/images_002.csv", 1)
    assert needed(tmp_path, monkeypatch) == 2
    sparse(tmp_path / ".unpacked/images_001.csv", 1)
    assert needed(tmp_path, monkeypatch) == 0


def test_archives_in_a_folder_are_linked_and_need_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert needed(tmp_path, monkeypatch, mirror=str(tmp_path)) == 3
    assert needed(tmp_path, monkeypatch, mirror="http://127.0.0.1/") == 6


def test_sizes_that_the_description_does_not_have_are_the_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse(tmp_path / "mirror/a.tar.gz", GB)
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": GB}))
    with pytest.raises(EnvironmentProblem, match=r"has 1\.0 GB free and .* of 1 archives .* needs 1\.3 GB: make room"):
        need_space_for_all(tmp_path / "made", [FileEntry(name="a.tar.gz")], str(tmp_path / "mirror"), True)


def test_room_that_is_just_enough_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 6 * GB + SPARE}))
    need_space_for_all(tmp_path, TWO, None, True)
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 6 * GB + SPARE - 1}))
    with pytest.raises(EnvironmentProblem):
        need_space_for_all(tmp_path, TWO, None, True)
