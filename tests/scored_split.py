"""A split of a data set, scored by the pipeline's own scoring, of predictions and maps that no network made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ham.datasets.dataset import Dataset
from ham.model.card import Card
from ham.model.map_file import write_maps
from ham.scoring.run import ScoredFiles, ScoredLists, score
from ham.scoring.settings import ScoringSettings
from ham.settings import NetworkSettings
from ham.training.settings import TrainingSettings

SETTINGS = TrainingSettings(image_size=64, network=NetworkSettings(architecture="resnet18", pretrained=None))
FILES = ("model.safetensors", "predictions.csv", "maps.npz", "validation-predictions.csv")
EVERY = ScoringSettings(resamples=100)


def score_split(
    folder: Path,
    dataset: Path,
    test: str,
    boxes: str | None,
    scoring: ScoringSettings = EVERY,
    validation: str | None = None,
) -> Path:
    """Fill ``folder`` (…/<dataset>/<experiment>/<variant>/<split>) with all that scoring reads and writes."""
    folder.mkdir(parents=True)
    opened = Dataset.open(dataset)
    images = opened.listed(test)
    boxed = opened.listed(boxes) if boxes else []
    columns = ["image", *opened.findings, "abnormality"]
    for name, predicted in (("predictions", images), ("validation-predictions", opened.held_out(validation, images))):
        values = (
            np.arange(len(predicted) * (len(columns) - 1)).reshape(len(predicted), len(columns) - 1) * 37 % 97 / 100
        )
        table = pd.DataFrame([[image, *row] for image, row in zip(predicted, values, strict=True)], columns=columns)
        table.to_csv(folder / f"{name}.csv", index=False)
    rows, across = np.mgrid[0:6, 0:5]
    with write_maps(folder / "maps.npz") as maps:
        for number, image in enumerate(boxed):
            for place, finding in enumerate(opened.boxed_findings):
                hill = np.maximum(0, 3 - np.abs(rows - (number + place) % 6) - np.abs(across - number % 5) / 2)
                maps.write(image, finding, np.zeros_like(hill) if finding == "Nodule" else hill)
    card = Card(findings=opened.findings, settings=SETTINGS.plain(), dataset=opened.name)
    header = json.dumps({"__metadata__": {"card": card.text()}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    names = dict(zip(("dataset", "experiment", "variant", "split"), folder.parts[-4:], strict=True))
    files = ScoredFiles(*(folder / name for name in FILES))
    split = {**names, "plan": "0" * 16}
    score(split, dataset, files, ScoredLists(test, boxes, None, validation), scoring, folder)
    return folder
