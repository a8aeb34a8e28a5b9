"""Two data sets never share a folder of results/ or datasets/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ham.runtime.owners import explain_other_owner


def scored(root: Path, name: str, key: str = "mine") -> Path:
    folder = root / "results" / key / "localization-5fold/ham/fold1"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"dataset": key, "dataset_name": name}))
    return folder


def weights(folder: Path, name: str | None) -> None:
    header = json.dumps({"__metadata__": {"card": json.dumps({"dataset": name})}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def test_results_of_another_data_set_are_named_with_both(tmp_path: Path) -> None:
    scored(tmp_path, "First")
    assert explain_other_owner(tmp_path, "mine", "First") is None
    assert explain_other_owner(tmp_path, "other", "Second") is None
    said = explain_other_owner(tmp_path, "mine", "Second")
    assert said == (
        f"{tmp_path}/results/mine/localization-5fold/ham/fold1 is of the data set First, and the description mine is "
        "now of Second: give one of the two descriptions another file name, or move results/mine away"
    )


def test_weights_that_were_trained_there_say_whose_they_are_and_others_do_not(tmp_path: Path) -> None:
    folder = scored(tmp_path, "Second")
    weights(folder, "First")  # weights from elsewhere, tested on the second data set
    assert explain_other_owner(tmp_path, "mine", "Second") is None
    (folder / "metrics.json").unlink()  # not scored yet
    (folder / "run.json").write_text("{}")
    assert "is of the data set First" in str(explain_other_owner(tmp_path, "mine", "Second"))
    weights(folder, None)
    assert explain_other_owner(tmp_path, "mine", "Second") is None


@pytest.mark.parametrize("content", ["", "[]", "null", "{", '{"dataset_name": 3}', '{"dataset": "mine"}'])
def test_files_that_do_not_say_are_nobodys(tmp_path: Path, content: str) -> None:
    folder = scored(tmp_path, "First")
    (folder / "metrics.json").write_text(content)
    (folder / "run.json").write_text(content)
    (folder / "model.safetensors").write_text(content)
    assert explain_other_owner(tmp_path, "mine", "Second") is None


def test_a_folder_of_images_is_of_one_description(tmp_path: Path) -> None:
    folder = tmp_path / "datasets/Mine"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps({"key": "first", "name": "Mine"}))
    assert explain_other_owner(tmp_path, "first", "Mine") is None
    assert "datasets/Mine was made from the description first, and second has the same name: Mine" in str(
        explain_other_owner(tmp_path, "second", "Mine")
    )
