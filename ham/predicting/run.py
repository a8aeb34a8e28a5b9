"""Testing, first half: a checkpoint and a data set to probabilities and raw maps. Nothing here knows the truth."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store
from ham.errors import WeightsError
from ham.model.forward import outputs
from ham.model.map_file import MapWriter, write_maps
from ham.model.network import Output
from ham.model.weights import Trained, open_network
from ham.predicting.settings import PredictionSettings
from ham.runtime.devices import choose, loader_workers
from ham.runtime.files import written
from ham.runtime.progress import track
from ham.samples import Samples, testing_loader

log = logging.getLogger("ham")


@dataclass(frozen=True)
class PredictedImages:
    """What is predicted: images of two lists of the data set (``Main/fold1/test_0_0.2``), maps of the second only.

    ``store`` is the image store as configured; used where the checkpoint was trained on one.
    """

    dataset_folder: Path
    test: str
    test_boxes: str | None
    store: Path | None = None


def predict(
    checkpoint: Path, chosen: PredictedImages, settings: PredictionSettings, output: Path, gpus: int, threads: int
) -> None:
    """Write into ``output`` ``predictions.csv`` (probabilities of every test image) and ``maps.npz`` (raw maps of the
    images with boxes).

    Pixels come from where the checkpoint's training had them, whatever the configuration says now: from the store or
    from the image files.
    """
    device = torch.device(choose(gpus, threads)[0])
    dataset = Dataset.open(chosen.dataset_folder)
    network, card = trained_network(checkpoint, dataset, device)
    training = card.model
    boxed = dataset.listed(chosen.test_boxes) if chosen.test_boxes else []
    images = list(dict.fromkeys([*dataset.listed(chosen.test), *boxed]))
    seen = trained_store(card.store, chosen.store, dataset, checkpoint)
    samples = Samples(dataset, images, [], training.image_size, store=seen)
    loader = testing_loader(samples, settings.batch_size, loader_workers(device.type, threads))

    rows: list[np.ndarray] = []
    keep = set(boxed)
    with write_maps(output / "maps.npz") as maps:
        for batch, found in outputs(network, track(loader, "testing", len(loader)), training, device):
            rows.append(probabilities(found))
            for row, place in enumerate(batch.places.tolist()):
                if images[place] in keep:
                    _write_maps_of(images[place], found, row, dataset, maps)
    _write_predictions(output / "predictions.csv", images, rows, dataset.findings)
    log.info("%d images tested, maps of %d kept", len(images), len(boxed))


def trained_network(checkpoint: Path, dataset: Dataset, device: torch.device) -> Trained:
    """The network of a checkpoint on ``device``; WeightsError where it names other findings than the data set."""
    trained = open_network(checkpoint, device)
    if trained.card.findings != dataset.findings:
        raise WeightsError(
            f"{checkpoint}: trained for other findings than those of {dataset.name}; train it on this data set."
        )
    return trained


def trained_store(side: int | None, header: Path | None, dataset: Dataset, checkpoint: Path) -> Store | None:
    """The image store to test a checkpoint on that was trained on one of ``side`` pixels (None: on image files)."""
    if side is None:
        return None
    store = Store.open(header, dataset) if header else None
    if store is None or store.side != side:
        raise WeightsError(
            f"{checkpoint}: trained on an image store of {side} pixels; set data.store: {side}, or train it again."
        )
    return store


def probabilities(output: Output) -> np.ndarray:
    """float32 [B, C + 1]: the findings', then abnormality's."""
    return torch.sigmoid(torch.cat([output.logit_class, output.logit_abnormality], dim=1)).float().cpu().numpy()


def _write_maps_of(image: str, output: Output, row: int, dataset: Dataset, maps: MapWriter) -> None:
    """The maps of an image, ``row`` of a batch: of the findings that have boxes somewhere, then of abnormality."""
    for finding in dataset.boxed_findings:
        raw = output.cam_class[row, dataset.findings.index(finding)]
        maps.write(image, finding, raw.float().cpu().numpy())
    maps.write(image, "abnormality", output.cam_abnormality[row, 0].float().cpu().numpy())


def _write_predictions(path: Path, images: Sequence[str], rows: Sequence[np.ndarray], findings: Sequence[str]) -> None:
    columns = [*findings, "abnormality"]
    table = pd.DataFrame(np.concatenate(rows) if rows else np.zeros((0, len(columns)), np.float32), columns=columns)
    table.insert(0, "image", list(images))
    with written(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.8g", lineterminator="\n")
