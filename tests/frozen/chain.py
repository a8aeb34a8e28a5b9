"""A tiny training, its prediction and its scores, as plain numbers. Run as a script it writes them anew:

    python tests/frozen/chain.py

which only a change that is meant to move numbers may need; CHANGELOG.md then says so.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ham.model.map_file import write_maps
from ham.predicting.run import PredictedImages, predict
from ham.predicting.settings import PredictionSettings
from ham.runtime.stages import code_of
from ham.scoring.run import ScoredFiles, ScoredLists, score
from ham.scoring.settings import ScoringSettings
from ham.settings import LossSettings, LossWeights, NetworkSettings
from ham.training.batches import Lists, Sources
from ham.training.run import train
from ham.training.settings import OptimizerSettings, TrainingSettings

NUMBERS = Path(__file__).with_name("numbers.json")
LISTS = Lists("Main/fold1/train_0.5_0.8", "bbox/fold1/train_0.8", "Main/fold1/test_0_0.2", "bbox/fold1/test")
# Plain gradient descent in few small steps: rounding, which differs between processors, is not blown up (at a rate of
# 1e-3 the second epoch's loss differs by 1 % between AVX2 and AVX-512, at this one by 0.01 %). All terms of the loss
# are of about one size, so that none hides behind another.
SETTINGS = TrainingSettings(
    seed=3,
    image_size=48,
    batch_size=8,
    epochs=2,
    checkpoint="last",
    network=NetworkSettings(architecture="resnet18", pretrained=None, dropout=0.0),
    loss=LossSettings(weights=LossWeights(abnormality=1, classification=1, box=1, bound=1, union=1)),
    optimizer=OptimizerSettings(name="sgd", learning_rate=3e-5),
)


def run_chain(dataset: Path, base: Path) -> dict[str, Any]:
    """Numbers of a training and its prediction, and of the scores of predictions and maps that no network made, since a
    share of pairs jumps where rounding moves one of them over a threshold."""
    torch.set_num_threads(1)
    output = base / "results/phantom/experiment/ham/fold1"
    train(Sources(dataset, LISTS), SETTINGS, output, code_of("train"))
    test = PredictedImages(dataset, LISTS.validation, LISTS.validation_boxes)
    predict(output / "model.safetensors", test, PredictionSettings(), output, 0, 1)
    history = pd.read_csv(output / "history.csv")
    predictions = pd.read_csv(output / "predictions.csv", index_col="image")
    with np.load(output / "maps.npz") as maps:
        sums = {key: float(maps[key].sum()) for key in sorted(maps.files)}
    drawn = base / "drawn"
    _draw_maps(list(sums), drawn / "maps.npz")
    _draw_predictions(predictions, drawn / "predictions.csv")
    return {
        "history": history[
            [name for name in history if name.startswith(("loss", "learning", "validation_loss"))]
        ].to_dict("list"),
        "predictions": predictions.to_dict("list"),
        "maps": sums,
        "scores": _score(dataset, output / "model.safetensors", drawn),
    }


def _draw_maps(keys: list[str], path: Path) -> None:
    """A hill somewhere in each map."""
    rows, columns = np.mgrid[0:6, 0:6]
    with write_maps(path) as maps:
        for number, key in enumerate(keys):
            image, _, finding = key.rpartition("/")
            hill = np.maximum(0, 3 - np.abs(rows - number % 6) - np.abs(columns - number // 6 % 6) / 2)
            maps.write(image, finding, hill.astype(np.float32))


def _draw_predictions(like: pd.DataFrame, path: Path) -> None:
    """Probabilities 0.00 to 0.96, in an order that has nothing to do with the images."""
    values = np.arange(like.size).reshape(like.shape) * 37 % 97 / 100
    pd.DataFrame(values, like.index, like.columns).to_csv(path)


def _score(dataset: Path, checkpoint: Path, drawn: Path) -> dict[str, float | None]:
    """Metric rows as one number a name, floors with them."""
    split = {"dataset": "phantom", "experiment": "experiment", "variant": "ham", "split": "fold1"}
    files = ScoredFiles(checkpoint, drawn / "predictions.csv", drawn / "maps.npz")
    lists = ScoredLists(LISTS.validation, LISTS.validation_boxes, LISTS.train_boxes)
    score(split, dataset, files, lists, ScoringSettings(), drawn)
    metrics = json.loads((drawn / "metrics.json").read_text())
    tables = {"classification": metrics["classification"], "localization": metrics["localization"], **metrics["floors"]}
    return {
        " ".join(map(str, (name, row["metric"], row["threshold"], row["finding"]))): row["value"]
        for name, rows in tables.items()
        for row in rows
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from small_phantom import make_phantom

    with tempfile.TemporaryDirectory() as folder:
        made = make_phantom(Path(folder))
        NUMBERS.write_text(json.dumps(run_chain(made, Path(folder)), indent=1) + "\n")
