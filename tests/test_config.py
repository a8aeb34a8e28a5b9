"""Every mistake is found at once and named by its path."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ham import config, dataset_fit
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings
from ham.errors import SettingsError
from ham.model.maps import predicted_regions
from ham.predicting.settings import PredictionSettings
from ham.refinement.settings import RefinementSettings
from ham.reporting.settings import ReportingSettings
from ham.scoring.settings import ScoringSettings
from ham.settings import LossSettings
from ham.training.settings import TrainingSettings


@pytest.fixture
def paper(root: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((root / "config/config.yaml").read_text())
    return values


def test_config_yaml_holds_every_option_with_its_default(paper: dict[str, Any]) -> None:
    for section, model in {
        "data": DataSettings,
        "refinement": RefinementSettings,
        "training": TrainingSettings,
        "prediction": PredictionSettings,
        "scoring": ScoringSettings,
        "reporting": ReportingSettings,
    }.items():
        assert paper[section] == model().plain(), section


def test_every_file_in_config_is_valid_over_the_paper(root: Path, paper: dict[str, Any]) -> None:
    for file in sorted((root / "config").glob("*.yaml")):
        loaded = config.load(config.merged(paper, yaml.safe_load(file.read_text())))
        dataset_fit.check(loaded, dataset_fit.describe_dataset(loaded, root / "config/datasets"))
    paper_settings = config.load(paper).training_settings("localization-5fold", "with-crf")
    assert paper_settings.refined_boxes
    assert (paper_settings.epochs, paper_settings.checkpoint) == (30, "best-t-iou")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("traning",), {}, "traning: there is no such key; do you mean training\\?"),
        (("epochs",), 3, r"epochs: there is no such key; do you mean training.epochs\? \(given: 3\)"),
        (("training", "epoch"), 3, r"^  training.epoch: .*do you mean training.epochs\?"),
        (("seed",), 3, r"do you mean data.folds.seed or data.phantom.seed or scoring.seed or training.seed\?"),
        (
            ("define", "experiments", "localization-5fold", "epochs"),
            3,
            r"do you mean define.experiments.localization-5fold.training.epochs\?",
        ),
        (("xyzzy",), 3, r"xyzzy: there is no such key \(given: 3\)"),
        (("training.epochs",), 3, r"training.epochs: keys are nested: write training: \{epochs: …\}"),
        (("training", "optimizer"), None, "training.optimizer: is empty: leave the key out"),
        (("experiments",), "localization-5fold", r"experiments: takes a list: write \[localization-5fold\]"),
        (("training", "optimizer", "learning_rate"), "2e-5", "training.optimizer.learning_rate: .*point, like 2.0e-5"),
        (("training", "network", "downsampling"), 4, r"training.network.downsampling: .*8, 16 or 32"),
        (("training", "epochs"), 0, "training.epochs: .*greater than or equal to 1"),
        (("training", "epochs"), 2.5, "training.epochs"),
        (("training", "loss", "weights", "box"), -1.0, "training.loss.weights.box"),
        (("experiments",), ["localisation"], "experiments: localisation is not defined"),
        (("experiments",), ["localisation-5fold"], r"not defined \(do you mean localization-5fold\?\); define"),
        (("variants",), [], "variants"),
        (("define", "variants", "mine"), {"training": {"epochs": "many"}}, "define.variants.mine.training.epochs"),
        (("define", "experiments", "classification-official", "train"), "Main/{fold}/x", "only {split}"),
        (("define", "experiments", "a/b"), {"splits": ["all"], "train": "x", "validation": "x", "test": "x"}, "a/b"),
        (("scoring", "t_iou"), [0.1, 1.5], "scoring.t_iou.1"),
        (("scoring", "t_iou"), [0.1, 0.1], r"scoring.t_iou: give each threshold once, in ascending order: \[0.1\]"),
        (("scoring", "t_ior"), [0.1, 0.10000001], "scoring.t_ior: give each threshold once"),
        (("scoring", "t_ior"), [0.5, 0.1], r"scoring.t_ior: .*ascending order: \[0.1, 0.5\]"),
        (("reporting", "t_iou_thresholds"), [0.3, 0.3], "reporting.t_iou_thresholds: give each threshold once"),
        (("variants",), ["ham", "ham"], "variants: ham: named twice"),
        (("experiments",), ["localization-5fold"] * 2, "experiments: localization-5fold: named twice"),
        (("define", "experiments", "localization-5fold", "splits"), ["fold1", "fold1"], "splits: fold1: named twice"),
    ],
)
def test_a_mistake_is_named_by_its_path(paper: dict[str, Any], path: tuple[str, ...], value: Any, said: str) -> None:
    place = paper
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(SettingsError, match=f"(?m){said}"):
        config.load(paper)


STEEP = {"loss": {"refined_slope": 10.0}}
HIGH = {"loss": {"refined_slope": 10.0, "refined_threshold": 0.95}}
FIVE = ("define", "experiments", "localization-5fold", "training")


@pytest.mark.parametrize(
    ("places", "scoring", "said"),
    [
        # .95 + ln(999) / 10 = .95 + .691 = 1.64
        (
            {("training",): {"loss": {**STEEP["loss"], **HIGH["loss"]}}},
            {},
            r"training.loss: .*0.95 \+ 6.91 / 10 = 1.64",
        ),
        # .4 + ln(.001 / .999) / 10 = .4 - .691: every pixel
        ({("training",): STEEP}, {"certainty": 0.001}, r"0.4 \+ -6.91 / 10 = -0.291 .*every pixel of every map"),
        # scoring alone would do (.4 + 0 / 10), but validation cuts at .999: .4 + .691 = 1.09
        ({("training",): STEEP}, {"certainty": 0.5}, r"= 1.09 \(certainty 0.999\): no map rises above it"),
        (
            {("define", "experiments", "localization-5fold", "training"): STEEP},
            {},
            "define.experiments.localization-5f",
        ),
        ({("define", "variants", "with-crf", "training"): STEEP}, {}, "define.variants.with-crf.training.loss: .*1.09"),
        (
            {
                FIVE: {"loss": {"refined_slope": 20.0}},
                ("define", "variants", "ham", "training"): {"loss": {"refined_threshold": 0.7}},
            },
            {},
            r"localization-5fold with ham.loss: .*0.7 \+ 6.91 / 20 = 1.05",  # each alone would do
        ),
    ],
)
def test_a_cut_that_no_map_or_every_pixel_reaches_is_refused(
    paper: dict[str, Any], places: dict[tuple[str, ...], Any], scoring: dict[str, Any], said: str
) -> None:
    changes: dict[str, Any] = {"scoring": scoring}
    for path, value in places.items():
        inner = value
        for key in reversed(path):
            inner = {key: inner}
        changes = config.merged(changes, inner)
    with pytest.raises(SettingsError, match=said) as error:
        config.load(config.merged(paper, changes))
    assert "1 mistake:" in str(error.value)


def test_a_cut_is_refused_where_it_would_be_made() -> None:
    """The sentence's cut is that of the regions: a map from 0 to 1 has a pixel at the cut, and one just above."""
    loss = LossSettings(refined_threshold=0.3, refined_slope=20.0)
    cut = 0.3 + math.log(0.9 / 0.1) / 20
    assert loss.explain_cut(0.9) is None
    for low, inside in ((cut - 1e-3, 0), (cut + 1e-3, 1)):
        maps = torch.tensor([[[0.0, low], [low, 1.0]]], dtype=torch.float64)
        region = predicted_regions(maps, 2, loss.refined_threshold, loss.refined_slope, 0.9)
        assert region.sum() == 1 + 2 * inside


def test_all_mistakes_are_told_at_once_and_each_once(paper: dict[str, Any]) -> None:
    paper["traning"] = {}
    paper["training"]["epochs"] = 0
    paper["scoring"]["certainty"] = 2
    with pytest.raises(SettingsError) as error:
        config.load(paper)
    text = str(error.value)
    assert "3 mistakes" in text
    assert text.count("training.epochs") == 1


def test_an_unknown_data_set_names_those_at_hand(root: Path, paper: dict[str, Any]) -> None:
    loaded = config.load({**paper, "dataset": "mimic"})
    with pytest.raises(SettingsError, match=r"nih.*phantom"):
        dataset_fit.describe_dataset(loaded, root / "config/datasets")


def test_merging_maps_keeps_what_the_overlay_does_not_name() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    before = copy.deepcopy(base)
    assert config.merged(base, {"a": {"c": [3]}}, {"d": None}) == {"a": {"b": 1, "c": [3]}, "d": None}
    assert base == before


def test_what_does_not_fit_the_data_set_is_found_before_anything_runs(root: Path, paper: dict[str, Any]) -> None:
    paper["define"]["experiments"]["localization-5fold"]["train"] = "Main/{split}/train_0.5"
    paper["scoring"]["leave_out"] = "Cardiomegali"
    paper["reporting"]["t_iou_thresholds"] = [0.1, 0.35]
    loaded = config.load(paper)
    with pytest.raises(SettingsError) as error:
        dataset_fit.check(loaded, dataset_fit.describe_dataset(loaded, root / "config/datasets"))
    for said in (
        "nih has no list Main/fold1/train_0.5",
        "Cardiomegali is no finding",
        "0.35 is not among scoring.t_iou",
    ):
        assert said in str(error.value)


def test_experiments_by_patient_need_the_folds_that_are_made(root: Path, paper: dict[str, Any]) -> None:
    paper["experiments"] = ["classification-5fold-by-patient", "localization-5fold-by-patient"]
    loaded = config.load(paper)
    dataset_fit.check(loaded, dataset_fit.describe_dataset(loaded, root / "config/datasets"))
    paper["data"]["folds"]["count"] = 4
    fewer = config.load(paper)
    with pytest.raises(SettingsError, match=r"nih has no list .*bbox/by-patient/fold5/test \(test\)") as error:
        dataset_fit.check(fewer, dataset_fit.describe_dataset(fewer, root / "config/datasets"))
    assert "name that in experiments" not in str(error.value)


def test_where_published_lists_are_not_at_hand_the_twin_of_an_experiment_is_named(
    root: Path, paper: dict[str, Any]
) -> None:
    paper["experiments"] = ["classification-official", "localization-5fold"]
    loaded = config.load(paper)
    own = dataset_fit.describe_dataset(loaded, root / "config/datasets").model_copy(update={"lists": (), "tables": ()})
    with pytest.raises(SettingsError) as error:
        dataset_fit.check(loaded, own)
    official, folds = str(error.value).splitlines()[1:3]
    assert "classification-official: nih has no list " in official
    assert "in experiments" not in official
    assert folds.endswith(
        "; localization-5fold-by-patient takes folds made from the images at hand: name that in experiments"
    )


def test_the_runs_name_lists_and_checkpoint_of_every_split(paper: dict[str, Any]) -> None:
    runs = config.load(paper).runs("localization-5fold")
    assert [run["split"] for run in runs] == [f"fold{number}" for number in range(1, 6)]
    found = runs[1]
    assert found["experiment"] == "localization-5fold"
    assert found["checkpoints"] == {"ham": "best-t-iou"}
    assert found["lists"]["test_boxes"] == "bbox/fold2/test"


def test_further_seeds_are_variants_of_what_is_trained(paper: dict[str, Any]) -> None:
    found = config.load(paper | {"seeds": [0, 1, 2, 1], "variants": ["ham", "with-crf", "published"]})
    assert found.variants == (
        "ham", "ham-seed1", "ham-seed2", "with-crf", "with-crf-seed1", "with-crf-seed2", "published",
    )  # fmt: skip
    again = found.training_settings("localization-5fold", "with-crf-seed2")
    assert again == found.training_settings("localization-5fold", "with-crf").model_copy(update={"seed": 2})
    assert found.seed_of("localization-5fold", "with-crf-seed2") == {"base": "with-crf", "seed": 2}
    assert found.seed_of("localization-5fold", "ham") == {"base": "ham", "seed": 0}
    assert found.seed_of("localization-5fold", "published") == {}
    assert config.load(paper).variants == ("ham",)


def test_a_name_that_a_further_seed_would_have_is_refused(paper: dict[str, Any]) -> None:
    paper["define"]["variants"]["mine-seed3"] = {"training": {}}
    with pytest.raises(SettingsError, match=r"define\.variants\.mine-seed3: -seed and a number"):
        config.load(paper)


@pytest.mark.parametrize("name", ["whole-image", "pooled", "leakage", "a_b", ""])
def test_names_that_would_collide_with_rows_of_the_tables_are_refused(paper: dict[str, Any], name: str) -> None:
    paper["define"]["variants"][name] = {}
    with pytest.raises(SettingsError, match=r"define\.variants"):
        config.load(paper)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"localisation": "a.pth"}, "weights.localisation: there is no such experiment"),
        ({"localization-5fold": {"fold6": "a.pth"}}, "weights.localization-5fold.fold6: there is no such split"),
        ({"localization-5fold": "{fold}.pth"}, r"weights.localization-5fold: only \{split\} may stand in braces"),
        ({"localization-5fold": "drive:../up"}, "'../up' is no id of Google Drive"),
    ],
)
def test_weights_for_what_is_not_there_are_a_mistake(paper: dict[str, Any], weights: object, said: str) -> None:
    paper["define"]["variants"]["mine"] = {"weights": weights}
    with pytest.raises(SettingsError, match=said):
        config.load(paper)


def test_weights_of_an_experiment_or_of_a_split(paper: dict[str, Any]) -> None:
    given = {"localization-5fold": "w/{split}.pth", "classification-official": {"official": "drive:abc"}}
    paper["define"]["variants"]["mine"] = {"weights": given}
    loaded = config.load(paper)
    assert loaded.weights("localization-5fold", "mine", "fold2") == "w/fold2.pth"
    assert config.drive_file(loaded.weights("classification-official", "mine", "official")) == "abc"
    assert loaded.splits("classification-5fold", "mine") == ()
    assert loaded.splits("localization-5fold", "published") == ("fold1",)
    assert len(loaded.splits("localization-5fold", "ham")) == 5
    assert loaded.weights("localization-5fold", "ham", "fold1") is None


def test_a_missing_file_of_weights_stops_before_anything_is_downloaded(root: Path, paper: dict[str, Any]) -> None:
    paper["training"]["network"]["pretrained"] = "nowhere/resnet50.pth"
    loaded = config.load(paper)
    with pytest.raises(SettingsError, match=r"there is no file nowhere/resnet50\.pth"):
        dataset_fit.check(loaded, dataset_fit.describe_dataset(loaded, root / "config/datasets"))


@pytest.fixture
def own(tmp_path: Path, paper: dict[str, Any]) -> dict[str, Any]:
    """A configuration of a data set of one's own without boxes, described by a path."""
    keys = {
        "name": "Mine",
        "source": "table",
        "images": "images",
        "labels": {"file": "labels.csv"},
        "findings": ["Mass"],
        "licence": "none",
        "attribution": "nobody",
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(keys))
    paper["scoring"]["leave_out"] = None
    return {**paper, "dataset": str(tmp_path / "mine.yaml"), "experiments": ["classification-5fold-by-patient"]}


def test_a_description_may_lie_anywhere_and_results_are_called_after_its_file(root: Path, own: dict[str, Any]) -> None:
    planned, dataset = dataset_fit.planned(own, root / "config/datasets")
    assert (planned.dataset, dataset.name) == ("mine", "Mine")
    assert dataset_fit.planned({**own, "dataset": "nih"}, root / "config/datasets")[0].dataset == "nih"


@pytest.mark.parametrize("name", ["nih.yaml", "a b.yaml"])
def test_a_description_that_would_mix_results_is_refused(root: Path, own: dict[str, Any], name: str) -> None:
    path = Path(own["dataset"])
    path.rename(path.with_name(name))
    with pytest.raises(SettingsError, match="another name"):
        dataset_fit.planned({**own, "dataset": str(path.with_name(name))}, root / "config/datasets")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiments": ["localization-5fold-by-patient"]}, r"takes only images with boxes \(validation: bbox/"),
        ({"training": {"checkpoint": "best-t-iou"}}, r"chooses its checkpoint on boxes \(checkpoint: best-t-iou\)"),
        ({"scoring": {"leave_out": "Mass"}}, "Mass is no finding of .* that has boxes; say null"),
    ],
)
def test_without_boxes_what_needs_them_is_refused(root: Path, own: dict[str, Any], changes: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        dataset_fit.planned(config.merged(own, changes), root / "config/datasets")


def test_a_data_set_is_a_shipped_name_or_a_path_that_ends_in_yaml(root: Path, paper: dict[str, Any]) -> None:
    for given, said in (
        ("/data/mine/own", "is no name of a shipped description: give the path of yours with its .yaml"),
        ("../datasets/nih", "is no name of a shipped description"),
        ("/data/own.yml", "is no name of a shipped description"),
        ("own.yml", "a description's name ends in .yaml"),
    ):
        loaded = config.load({**paper, "dataset": given})
        with pytest.raises(SettingsError, match=said):
            dataset_fit.describe_dataset(loaded, root / "config/datasets")


def test_folds_that_are_not_run_are_told_and_those_that_are_not_there_named(root: Path, paper: dict[str, Any]) -> None:
    paper["experiments"] = ["localization-5fold-by-patient", "localization-5fold"]
    assert dataset_fit.tell_left_out(config.load(paper)) == []
    paper["data"]["folds"]["count"] = 10
    (line,) = dataset_fit.tell_left_out(config.load(paper))
    assert line.startswith("localization-5fold-by-patient runs 5 of 10 folds by patient (data.folds.count, ")
    paper["data"]["folds"]["count"] = 3
    with pytest.raises(SettingsError, match=r"data.folds.count is 3: give define.experiments.localization-5fold-by-p"):
        dataset_fit.planned(paper, root / "config/datasets")


def test_own_files_that_are_not_there_are_named_before_anything_runs(tmp_path: Path) -> None:
    values = {
        "name": "Own", "source": "table", "images": "pictures", "findings": ["Mass"], "boxed_findings": ["Mass"],
        "labels": {"file": "labels.csv"}, "boxes": {"file": "boxs.csv", "xywh": [*"xywh"]},
        "licence": "none", "attribution": "nobody",
    }  # fmt: skip
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "labels.csv").touch()
    own = Description.read(tmp_path / "own.yaml")
    with pytest.raises(SettingsError) as error:
        dataset_fit.refuse_absent_files(own, tmp_path)
    assert f"boxes.file: there is no file {tmp_path / 'boxs.csv'}" in str(error.value)
    assert f"images: there is no folder {tmp_path / 'pictures'}" in str(error.value)
    assert "labels.file" not in str(error.value)
    made = tmp_path / "datasets/Own/dataset.json"
    made.parent.mkdir(parents=True)
    made.touch()
    dataset_fit.refuse_absent_files(own, tmp_path)
