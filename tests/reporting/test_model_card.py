"""Model cards: YAML that any reader takes, numbers of metrics.json with n and interval, and what they are not for."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ham.errors import DataError, WeightsError
from ham.model.card import Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.weights import save
from ham.reporting.model_card import write_model_card
from ham.reporting.settings import ReportingSettings
from ham.scoring.leakage import COLUMNS
from ham.settings import ModelSettings

from .fake_results import BOXED, IMAGES, write_dataset

HOSTILE = ("a: b # \"c\" 'd'", "- ---", "[x", "%TAG", "*y & !z", "Ödem ", "null", "<script>alert('x')</script>", "1:30")
NETWORK = {"network": {"architecture": "resnet18", "pretrained": None}, "image_size": 64}
Make = Callable[..., Path]


@pytest.fixture
def make_card(dataset: Path, tmp_path: Path) -> Callable[..., str]:
    """Writes the card of a split, whose weights are of a small network, and gives its text."""

    def make(split: Path, data: Path = dataset, findings: tuple[str, ...] = BOXED, **about: Any) -> str:
        settings = ModelSettings.of(NETWORK)
        torch.manual_seed(0)
        network = HierarchicalAttentionNetwork(len(findings), settings.network)
        card = Card(findings=findings, settings=settings.plain() | about.pop("settings", {}), **about)
        save(split / "model.safetensors", network.state_dict(), card)
        write_audit(tmp_path / "leakage.csv")
        output = tmp_path / "cards" / "fold1.md"
        write_model_card(data, split, tmp_path / "leakage.csv", output, ReportingSettings())
        return output.read_text(encoding="utf-8")

    return make


def write_audit(path: Path) -> None:
    """Of 12 test images of fold1, 9 are of patients in training; of fold2, which no card here is of, all."""
    known = {"experiment": "localization-5fold", "variant": "ham", "kind": "localization", "images": "listed"}
    rows = [
        dict.fromkeys(COLUMNS, 0) | known | {"split": f"fold{i}", "test_images": 12, "test_images_of_train_patients": n}
        for i, n in ((1, 9), (2, 12))
    ]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def add(split: Path, **values: Any) -> None:
    metrics = json.loads((split / "metrics.json").read_text())
    (split / "metrics.json").write_text(json.dumps(metrics | values))


def header(text: str) -> dict[str, Any]:
    start, front, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(front)


def cells(text: str, label: str) -> list[str]:
    """Of the first line of a table that has this label."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.replace("\\[", "[").replace("\\]", "]").strip("|").split("|")]


def test_a_card_says_its_numbers_with_n_and_interval(make_split: Make, make_card: Callable[..., str]) -> None:
    split = make_split()
    row = {"threshold": None, "scope": "mean", "finding": "mean", "n_images": 12, "findings": ["Mass"]}
    auc = {**row, "metric": "auc", "value": 0.81236, "low": 0.7, "high": 0.9}
    blank = {**row, "metric": "auc", "scope": "abnormality", "finding": "abnormality", "value": None, "low": None}
    blank |= {"high": None, "reason": "every image has it", "n_positive": 12}
    level = {"metric": "t_iou", "scope": "mean", "finding": "mean", "n_pairs": 24, "low": 0.25, "high": 0.75}
    shares = [{**level, "threshold": 0.3, "value": 0.5}, {**level, "threshold": 0.2, "value": 0.6}]
    add(split, classification=[auc, blank], localization=shares, lists={"test": "Main/t", "test_boxes": "bbox/t"})
    text = make_card(split)
    assert cells(text, "mean over findings")[1:3] == ["0.812 [0.700, 0.900]", "12"]
    assert "Blank for abnormality: every image has it." in text
    assert [cells(text[text.index("### T(IoU)") :], "mean over findings")[i] for i in (1, 2)] == [
        "24",
        "0.500 [0.250, 0.750]",
    ]
    found = header(text)["model-index"][0]["results"]
    assert found[0]["metrics"] == [
        {
            "type": "roc_auc",
            "name": "AUC, mean over findings",
            "value": 0.8124,
            "args": {"low_95": 0.7, "high_95": 0.9, "n_images": 12},
        }
    ]
    assert [metric["args"]["threshold"] for metric in found[1]["metrics"]] == [0.3]  # 0.2 is not shown
    assert [of["dataset"]["split"] for of in found] == ["Main/t", "bbox/t"]


def test_the_front_matter_is_what_hubs_read(make_split: Make, make_card: Callable[..., str]) -> None:
    found = header(make_card(make_split()))
    assert (found["license"], found["library_name"], found["datasets"]) == ("other", "ham", ["Phantom"])
    assert {"phantom", "research-only"} <= set(found["tags"])
    assert found["metrics"] == ["roc_auc", "t_iou", "t_ior"]
    assert found["model-index"][0]["name"] == "localization-5fold-ham-fold1"
    for result in found["model-index"][0]["results"]:
        assert {*result} == {"task", "dataset", "metrics"}
        assert all(isinstance(metric["value"], float) and metric["type"] for metric in result["metrics"])


def test_names_break_neither_yaml_nor_markdown(make_split: Make, make_card: Callable[..., str], tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "datasets" / "Hostile", IMAGES, HOSTILE, HOSTILE)
    described = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(described | {"name": HOSTILE[0], "attribution": "a|b\n# <b>"}))
    text = make_card(make_split(findings=HOSTILE, boxed=HOSTILE), data, HOSTILE)
    found = header(text)
    assert found["datasets"] == [HOSTILE[0]]
    assert "<script>" not in re.sub(r"\\<", "", text)
    assert "a\\|b \\# \\<b\\>" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert not [line for line in table if re.search(r"(?<!\\)[<>*]", line)]


def test_drawn_images_are_said_in_the_first_line(
    make_split: Make, make_card: Callable[..., str], tmp_path: Path
) -> None:
    drawn = make_card(make_split("fold1")).split("---\n", 2)[2].strip().splitlines()
    assert drawn[0].startswith("> **Drawn images.**")
    real = write_dataset(tmp_path / "datasets" / "Real", IMAGES, drawn=None, published="nih")
    text = make_card(make_split("fold2"), real)
    assert text.split("---\n", 2)[2].strip().startswith("# localization-5fold, ham, fold2")
    assert "Drawn" not in text.split("## Data")[0]
    assert "Labels were read from radiology reports by a program" in text
    in_nihs_form = write_dataset(tmp_path / "datasets" / "Mine", IMAGES, drawn=None)  # read by whoever it was
    assert "Labels are as the data set gives them" in make_card(make_split("fold3"), in_nihs_form)
    assert not {"phantom", "synthetic"} & set(header(text)["tags"])
    for card in (text, "\n".join(drawn)):
        assert "not for clinical use" in card


def test_limits_are_of_this_split(make_split: Make, make_card: Callable[..., str]) -> None:
    text = make_card(make_split(listed=20), settings={"checkpoint": "last"}, data_licence="for nobody_at_all")
    limits = text.split("## Limits")[1].split("##")[0]
    assert "75 % of the test images are of patients in training" in limits  # 9 of 12
    assert "12 of 20 test images were there" in limits
    assert "The weights of the last epoch are tested; no image chose them." in limits
    assert "Fewer than 10 pairs of Atelectasis" in limits
    assert "tables/leakage/localization-5fold.csv" in limits
    assert "under these terms: for nobody\\_at\\_all" in text.split("## Licence")[1]


def test_operating_points_and_subgroups(make_split: Make, make_card: Callable[..., str]) -> None:
    split = make_split()
    about = {"threshold": None, "scope": "finding", "finding": "Atelectasis", "n_images": 12, "n_positive": 5}
    decisions = [
        {**about, "metric": f"{name}_at_youden", "value": value, "low": 0.1, "high": 0.9}
        for name, value in (("sensitivity", 0.8), ("specificity", 0.7), ("ppv", 0.6), ("npv", 0.5))
    ]
    points = {"list": "Main/val", "images": 40, "patients": 30, "patients_tested": 2, "sensitivity": 0.9}
    points["thresholds"] = {"youden": {"Atelectasis": 0.25}, "target": {"Atelectasis": None}}  # type: ignore[assignment]
    mean = {"metric": "auc", "threshold": None, "scope": "mean", "finding": "mean", "low": 0.6, "high": 0.8}
    groups = [
        {**mean, "value": value, "n_images": n, "group": group}
        for group, value, n in (("view=AP", 0.7, 20), ("view=PA", 0.9, 19))
    ]
    add(split, operating_points=points, decisions=decisions, subgroups=groups)
    text = make_card(split)
    own = text.split("## Operating points")[1].split("## Subgroups")[0]
    line = next(line for line in own.splitlines() if "| Atelectasis |" in line).replace("\\", "")
    assert "| 0.250 | 0.800 [0.100, 0.900] | 0.700 [0.100, 0.900] |" in line
    assert line.endswith("| 12 | 5 |")
    assert "40 validation images (Main/val), none of them tested; 2 of their 30 patients" in own
    shown = text.split("## Subgroups")[1]
    assert "| view | AP | 20 | 0 | 0.700 [0.600, 0.800] |" in shown.replace("\\", "")
    assert "| view | PA | 19 | 0 | n < 20 |" in shown.replace("\\", "")


def test_without_operating_points_the_reason_stands_there(make_split: Make, make_card: Callable[..., str]) -> None:
    split = make_split()
    add(split, operating_points={"reason": "every validation image is a test image"})
    assert "None: every validation image is a test image." in make_card(split)


def test_weights_trained_elsewhere_have_a_card(make_split: Make, make_card: Callable[..., str]) -> None:
    split = make_split(variant="published")
    (split / "run.json").unlink()
    text = make_card(split, imported={"file": "HAM_fold1.pth", "sha256": "5" * 64})
    assert f"trained elsewhere: HAM\\_fold1.pth, sha256 {'5' * 64}" in text
    assert "not recorded (weights trained elsewhere)" in text
    assert "Under which terms these weights may be used is not recorded" in text
    assert header(text)["model-index"][0]["name"] == "localization-5fold-published-fold1"


def test_the_code_of_a_card_opens_the_network_and_reads_an_image(
    make_split: Make, make_card: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split()
    code = re.search(r"```python\n(.*?)```", make_card(split), re.DOTALL)
    assert code is not None
    Image.fromarray(np.arange(90 * 70, dtype=np.uint8).reshape(90, 70)).save(split / "radiograph.png")
    monkeypatch.chdir(split)
    seen: dict[str, Any] = {}
    exec(code[1], seen)
    assert list(seen["probabilities"]) == list(BOXED)
    assert all(0 < value < 1 for value in seen["probabilities"].values())
    assert seen["regions"].shape == (len(BOXED), 64, 64)


def test_equal_results_give_an_equal_card(make_split: Make, make_card: Callable[..., str]) -> None:
    split = make_split()
    assert make_card(split) == make_card(split)


def test_what_cannot_be_read_is_named(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    split = make_split()
    write_audit(tmp_path / "leakage.csv")
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        write_model_card(dataset, split, tmp_path / "leakage.csv", tmp_path / "x.md", ReportingSettings())
    with pytest.raises(DataError, match=r"dataset\.json"):
        write_model_card(tmp_path, split, tmp_path / "leakage.csv", tmp_path / "x.md", ReportingSettings())
