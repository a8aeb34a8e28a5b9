"""Training of one split: the epochs, what is kept after each, and what is written at the end."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store
from ham.errors import DataError
from ham.images import network_input
from ham.model import weights
from ham.model.forward import autocast
from ham.model.losses import Losses, hierarchical_losses
from ham.model.network import HierarchicalAttentionNetwork
from ham.refinement.masks import RefinedMasks
from ham.runtime.devices import choose, loader_workers
from ham.runtime.files import write_json, written
from ham.runtime.progress import duration, track
from ham.runtime.provenance import git_state, settings_digest, versions
from ham.samples import Batch, Epochs, Samples, testing_loader, training_loader
from ham.training.schedule import learning_rate
from ham.training.settings import OptimizerSettings, TrainingSettings
from ham.training.state import Resume
from ham.training.validation import validate

log = logging.getLogger("ham")
BEST = {"best-auc": "validation_auc", "best-t-iou": "validation_t_iou", "best-t-ior": "validation_t_ior"}


@dataclass(frozen=True)
class Lists:
    """Lists of the data set (``Main/fold1/train_0.5_0.8``) that one split uses; None: no boxes."""

    train: str
    train_boxes: str | None
    validation: str
    validation_boxes: str | None

    def names(self) -> list[str]:
        """Those that are given."""
        return [name for name in (self.train, self.train_boxes, self.validation, self.validation_boxes) if name]


def train(
    dataset_folder: Path,
    lists: Lists,
    settings: TrainingSettings,
    output: Path,
    code: str,
    refined: Path | None = None,
    store: Path | None = None,
    gpus: int = 0,
    threads: int = 1,
) -> None:
    """Train one split and write model.safetensors, checkpoints/, history.csv and run.json into ``output``.

    Goes on where an interrupted run of the same settings, ``code`` digest and data stopped; a finished one rewrites
    its outputs without an epoch. Raises ResumeError while another process trains it, DataError on a bad image.
    """
    dataset = Dataset.open(dataset_folder)
    opened = Store.open(store, dataset) if store else None
    fingerprint = settings_digest(
        {
            "settings": _deciding(settings),
            "code": code,
            "data": _data_digest(dataset, lists, refined, opened),
            "pretrained": weights.pretrained_digest(settings.network),
        }
    )
    kept = Resume(resume_folder(output), fingerprint)
    with kept.locked():
        state = kept.load()
        if state is None or state["epoch"] < settings.epochs:
            state = Training(dataset, lists, settings, kept, refined, opened, gpus, threads).run(state)
        else:
            log.info("already trained with these settings, code and data: writing its outputs again")
        _write(output, kept, state, settings)


def resume_folder(output: Path) -> Path:
    """``results/.resume/<dataset>/<experiment>/<variant>/<split>`` of
    ``results/<dataset>/<experiment>/<variant>/<split>``."""
    results = output.parents[3]
    return results / ".resume" / output.relative_to(results)


def _deciding(settings: TrainingSettings) -> dict[str, Any]:
    """The settings that decide the weights. All checkpoints are kept, so which is tested can change without
    training."""
    return settings.model_dump(mode="json", exclude={"checkpoint"})


def _data_digest(dataset: Dataset, lists: Lists, refined: Path | None, store: Store | None) -> str:
    """What of the data set decides the weights: labels, boxes, absent images, the lists used, and what pixels are read
    from; not its other files."""
    used = {name: dataset.info["lists"][name]["sha256"] for name in lists.names()}
    masks = RefinedMasks.open(refined).digest if refined else None
    return settings_digest(
        {"digests": dataset.info["digests"], "lists": used, "refined": masks, "store": store and store.digest}
    )


class Training:
    """One run over the epochs of a split."""

    def __init__(
        self,
        dataset: Dataset,
        lists: Lists,
        settings: TrainingSettings,
        kept: Resume,
        refined: Path | None,
        store: Store | None,
        gpus: int,
        threads: int,
    ) -> None:
        self.settings, self.kept, self.dataset = settings, kept, dataset
        self.device = torch.device(choose(gpus, threads))
        self.threads = threads
        workers = loader_workers(self.device.type, threads)
        images, boxed = dataset.listed(lists.train), dataset.listed(lists.train_boxes) if lists.train_boxes else []
        if len(images) < 2:
            raise DataError(
                f"{dataset.folder}: list {lists.train} has {len(images)} images present; a training needs two."
            )
        seen = dataset.listed(lists.validation)
        seen_boxes = dataset.listed(lists.validation_boxes) if lists.validation_boxes else []
        if not seen:
            raise DataError(f"{dataset.folder}: no image of list {lists.validation} is present; validation needs some.")
        if settings.checkpoint.startswith("best-t-") and not seen_boxes:
            raise DataError(
                f"{dataset.folder}: checkpoint {settings.checkpoint} is chosen on validation boxes, and no image of "
                f"{lists.validation_boxes or 'validation_boxes: null'} is present; take last or best-auc."
            )
        masks = RefinedMasks.open(refined) if refined else None
        size, self.store = settings.image_size, store
        self.samples = Samples(dataset, images, boxed, size, settings.augmentation, settings.seed, masks, store)
        self.epochs = Epochs(len(images), settings.batch_size, settings.seed)
        self.loader = training_loader(self.samples, self.epochs, workers)
        validated = list(dict.fromkeys([*seen, *seen_boxes]))
        validation = Samples(dataset, validated, seen_boxes, size, store=store)
        self.validation_loader = testing_loader(validation, settings.batch_size, workers)
        self.facts: dict[str, Any] = {
            "train_images": len(images),
            "train_boxed_images": len(set(boxed) & set(images)),
            "validation_images": len(validation),
            "validation_boxed_images": len(seen_boxes),
            "lists": asdict(lists),
            "store": store and store.side,  # pixels; None: decoded from the image files
        }
        torch.manual_seed(settings.seed)
        self.network = HierarchicalAttentionNetwork(len(dataset.findings), settings.network)
        weights.start(self.network, settings.network)
        # kernels in half precision prefer channels last: 7 to 14 % of a step on a CPU
        layout = torch.channels_last if settings.precision == "bfloat16" else torch.contiguous_format
        self.network.to(self.device).to(memory_format=layout)
        self.optimizer = make_optimizer(self.network, settings.optimizer)

    def run(self, state: dict[str, Any] | None) -> dict[str, Any]:
        """Train from ``state`` (None: from the start) to the last epoch; the final state."""
        if state is None:
            state = {"epoch": 0, "history": [], "best": {}, "seconds": 0.0}
        else:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            log.info("going on after epoch %d of %d", state["epoch"], self.settings.epochs)
        log.info(
            "training on %(train_images)d images, %(train_boxed_images)d with boxes; validation %(validation_images)d",
            self.facts,
        )
        for epoch in range(state["epoch"] + 1, self.settings.epochs + 1):
            row = self.epoch(epoch)
            state = self._keep(state, row)
            left = (self.settings.epochs - epoch) * state["seconds"] / epoch
            log.info("%s, %s left", describe_epoch(row, self.settings.epochs), duration(left))
        return state

    def epoch(self, epoch: int) -> dict[str, float]:
        """One epoch (from 1) and its validation: a row of history.csv."""
        start = time.monotonic()
        settings = self.settings
        rate = learning_rate(settings.optimizer.learning_rate, epoch - 1, settings.epochs, settings.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(settings.seed * 1_000_003 + epoch)  # dropout, whichever epoch the run resumed at
        self.epochs.epoch = epoch
        self.network.train()
        sums: dict[str, float] = dict.fromkeys(Losses._fields, 0.0)
        images = 0
        for batch in track(self.loader, f"epoch {epoch} of {settings.epochs}", len(self.epochs)):
            losses = self.step(batch)
            if not math.isfinite(losses["total"]):
                raise DataError(
                    f"the loss became {losses['total']} in epoch {epoch}; lower training.optimizer.learning_rate "
                    f"(now {settings.optimizer.learning_rate:g}) or train in float32."
                )
            images += len(batch.labels)
            for name, value in losses.items():
                sums[name] += value * len(batch.labels)
        trained = time.monotonic() - start
        means = {"loss" if name == "total" else f"loss_{name}": value / max(images, 1) for name, value in sums.items()}
        seen = validate(self.network, self.validation_loader, settings, self.device)
        return {
            "epoch": epoch,
            "steps": epoch * len(self.epochs),
            "learning_rate": rate,
            **dict(sorted(means.items())),
            "seconds": time.monotonic() - start,
            "images_per_second": images / trained,
            **seen,
        }

    def step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimizer; the batch's loss terms."""
        with autocast(self.device, self.settings):
            output = self.network(network_input(batch.image, self.settings.normalisation, self.device))
        losses = hierarchical_losses(output, batch.supervision(self.device), self.settings.loss)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        self.optimizer.step()
        return dict(zip(losses._fields, torch.stack(list(losses)).tolist(), strict=True))

    def _keep(self, state: dict[str, Any], row: dict[str, float]) -> dict[str, Any]:
        """Checkpoints first, state last: a run killed between the two repeats the epoch and writes the same bits."""
        weights_now = self.network.state_dict()
        best = dict(state["best"])
        chosen = ["last"]
        for name, metric in BEST.items():
            value = row.get(metric, math.nan)
            if value >= best.get(name, -math.inf):  # a later epoch wins a tie; nan never wins
                best[name] = value
                chosen.append(name)
        for name in chosen:
            weights.save(self.kept.checkpoint(name), weights_now, self._card(name, int(row["epoch"])))
        state = {
            "epoch": int(row["epoch"]),
            "network": weights_now,
            "optimizer": self.optimizer.state_dict(),
            "history": [*state["history"], row],
            "best": best,
            "seconds": state["seconds"] + row["seconds"],
            "facts": {
                **self.facts,
                "device": self.device_name(),
                "threads": self.threads,
                "parameters": sum(p.numel() for p in self.network.parameters()),
            },
        }
        self.kept.save(state)
        self.kept.save_history(pd.DataFrame(state["history"]).to_csv(index=False))
        return state

    def device_name(self) -> str:
        """``cpu`` or the GPU's name."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"

    def _card(self, checkpoint: str, epoch: int) -> dict[str, Any]:
        return {
            "dataset": self.dataset.name,
            "findings": list(self.dataset.findings),
            "settings": json.dumps(_deciding(self.settings)),
            "checkpoint": checkpoint,
            "epoch": epoch,
            "store": self.store and self.store.side,
            "fingerprint": self.kept.fingerprint,
            "versions": versions(),
            "data_licence": self.dataset.info["licence"],
            "note": weights.LICENCE_NOTE,
        }


def make_optimizer(network: torch.nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of method, section 4: weight decay is added to the gradient."""
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.name == "adam":
        return torch.optim.Adam(network.parameters(), fused=True, **common)
    if settings.name == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=settings.momentum, **common)
    return torch.optim.RMSprop(network.parameters(), **common)


def describe_epoch(row: dict[str, float], epochs: int) -> str:
    """One line for people."""
    line = f"epoch {row['epoch']} of {epochs}: loss {row['loss']:.4f}, validation AUC {row['validation_auc']:.3f}"
    if "validation_t_iou_0.3" in row:
        line += f", T(IoU) at 0.1 {row['validation_t_iou_0.1']:.3f}, at 0.3 {row['validation_t_iou_0.3']:.3f}"
    return f"{line}, {row['images_per_second']:.1f} images a second"


def _write(output: Path, kept: Resume, state: dict[str, Any], settings: TrainingSettings) -> None:
    """Outputs of a finished training, the model last: what stands there is whole."""
    last = kept.checkpoint("last")
    for name in ("last", *BEST):
        source = kept.checkpoint(name)
        _copy(source if source.exists() else last, output / "checkpoints" / f"{name}.safetensors")
    with written(output / "history.csv") as temporary:
        pd.DataFrame(state["history"]).to_csv(temporary, index=False, lineterminator="\n")
    rows = state["history"]
    write_json(
        output / "run.json",
        {
            **state["facts"],
            "settings": settings.plain(),
            "hours": state["seconds"] / 3600,
            "epochs": state["epoch"],
            "steps": rows[-1]["steps"],
            "images_per_second": sum(row["images_per_second"] for row in rows) / len(rows),
            "versions": versions(),
            "git": git_state(),
        },
    )
    chosen = output / "checkpoints" / f"{settings.checkpoint}.safetensors"
    _copy(chosen, output / "model.safetensors")


def _copy(source: Path, target: Path) -> None:
    with written(target) as temporary:
        shutil.copyfile(source, temporary)
