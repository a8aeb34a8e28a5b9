"""A training on an image store is another training, and its checkpoint is tested on the same pixels."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pandas as pd
import pytest
import torch

from ham.datasets.dataset import Dataset
from ham.datasets.image_store import write_store
from ham.errors import WeightsError
from ham.model.card import Card
from ham.predicting.run import PredictedImages, predict
from ham.predicting.settings import PredictionSettings
from ham.settings import NetworkSettings
from ham.training.batches import Lists, Sources
from ham.training.run import train
from ham.training.settings import TrainingSettings

LISTS = Lists("Main/fold1/train_0.5_0.8", "bbox/fold1/train_0.8", "Main/fold1/test_0_0.2", "bbox/fold1/test")
SETTINGS = TrainingSettings(
    image_size=32,
    batch_size=8,
    epochs=1,
    checkpoint="last",
    network=NetworkSettings(architecture="resnet18", pretrained=None),
)


def stored(phantom: Path, base: Path, side: int) -> Path:
    header = base / f"store/{side}.json"
    write_store(phantom, header, side)
    return header


def predicted(phantom: Path, base: Path, store: Path | None) -> pd.DataFrame:
    checkpoint = base / "results/phantom/experiment/ham/fold1/model.safetensors"
    chosen = PredictedImages(phantom, LISTS.validation, LISTS.validation_boxes, store, "Main/test_list")
    predict(checkpoint, chosen, PredictionSettings(), base, gpus=0, threads=1)
    return pd.read_csv(base / "predictions.csv", index_col="image")


def test_it_is_another_training_that_says_so_and_is_tested_on_its_store(
    phantom: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.set_num_threads(1)
    output = tmp_path / "results/phantom/experiment/ham/fold1"
    header = stored(phantom, tmp_path, 40)
    for store, said in ((None, "epoch 1 of 1"), (header, "epoch 1 of 1"), (header, "already trained")):
        caplog.clear()
        with caplog.at_level(logging.INFO, "ham"):
            train(Sources(phantom, LISTS, store=store), SETTINGS, output, {"code": "1"})
        assert said in caplog.text
        side = 40 if store else None
        assert json.loads((output / "run.json").read_text())["store"] == side
        assert Card.read(output / "model.safetensors").store == side
        if store is None:  # pixels come from where the training had them, whatever is configured now
            pd.testing.assert_frame_equal(predicted(phantom, tmp_path, None), predicted(phantom, tmp_path, header))
    tested = set(predicted(phantom, tmp_path, header).index)
    held_out = pd.read_csv(tmp_path / "validation-predictions.csv", index_col="image")
    assert set(held_out.index) == set(Dataset.open(phantom).listed("Main/test_list")) - tested
    assert held_out.index.size > 0
    assert not held_out.isna().to_numpy().any()
    for other in (None, stored(phantom, tmp_path, 32)):
        with pytest.raises(WeightsError, match=r"trained on an image store of 40 pixels; set data.store: 40"):
            predicted(phantom, tmp_path, other)
