"""Testing, first half: a checkpoint and a data set to probabilities and raw maps. Nothing here knows the truth."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store
from ham.errors import WeightsError
from ham.model.forward import outputs
from ham.model.network import Output
from ham.model.weights import Trained, open_network
from ham.predicting.settings import PredictionSettings
from ham.runtime.devices import choose, loader_workers
from ham.runtime.files import written
from ham.runtime.progress import track
from ham.samples import Samples, testing_loader

log = logging.getLogger("ham")


def predict(
    checkpoint: Path,
    dataset_folder: Path,
    test: str,
    test_boxes: str | None,
    settings: PredictionSettings,
    predictions: Path,
    maps: Path,
    gpus: int,
    threads: int,
    store: Path | None = None,
) -> None:
    """Write ``predictions.csv`` (probabilities of every test image) and ``maps.npz`` (raw maps of the images with
    boxes).

    ``test`` and ``test_boxes`` name lists of the data set (``Main/fold1/test_0_0.2``). Pixels come from where the
    checkpoint's training had them, whatever the configuration says now: from ``store`` or from the image files.
    """
    device = torch.device(choose(gpus, threads))
    dataset = Dataset.open(dataset_folder)
    network, card = trained_network(checkpoint, dataset, device)
    training = card.model
    boxed = dataset.listed(test_boxes) if test_boxes else []
    images = list(dict.fromkeys([*dataset.listed(test), *boxed]))
    seen = trained_store(card.store, store, dataset, checkpoint)
    samples = Samples(dataset, images, [], training.image_size, store=seen)
    loader = testing_loader(samples, settings.batch_size, loader_workers(device.type, threads))

    wanted = [dataset.findings.index(finding) for finding in dataset.boxed_findings]
    rows: list[np.ndarray] = []
    raw: dict[str, np.ndarray] = {}
    keep = set(boxed)
    for batch, output in outputs(network, track(loader, "testing", len(loader)), training, device):
        rows.append(probabilities(output))
        for row, place in enumerate(batch.places.tolist()):
            if images[place] in keep:
                raw |= _maps(images[place], output, row, wanted, dataset.findings)
    _write_predictions(predictions, images, rows, dataset.findings)
    with written(maps) as temporary:
        np.savez_compressed(temporary, **raw)  # type: ignore[arg-type]
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


def _maps(
    image: str, output: Output, row: int, wanted: Sequence[int], findings: Sequence[str]
) -> dict[str, np.ndarray]:
    found = {f"{image}/{findings[column]}": output.cam_class[row, column] for column in wanted}
    found[f"{image}/abnormality"] = output.cam_abnormality[row, 0]
    return {key: value.float().cpu().numpy() for key, value in found.items()}


def _write_predictions(path: Path, images: Sequence[str], rows: Sequence[np.ndarray], findings: Sequence[str]) -> None:
    columns = [*findings, "abnormality"]
    table = pd.DataFrame(np.concatenate(rows) if rows else np.zeros((0, len(columns)), np.float32), columns=columns)
    table.insert(0, "image", list(images))
    with written(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.8g", lineterminator="\n")
