"""What is written for people who watch a training: it is right, goes on with the training, and changes nothing."""

from __future__ import annotations

import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageColor
from small_training import LISTS, SMALL

from ham.datasets.dataset import Dataset
from ham.model import weights
from ham.model.network import Output
from ham.model.overlays import BOX_COLOUR
from ham.samples import Samples
from ham.training import watch
from ham.training.batches import Sources
from ham.training.run import train
from ham.training.state import Resume
from ham.training.watch import CAPTION, GAP, SIDE, EventFile, draw_attention, scalars, watched_places

SETTINGS = SMALL


def output(base: Path) -> Path:
    return base / "results/phantom/experiment/ham/fold1"


def run(phantom: Path, base: Path, epochs: int = SETTINGS.epochs) -> Path:
    """Train; the resume folder."""
    torch.set_num_threads(1)
    settings = SETTINGS.model_copy(update={"epochs": epochs})
    train(Sources(phantom, LISTS), settings, output(base), {"ham.model.losses": "code"})
    return Resume.of_output(output(base)).folder


def events(folder: Path) -> Any:
    """What TensorBoard reads from the one folder of events below ``folder``."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (one,) = (folder / "tensorboard").iterdir()
    read = EventAccumulator(str(one), size_guidance={"images": 0, "scalars": 0})
    read.Reload()
    return read


@pytest.fixture(scope="module")
def watched(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The resume folder of a training that nothing interrupted."""
    return run(phantom, tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def validated(phantom: Path) -> Samples:
    """The images of the validation lists."""
    dataset = Dataset.open(phantom)
    boxed = dataset.listed(str(LISTS.validation_boxes))
    return Samples(dataset, list(dict.fromkeys([*dataset.listed(LISTS.validation), *boxed])), boxed, 32)


def test_tensorboard_has_every_column_of_the_history_at_its_epoch(watched: Path) -> None:
    read, history = events(watched), pd.read_csv(watched / "history.csv")
    tags = {
        name: name.replace("_", "/", 1) if name.startswith(("loss_", "validation_")) else f"training/{name}"
        for name in history.columns.drop(["epoch", "steps", "loss"])
    }
    tags["loss"] = "loss/total"
    assert {"loss/box", "validation/empty_maps", "training/learning_rate"} <= set(tags.values())
    for name, tag in tags.items():
        known = history[["epoch", name]].dropna()
        found = [(event.step, event.value) for event in read.Scalars(tag)] if len(known) else []
        assert [step for step, _ in found] == known["epoch"].tolist(), tag
        np.testing.assert_allclose([value for _, value in found], known[name], rtol=1e-6, err_msg=tag)
    assert sorted(read.Tags()["scalars"]) == sorted(tags[name] for name in tags if history[name].notna().any())


def test_tensorboard_has_the_same_few_images_each_epoch(watched: Path, validated: Samples) -> None:
    read = events(watched)
    names = [validated.images[place].decode() for place in watched_places(validated)]
    assert len(names) == 4
    assert sorted(read.Tags()["images"]) == sorted(f"attention/{name}" for name in names)
    for tag in read.Tags()["images"]:
        assert [image.step for image in read.Images(tag)] == [1, 2]
        assert read.Images(tag)[0].encoded_image_string != read.Images(tag)[1].encoded_image_string


def test_a_training_that_is_not_watched_has_the_same_weights(
    phantom: Path, watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("begin", lambda self, history: None),
        ("training", lambda self, batches, epoch, total: batches),
        ("validation", lambda self, batches, epoch: batches),
        ("epoch", lambda self, network, row: None),
    ):
        monkeypatch.setattr(watch.Watcher, name, value)
    folder = run(phantom, tmp_path)
    assert not (folder / "tensorboard").exists()
    one, other = (weights.load(base / "current/epoch-2.safetensors") for base in (folder, watched))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_written_is_one_warning_and_the_training_goes_on(
    phantom: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Resume.of_output(output(tmp_path)).folder
    folder.mkdir(parents=True)
    (folder / "tensorboard").write_text("in the way")
    (folder / "progress.json").mkdir()
    with caplog.at_level(logging.WARNING, "ham"):
        run(phantom, tmp_path)
    assert (output(tmp_path) / "model.safetensors").exists()
    said = [record.getMessage() for record in caplog.records if "the training goes on without" in record.getMessage()]
    assert len(said) == 2
    assert any(line.startswith("events for TensorBoard cannot be written to") for line in said)
    assert any(line.startswith("how far the training is cannot be written to") for line in said)


def test_events_of_a_training_that_goes_on_follow_those_before(phantom: Path, watched: Path, tmp_path: Path) -> None:
    """One epoch, then the second as another process would; a file that was cut in the middle of an event is no harm."""
    folder = run(phantom, tmp_path, epochs=1)
    (first,) = (folder / "tensorboard").glob("*/*")
    whole = first.read_bytes()
    first.write_bytes(whole + whole[-200:-100])
    run(phantom, tmp_path)
    assert len([*(folder / "tensorboard").glob("*/*")]) == 2
    whole_run, resumed = events(watched), events(folder)
    assert resumed.Tags() == whole_run.Tags()
    for tag in ("loss/total", "validation/auc"):
        assert [(e.step, e.value) for e in resumed.Scalars(tag)] == [(e.step, e.value) for e in whole_run.Scalars(tag)]


def test_lost_events_come_back_from_the_history(phantom: Path, tmp_path: Path) -> None:
    folder = run(phantom, tmp_path, epochs=1)
    shutil.rmtree(folder / "tensorboard")
    run(phantom, tmp_path)
    assert [event.step for event in events(folder).Scalars("loss/total")] == [1, 2]


def test_an_epoch_that_is_trained_again_stands_once(tmp_path: Path) -> None:
    for start in (1, 2):
        file = EventFile(tmp_path / "tensorboard/one", start)
        for epoch in range(start, 4):
            file.write(epoch, {"loss/total": 10.0 * start + epoch}, {})
    read = events(tmp_path).Scalars("loss/total")
    assert [(event.step, event.value) for event in read] == [(1, 11.0), (2, 22.0), (3, 23.0)]


def test_values_that_are_undefined_are_left_out() -> None:
    row = {"epoch": 3, "steps": 9, "loss": 0.5, "loss_box": math.nan, "validation_auc": None, "seconds": 2}
    assert scalars(row) == {"loss/total": 0.5, "training/seconds": 2.0}


def test_images_to_watch_have_boxes_of_different_findings(phantom: Path) -> None:
    """Of a list in which images of one finding follow each other."""
    dataset = Dataset.open(phantom)
    boxed = sorted(dataset.boxes, key=lambda image: sorted(dataset.boxes[image])[0])
    unboxed = [image for image in dataset.table.index if image not in dataset.boxes][:3]
    samples = Samples(dataset, [*unboxed, *boxed], boxed, 32)
    places = watched_places(samples)
    assert len(places) == 4
    assert min(places) >= len(unboxed)
    found = [set(dataset.boxes[samples.images[place].decode()]) for place in places]
    assert all(found[number] - set().union(*found[:number]) for number in range(4))
    first = sorted(dataset.boxes[boxed[0]])[0]
    assert sum(first in dataset.boxes[image] for image in boxed[:4]) > 1  # the first four would not do


def test_without_boxes_they_have_different_findings(validated: Samples) -> None:
    unboxed = Samples(validated.dataset, [name.decode() for name in validated.images], [], 32)
    places = watched_places(unboxed)
    assert len(places) == 4
    positive = [set(np.flatnonzero(unboxed.labels[place] == 1).tolist()) for place in places]
    assert all(found - set().union(*positive[:number]) for number, found in enumerate(positive))


def tile(sheet: Image.Image, number: int) -> np.ndarray:
    """The pixels of a tile and of its caption, by number from the upper left."""
    left, top = number % 4 * (SIDE + GAP), number // 4 * (SIDE + CAPTION + GAP)
    return np.asarray(sheet.crop((left, top, left + SIDE, top + SIDE + CAPTION)))


def test_the_picture_shows_boxes_and_each_map_where_it_is(validated: Samples) -> None:
    place = watched_places(validated)[0]
    name, findings = validated.images[place].decode(), validated.dataset.findings
    maps = torch.zeros(1, len(findings), 4, 4)
    maps[0, 2, 3, 0] = 1.0  # of the third finding, at the lower left
    whole = torch.arange(16.0).reshape(1, 1, 4, 4)
    drawn = Output(torch.zeros(1, 1), torch.zeros(1, len(findings)), whole, maps)
    sheet = draw_attention(validated, name, np.full((32, 32), 100, np.uint8), drawn)
    blue = np.array(ImageColor.getrgb(BOX_COLOUR))

    rows, columns = np.nonzero((tile(sheet, 0)[:SIDE] == blue).all(axis=2))
    width, height = validated.dataset.size(name)
    boxes = [box for boxes in validated.dataset.boxes[name].values() for box in boxes]
    assert columns.min() == pytest.approx(min(box.x0 for box in boxes) * SIDE / width, abs=1)
    assert rows.max() == pytest.approx(max(box.y1 for box in boxes) * SIDE / height, abs=1)

    maps_at = range(1, len(findings) + 2)  # after the image: abnormality, then the findings
    grey = [(tile(sheet, number)[SIDE // 8 : SIDE] == 100).all() for number in maps_at]
    assert grey == [number not in (1, 4) for number in maps_at]
    said = [(tile(sheet, number)[: SIDE // 8] == 255).any() for number in maps_at]
    assert said == grey  # that a map is empty
    rows, columns = np.nonzero((tile(sheet, 4)[:SIDE] != 100).any(axis=2))
    assert rows.min() > SIDE / 2 > columns.max()

    labels = validated.dataset.labels([name])[0]
    marked = [(tile(sheet, number + 2)[SIDE:, -1] == blue).all() for number in range(len(findings))]
    assert marked == (labels == 1).tolist()


def test_a_running_training_says_how_far_it_is(
    validated: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOG_EVERY", 0.0)
    folder = tmp_path / "phantom/experiment/ham/fold1"
    folder.mkdir(parents=True)
    ingredients = watch.Ingredients(SETTINGS.plain(), {}, {})
    watcher = watch.Watcher(folder, ingredients, SETTINGS, validated, torch.device("cpu"))
    watcher.begin([{"epoch": 1, "seconds": 100.0}])
    steps = watcher.training([None] * 4, 2, 4)  # type: ignore[list-item]
    for _ in range(2):
        next(steps)
    said = json.loads((folder / "progress.json").read_text())
    assert (said["epoch"], said["part"], said["epochs"]) == (2, 0.25, 2)  # the second step is not yet done
    assert said["left"] == pytest.approx(75.0)
    assert watcher.left() == "100 s left"
