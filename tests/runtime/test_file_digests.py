"""Content decides whether a file is another, and is read only where something moved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ham.runtime import file_digests
from ham.runtime.file_digests import FileDigests, look_at_folder
from ham.runtime.files import sha256


def test_an_older_file_put_in_place_is_another(tmp_path: Path) -> None:
    file, other = tmp_path / "labels.csv", tmp_path / "older.csv"
    file.write_text("a,1\n")
    other.write_text("a,0\n")
    os.utime(other, (0, 0))
    digests = FileDigests(tmp_path / "memory.json")
    before = digests.of(file)
    other.replace(file)
    assert digests.of(file) == sha256(file) != before
    assert FileDigests(tmp_path / "memory.json").of(file) == digests.of(file)


def test_what_did_not_move_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("a,1\n")
    known = FileDigests(tmp_path / "memory.json").of(file)
    monkeypatch.setattr(file_digests, "sha256", lambda _: pytest.fail("read again"))
    assert FileDigests(tmp_path / "memory.json").of(file) == known


def test_a_new_time_alone_is_no_other_content(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("a,1\n")
    digests = FileDigests(tmp_path / "memory.json")
    before = digests.of(file)
    os.utime(file, (5, 5))
    assert digests.of(file) == before


@pytest.mark.parametrize("memory", ["", "[]", "{]", '{"x": 3}'])
def test_a_missing_file_and_a_damaged_memory_are_no_error(tmp_path: Path, memory: str) -> None:
    (tmp_path / "memory.json").write_text(memory)
    digests = FileDigests(tmp_path / "memory.json")
    assert digests.of(tmp_path / "none.csv") == ""
    (tmp_path / "x").write_text("x")
    assert digests.of(tmp_path / "x") == sha256(tmp_path / "x")


def test_another_file_in_a_mirror_is_seen_and_a_mirror_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    source, link = tmp_path / "mirror/a.tar.gz", tmp_path / "a.tar.gz"
    source.parent.mkdir()
    source.write_text("images")
    memory = tmp_path / "memory.json"
    before = FileDigests(memory).place(link, source)  # planned, not fetched yet
    link.symlink_to(source)
    assert FileDigests(memory).place(link, source) == before != ""
    assert FileDigests(memory).place(link, tmp_path / "other mirror/a.tar.gz") == before  # the link decides
    source.rename(tmp_path / "mirror/taken away")
    assert FileDigests(memory).place(link, source) == before
    (tmp_path / "older").write_text("others")
    os.utime(tmp_path / "older", (0, 0))
    (tmp_path / "older").rename(source)
    after = FileDigests(memory).place(link, source)
    assert after not in ("", before)
    link.unlink()  # an archive that is not kept
    assert FileDigests(memory).place(link, source) == after


def test_a_file_that_is_no_link_has_no_place_in_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_text("downloaded")
    digests = FileDigests(tmp_path / "memory.json")
    assert digests.place(tmp_path / "a.tar.gz", None) == ""
    assert digests.place(tmp_path / "b.tar.gz", None) == ""
    assert digests.place(tmp_path / "b.tar.gz", tmp_path / "nowhere") == ""


def test_a_folder_that_is_not_at_hand_is_as_it_was_last_seen(tmp_path: Path) -> None:
    folder, memory = tmp_path / "images", tmp_path / "memory.json"
    assert FileDigests(memory).folder(folder) == ""
    folder.mkdir()
    (folder / "a.png").write_text("a")
    before = FileDigests(memory).folder(folder)
    assert before == look_at_folder(folder) != ""
    folder.rename(tmp_path / "elsewhere")
    assert FileDigests(memory).folder(folder) == before
    folder.mkdir()
    (folder / "a.png").write_text("b")
    assert FileDigests(memory).folder(folder) not in ("", before)
