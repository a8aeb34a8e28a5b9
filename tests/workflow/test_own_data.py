"""What docs/own-data.md shows is what happens: its files, its configuration and its commands, read out of the page."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from metrics_schema import check_all
from PIL import Image

from ham.datasets.dataset import Dataset
from ham.phantom.drawing import SIDE, NamedRandom
from ham.phantom.radiograph import radiograph

from .conftest import ROOT, Checkout, copy_of_workflow

PAGE = (ROOT / "docs/own-data.md").read_text()
PLACE = "/data/mine"
PARTS = ("train", "train", "validation", "test", "")


def shown(name: str) -> str:
    """The block that stands below the heading of a file."""
    heading = rf"^### `{re.escape(name)}`\n"
    found = re.search(heading + r"(?:(?!#|```).*\n)*```\w+\n((?:.*\n)*?)```", PAGE, re.MULTILINE)
    assert found, name
    return found[1]


def commands() -> list[list[str]]:
    """Every command of the page, as words."""
    blocks = re.findall(r"^```sh\n((?:.*\n)*?)```", PAGE, re.MULTILINE)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def header(name: str) -> list[str]:
    return shown(name).splitlines()[0].split(",")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page shows: 26 patients, two images each, three findings, no two images of one size."""
    folder = tmp_path_factory.mktemp("own") / "mine"
    findings = yaml.safe_load(shown("mine.yaml"))["findings"]
    labels, boxes = [header("labels.csv")], [header("boxes.csv")]
    for patient in range(1, 27):
        for visit, ending in ((1, "png"), (2, "jpg")):
            image = f"clinic-{'ab'[patient % 2]}/p{patient:02d}-{visit}.{ending}"
            present = [finding for number, finding in enumerate(findings) if (patient + visit + number) % 4 == 0]
            pixels, found = radiograph(f"own-{patient}", image, present)
            draw = NamedRandom(image)
            width, height = draw.between(200, 400), draw.between(200, 400)
            (folder / "images" / image).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).resize((width, height)).save(folder / "images" / image)
            labels.append([image, f"p{patient:02d}", "|".join(present), PARTS[patient % 5]])
            for finding, (x, y, w, h) in found.items():
                box = [x * width / SIDE, y * height / SIDE, w * width / SIDE, h * height / SIDE]
                boxes.append([image, finding, *(f"{number:.2f}" for number in box)])
    for name, rows in (("labels.csv", labels), ("boxes.csv", boxes)):
        with open(folder / name, "w", newline="") as file:
            csv.writer(file).writerows(rows)
    for name in ("mine.yaml", "run.yaml", "try.yaml"):
        (folder / name).write_text(shown(name).replace(PLACE, str(folder)))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Checkout:
    """A checkout in which the page's first two commands were run."""
    checkout = copy_of_workflow(tmp_path_factory.mktemp("own-data") / "checkout")
    checkout.config = []  # the page's commands name theirs
    look, attempt, _ = commands()
    for words in (look, attempt):
        checkout.snakemake(*[word.replace(PLACE, str(drawn)).replace("all", "2") for word in words])
    return checkout


def test_the_pages_commands_lead_to_its_tables(finished: Checkout, drawn: Path) -> None:
    experiments = yaml.safe_load(shown("run.yaml"))["experiments"]
    tables = finished.work / "results/mine/tables"
    assert {path.stem for path in tables.glob("*.csv")} == set(experiments)
    table = pd.read_csv(tables / "localization-5fold-by-patient.csv")
    means = table.query("metric == 't_iou' and finding == 'mean' and split == 'mean' and variant == 'ham'")
    assert len(means)
    assert np.isfinite(means["value"]).all()
    given = pd.read_csv(tables / "given-split.csv")
    assert np.isfinite(given.query("metric == 'auc' and finding == 'mean'")["value"]).all()
    for name in experiments:
        leakage = pd.read_csv(tables / f"leakage/{name}.csv")
        assert set(leakage["test_images_of_train_patients"]) == {0}


def test_the_data_set_is_what_was_drawn(finished: Checkout, drawn: Path) -> None:
    dataset = Dataset.open(finished.work / "datasets/Mine")
    assert dataset.findings == tuple(yaml.safe_load(shown("mine.yaml"))["findings"])
    assert len(dataset.table) == 52
    assert len({dataset.size(image) for image in dataset.table.index}) == 52
    for image in dataset.table.index:
        assert dataset.path(image).samefile(drawn / "images" / image)
    with open(drawn / "boxes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    written = json.loads((dataset.folder / "Annotations/BBoxes.json").read_text())
    assert sum(len(found) for named in written.values() for found in named.values()) == len(rows) > 20
    for row in rows:
        assert [float(row[name]) for name in "xywh"] in written[row["image"]][row["finding"]]
    tested = json.loads((finished.work / "results/mine/given-split/ham/given/metrics.json").read_text())
    assert tested["counts"]["images"] == len(dataset.listed("Main/test")) == 10
    assert check_all(finished.work / "results/mine") > 0


def test_a_changed_table_is_converted_again_and_nothing_else_is_made(finished: Checkout, drawn: Path) -> None:
    attempt = [word.replace(PLACE, str(drawn)) for word in commands()[1][:-2]]
    assert finished.planned(*attempt) == {}
    text = (drawn / "labels.csv").read_text()
    (drawn / "labels.csv").write_text(text.replace("p03,", "p3,"))
    planned = finished.planned(*attempt)
    (drawn / "labels.csv").write_text(text)
    assert planned["convert"] == planned["link_images"] == planned["check_images"] == 1
    assert "fetch_tables" not in planned


def test_the_last_command_plans_all_folds_and_the_report(finished: Checkout, drawn: Path) -> None:
    *words, gpu = [word.replace(PLACE, str(drawn)) for word in commands()[2]]
    planned = finished.planned(*words, gpu)
    assert planned["train"] == 11
    assert planned["report_page"] == 1


def test_localization_without_boxes_is_refused_in_one_sentence(finished: Checkout, drawn: Path) -> None:
    description = yaml.safe_load((drawn / "mine.yaml").read_text())
    del description["boxes"], description["boxed_findings"]
    (drawn / "plain.yaml").write_text(yaml.safe_dump(description | {"name": "Plain"}))
    run = ["--configfile", str(drawn / "run.yaml"), "-n", "--config", f"dataset={drawn / 'plain.yaml'}"]
    done = finished.snakemake("tables", *run, check=False)
    assert done.returncode
    assert "localization-5fold-by-patient takes only images with boxes" in done.stdout
    assert "has no boxes: leave it out" in done.stdout
    rest = "experiments=[classification-5fold-by-patient, given-split]"
    assert "Tables of given-split" in finished.snakemake("tables", *run, rest).stdout
