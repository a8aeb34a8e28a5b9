"""versions.csv agrees with the descriptions, and the page quotes of it what was used and nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ham.datasets.description import Description, FileEntry
from ham.errors import DataError
from ham.reporting import page
from ham.reporting.data_sources import COLUMNS, VERSIONS, group_sources
from ham.reporting.page import ReportFiles
from ham.reporting.settings import ReportingSettings

COMMIT = "8ec32d3d564c69b8200c56ed0a857654fdcac8e3"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with open(VERSIONS, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def described(root: Path, key: str) -> tuple[Description, dict[str, FileEntry]]:
    description = Description.read(root / f"config/datasets/{key}.yaml")
    names = (*description.archive_names, *description.table_names, *description.list_names)
    return description, {name: description.file(name) for name in names}


@pytest.mark.parametrize("key", ["nih", "chexpert"])
def test_every_source_has_a_row_that_agrees_with_the_description(
    root: Path, rows: list[dict[str, str]], key: str
) -> None:
    description, entries = described(root, key)
    found = [row for row in rows if row["dataset"] == key]
    assert {row["file"] for row in found} == {*entries, *description.brought}
    for name, entry in entries.items():
        named = [row for row in found if row["file"] == name]
        digests = [f"sha256:{digest}" for digest in entry.sha256] or [f"md5:{entry.md5}"]
        assert [row["checksum"] for row in named] == digests, name
        assert {row["address"] for row in named} - {""} == {entry.address}, name
        assert entry.bytes is None or [row["bytes"] for row in named] == [str(entry.bytes)], name
        for row in named:
            own = "oyxhust/HAM" not in row["attribution"]
            assert row["licence"] == (
                description.licence if own else "none stated: their repository has no licence file"
            )
    for row in found:
        assert row["attribution"].rstrip(".") in description.attribution
        assert (COMMIT in row["version"]) == (COMMIT in row["address"]) == ("oyxhust/HAM" in row["attribution"])


def test_no_other_data_set_and_no_file_twice(rows: list[dict[str, str]]) -> None:
    assert {row["dataset"] for row in rows} == {"nih", "chexpert"}
    assert len({(row["dataset"], row["file"], row["checksum"]) for row in rows}) == len(rows) == 74


def test_what_the_user_brings_has_no_invented_bytes_or_checksums(rows: list[dict[str, str]]) -> None:
    brought = [row for row in rows if row["dataset"] == "chexpert" and row["file"] != "BBoxes.json"]
    assert len(brought) == 4
    assert {row[name] for row in brought for name in ("date", "address", "bytes", "checksum")} == {""}


def info(key: str, *given: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "licence": "mine", "attribution": "me", "sources": list(given)}


def test_the_issue_that_was_used_is_quoted_by_its_checksum(root: Path, rows: list[dict[str, str]]) -> None:
    issues = [row for row in rows if row["file"] == "Data_Entry_2017_v2020.csv"]
    for row in issues:
        digest = row["checksum"].removeprefix("sha256:")
        given = {"file": row["file"], "bytes": int(row["bytes"]), "sha256": digest}
        (group,) = group_sources(info("nih-sample", given))
        assert (group["version"], group["licence"]) == (row["version"], row["licence"])
        assert group["files"] == [
            {
                "file": row["file"],
                "address": row["address"],
                "bytes": int(row["bytes"]),
                "images": "",
                "checksum": row["checksum"],
            }
        ]


def test_another_file_of_the_same_name_has_the_data_sets_own_licence(rows: list[dict[str, str]]) -> None:
    given = [
        {"file": "Data_Entry_2017_v2020.csv", "bytes": 9, "sha256": "0" * 64},
        {"file": "images_001.tar.gz", "bytes": None, "md5": None, "images": 7},
        {"file": "train.csv", "bytes": 8, "sha256": "1" * 64},
    ]
    (group,) = group_sources(info("phantom", *given))
    assert (group["version"], group["licence"], group["attribution"]) == ("", "mine", "me")
    assert [entry["bytes"] for entry in group["files"]] == [9, "", 8]
    assert [entry["images"] for entry in group["files"]] == ["", 7, ""]


def test_a_row_without_checksum_is_quoted_of_its_own_data_set_only() -> None:
    given = {"file": "train.csv", "bytes": 8, "sha256": "1" * 64}
    (group,) = group_sources(info("chexpert", given))
    assert group["version"] == "v1.0"
    assert group["licence"].startswith("Stanford")
    assert group["files"][0]["checksum"] == "sha256:" + "1" * 64


def test_sources_stand_in_groups_of_one_licence(rows: list[dict[str, str]]) -> None:
    given = [
        {"file": row["file"], "bytes": 1, row["checksum"].split(":")[0]: row["checksum"].split(":")[1]}
        for row in rows
        if row["dataset"] == "nih"
    ]
    groups = group_sources(info("nih", *given))
    assert len(groups) == 5  # no version said, both issues of the labels, the boxes of 2017, the authors' commit
    assert sum(len(group["files"]) for group in groups) == len(given) == 69


@pytest.mark.parametrize("text", ["file\nx\n", ",".join(COLUMNS) + "\nx\n", ",".join(COLUMNS) + "\n" + "x," * 12])
def test_a_table_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "versions.csv").write_text(text)
    with pytest.raises(DataError, match=r"versions\.csv, row 2"):
        group_sources(info("nih"), tmp_path / "versions.csv")
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read"):
        group_sources(info("nih"), tmp_path / "nowhere.csv")


def test_the_page_quotes_them(make_split: Callable[..., Path], dataset: Path, tmp_path: Path) -> None:
    path = dataset / "dataset.json"
    given = json.loads(path.read_text())
    used = {"file": "BBox_List_2017.csv", "bytes": 92416}
    used["sha256"] = "0bbfea9d4c4e9771481b3023b1bc9f0df9dea924453b12986beb29b0c4d0c95b"
    given["sources"] += [used, {"file": "<b>a folder</b>", "images": 1234}]
    path.write_text(json.dumps(given))
    page.write_page(dataset, ReportFiles([make_split()]), tmp_path / "x.html", ReportingSettings())
    text = (tmp_path / "x.html").read_text()
    for said in ("Version 2017, 2017.", "92,416", f"sha256:{used['sha256']}", "file_id=f_219760940956", "CVPR 2017"):
        assert said in text
    assert "acknowledged as the data provider" in text
    for said in ("images_001.tar.gz", "123,456", f"sha256:{'3' * 64}", "&lt;b&gt;a folder", "1,234"):
        assert said in text
