"""What a plan asks of a package, and that restored results and those made here never meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ham import plans
from ham.config import Configuration
from ham.dataset_fit import planned, refuse_mixed_results
from ham.datasets.description import Description
from ham.errors import SettingsError
from ham.precedence import merged, read_map

SPLIT = "results/phantom/localization-5fold/ham/fold1"


def configured(root: Path, **given: Any) -> tuple[Configuration, Description]:
    values = merged(
        read_map(root / "config/config.yaml"), {"dataset": "phantom", "experiments": ["localization-5fold"]}, given
    )
    return planned(values, root / "config/datasets")


def test_a_restored_split_has_all_but_weights_and_keeps_its_plan(root: Path) -> None:
    config, dataset = configured(root, restore="a.zip")
    files = plans.restored_files(config, dataset)
    wanted = {name for name in plans.SPLIT_FILES if not name.endswith(".safetensors")} | {"card.json"}
    assert {path.removeprefix(f"{SPLIT}/") for path in files if path.startswith(SPLIT)} == wanted
    assert files["results/phantom/.restored/images.csv"] == "datasets/Phantom/images.csv"
    assert files["results/phantom/.restored/ImageSets/bbox/fold1/test.txt"].startswith("datasets/Phantom/ImageSets/")
    assert plans.files_of_splits(config, "model.safetensors", config.experiments, config.variants) == []
    assert set(plans.result_plans(config, config.experiments, config.variants).values()) == {None}


def test_of_data_that_may_not_be_passed_on_the_audits_are_restored(root: Path) -> None:
    config, dataset = configured(root, restore="a.zip")
    files = plans.restored_files(config, dataset.model_copy(update={"redistributable": False}))
    assert [path for path in files if "/.restored/" in path] == ["results/phantom/.restored/dataset.json"]
    assert "results/phantom/tables/leakage/localization-5fold.csv" in files


@pytest.mark.parametrize(("name", "may"), [("nih", True), ("nih-sample", True), ("phantom", True), ("chexpert", False)])
def test_who_may_be_passed_on(root: Path, name: str, may: bool) -> None:
    dataset = Description.read(root / f"config/datasets/{name}.yaml")
    assert dataset.redistributable is may
    assert "redistributable" not in dataset.plain()  # nothing is converted again for it


def test_settings_that_decide_are_compared_and_places_are_not(root: Path) -> None:
    here, dataset = configured(root)
    there, _ = configured(root, data={"mirror": "/elsewhere", "partial": True}, reporting={"gallery_examples": 1})
    assert plans.result_settings(here) == plans.result_settings(there)
    assert plans.data_settings(here, dataset) == plans.data_settings(there, dataset)
    other, _ = configured(root, data={"folds": {"seed": 1}}, scoring={"certainty": 0.99})
    assert plans.result_settings(here) != plans.result_settings(other)
    assert plans.data_settings(here, dataset) != plans.data_settings(other, dataset)


def test_the_configuration_in_a_package_asks_for_what_made_it(root: Path) -> None:
    made, dataset = configured(root, seeds=[0, 1])
    asked = plans.package_request(made, dataset, shipped=True)["configuration"]
    assert "ham-seed1" in made.variants
    read, _ = planned(merged(read_map(root / "config/config.yaml"), asked), root / "config/datasets")
    assert plans.result_settings(read) == plans.result_settings(made)


@pytest.mark.parametrize("file", ["metrics.json", "run.json"])
def test_a_package_is_refused_over_results_of_this_folder(root: Path, tmp_path: Path, file: str) -> None:
    (tmp_path / "a.zip").touch()
    config, _ = configured(root, restore="a.zip")
    refuse_mixed_results(config, tmp_path)
    (tmp_path / SPLIT).mkdir(parents=True)
    (tmp_path / SPLIT / file).touch()
    with pytest.raises(SettingsError, match="fold1 was made here, and a package is never mixed"):
        refuse_mixed_results(config, tmp_path)


@pytest.mark.parametrize("left", ["restored.json", ".restored"])
def test_nothing_is_made_over_restored_results_whole_or_half(root: Path, tmp_path: Path, left: str) -> None:
    (tmp_path / SPLIT).mkdir(parents=True)
    (tmp_path / SPLIT / "metrics.json").touch()
    (tmp_path / "results/phantom" / left).mkdir()
    (tmp_path / "a.zip").touch()
    with pytest.raises(SettingsError, match="was restored from a package, and results made here never stand beside"):
        refuse_mixed_results(configured(root)[0], tmp_path)
    refuse_mixed_results(configured(root, restore="a.zip")[0], tmp_path)


def test_a_package_that_is_not_there_is_one_sentence_until_it_is_restored(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"restore: a\.zip is neither a \.zip nor a folder"):
        refuse_mixed_results(configured(root, restore="a.zip")[0], tmp_path)
    config, _ = configured(root, restore=str(tmp_path))
    with pytest.raises(SettingsError, match="has no SHA256SUMS"):
        refuse_mixed_results(config, tmp_path)
    (tmp_path / "results/phantom").mkdir(parents=True)
    (tmp_path / "results/phantom/restored.json").touch()
    refuse_mixed_results(config, tmp_path)
