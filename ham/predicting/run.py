"""Testing, first half: a checkpoint and a data set to probabilities and raw maps. Nothing here knows the truth."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
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
from ham.samples import Batch, Samples, evaluation_loader

log = logging.getLogger("ham")


@dataclass(frozen=True)
class PredictedImages:
    """What is predicted: images of lists of the data set (``Main/fold1/test_0_0.2``), maps of ``test_boxes`` only.

    Of ``validation``, those that are not tested: what is chosen on them looks at no test image. ``store`` is the image
    store as configured; used where the checkpoint was trained on one.
    """

    dataset_folder: Path
    test: str
    test_boxes: str | None
    store: Path | None = None
    validation: str | None = None


def predict(
    checkpoint: Path, chosen: PredictedImages, settings: PredictionSettings, output: Path, gpus: int, threads: int
) -> None:
    """Write into ``output`` ``predictions.csv`` (probabilities of every test image), ``maps.npz`` (raw maps of the
    images with boxes) and ``validation-predictions.csv`` (probabilities of the validation images that are not tested).

    Pixels come from where the checkpoint's training had them, whatever the configuration says now: from the store or
    from the image files.
    """
    device = torch.device(choose(gpus, threads)[0])
    dataset = Dataset.open(chosen.dataset_folder)
    network, card = trained_network(checkpoint, dataset, device)
    training = card.model
    boxed = dataset.listed(chosen.test_boxes) if chosen.test_boxes else []
    images = list(dict.fromkeys([*dataset.listed(chosen.test), *boxed]))
    held_out = dataset.held_out(chosen.validation, images)
    seen = trained_store(card.store, chosen.store, dataset, checkpoint)

    def predicted(names: Sequence[str], doing: str) -> Iterator[tuple[Batch, Output]]:
        if not names:
            return iter(())
        samples = Samples(dataset, names, [], training.image_size, store=seen)
        loader = evaluation_loader(samples, settings.batch_size, loader_workers(device.type, threads))
        return outputs(network, track(loader, doing, len(loader)), training, device)

    rows: list[torch.Tensor] = []
    keep = set(boxed)
    with write_maps(output / "maps.npz") as maps:
        for batch, found in predicted(images, "testing"):
            rows.append(probabilities(found))
            for row, place in enumerate(batch.places.tolist()):
                if images[place] in keep:
                    _write_maps_of(images[place], found, row, dataset, maps)
    _write_predictions(output / "predictions.csv", images, rows, dataset.findings)
    validated = [probabilities(found) for _, found in predicted(held_out, "predicting validation images")]
    _write_predictions(output / "validation-predictions.csv", held_out, validated, dataset.findings)
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


def probabilities(output: Output) -> torch.Tensor:
    """float32 [B, C + 1]: the findings', then abnormality's."""
    return torch.sigmoid(torch.cat([output.logit_class, output.logit_abnormality], dim=1)).float()


def _write_maps_of(image: str, output: Output, row: int, dataset: Dataset, maps: MapWriter) -> None:
    """The maps of an image, ``row`` of a batch: of the findings that have boxes somewhere, then of abnormality."""
    columns = [dataset.findings.index(finding) for finding in dataset.boxed_findings]
    raw = torch.cat([output.cam_class[row, columns], output.cam_abnormality[row]]).float().cpu().numpy()
    for name, of_name in zip([*dataset.boxed_findings, "abnormality"], raw, strict=True):
        maps.write(image, name, of_name)


def _write_predictions(
    path: Path, images: Sequence[str], rows: Sequence[torch.Tensor], findings: Sequence[str]
) -> None:
    columns = [*findings, "abnormality"]
    values = torch.cat(list(rows)).cpu().numpy() if rows else np.zeros((0, len(columns)), np.float32)
    table = pd.DataFrame(values, columns=columns)
    table.insert(0, "image", list(images))
    with written(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.8g", lineterminator="\n")
