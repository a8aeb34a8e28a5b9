"""Training of one split: the epochs, what is kept after each, and what is written at the end."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ham.errors import DataError, ResumeError
from ham.model import weights
from ham.model.card import Card
from ham.model.forward import computed_precision
from ham.runtime.devices import choose, loader_workers
from ham.runtime.files import link_or_copy, write_json, written
from ham.runtime.provenance import git_state, versions
from ham.training.batches import Sources, TrainingBatches, prepare_batches
from ham.training.ingredients import Ingredients, data_ingredients, deciding_settings
from ham.training.settings import TrainingSettings
from ham.training.state import Resume, State
from ham.training.step import Learner, make_learner, train_epoch
from ham.training.validation import BEST, choose_checkpoints, validate
from ham.training.watch import Watcher

log = logging.getLogger("ham")


def train(
    sources: Sources,
    settings: TrainingSettings,
    output: Path,
    code: dict[str, str],
    gpus: int = 0,
    threads: int = 1,
) -> None:
    """Train one split and write model.safetensors, checkpoints/, history.csv and run.json into ``output``.

    Goes on where an interrupted run of the same settings, ``code`` (module to digest) and data stopped; a finished one
    rewrites its outputs without an epoch. Raises ResumeError while another process trains it, DataError on a bad image.
    """
    wanted = ingredients_of(sources, settings, code)
    resume = Resume.of_output(output)
    with resume.locked():
        state = resume.find(wanted)
        if state is None or state.epoch < settings.epochs:
            state = Training(sources, settings, wanted, resume, torch.device(choose(gpus, threads)), threads).run(state)
        else:
            log.info("already trained with these settings, code and data: writing its outputs again")
        state = resume.keep(replace(state, ingredients=wanted, planned=wanted.epochs))
        write_outputs(output, resume, state, settings)
        if settings.schedule.name == "poly" or not settings.keep_optimizer:
            resume.drop_optimizer(state)


def ingredients_of(sources: Sources, settings: TrainingSettings, code: dict[str, str]) -> Ingredients:
    """What a training of these is made from."""
    data = data_ingredients(
        sources.dataset, asdict(sources.lists), sources.refined, sources.store, settings.network.pretrained
    )
    return Ingredients(deciding_settings(settings), code, data)


@dataclass
class Training:
    """One run over the epochs of a split."""

    sources: Sources
    settings: TrainingSettings
    wanted: Ingredients
    resume: Resume
    device: torch.device
    threads: int

    def run(self, state: State | None) -> State:
        """Train from ``state`` (None: from the start) to the last epoch; the final state."""
        settings = self.settings
        batches = prepare_batches(self.sources, settings, loader_workers(self.device.type, self.threads))
        learner = make_learner(len(batches.dataset.findings), settings, self.device)
        facts = {**batches.facts, **self.facts(learner)}
        if state is None:
            state = State(self.wanted, 0, settings.epochs, {}, {}, {}, [], 0.0, facts)
        else:
            self.load(learner, state)
            log.info("going on after epoch %d of %d", state.epoch, settings.epochs)
        if facts["precision"] != settings.precision:
            log.warning("this CPU has no bfloat16 arithmetic: computing in float32")
        log.info(
            "training on %(train_images)d images, %(train_boxed_images)d with boxes; validation %(validation_images)d",
            facts,
        )
        watcher = Watcher(self.resume.folder, self.wanted, settings, batches.validated, self.device)
        watcher.begin(state.history)
        for epoch in range(state.epoch + 1, settings.epochs + 1):
            row = self.epoch(learner, batches, epoch, watcher)
            watcher.epoch(learner.network, row)
            state = self.keep(learner, batches, state, row, facts)
            log.info("%s, %s", describe_epoch(row, settings.epochs), watcher.left())
        return state

    def facts(self, learner: Learner) -> dict[str, Any]:
        """Where and by what is trained, for run.json."""
        gpu = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if gpu else "cpu",
            "threads": self.threads,
            "precision": computed_precision(self.device, self.settings),
            "parameters": sum(p.numel() for p in learner.network.parameters()),
            "versions": versions(),
            "git": git_state(),
        }

    def load(self, learner: Learner, state: State) -> None:
        """Bring a learner to where ``state`` stopped."""
        path = self.resume.optimizer(state)
        try:
            optimizer = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises half a dozen kinds
            raise ResumeError(
                f"{path} cannot be read ({type(error).__name__}); remove {self.resume.current} to start at the first "
                "epoch."
            ) from None
        weights.fill(learner.network, weights.load(self.resume.weights(state.epoch)), path)
        learner.optimizer.load_state_dict(optimizer)

    def epoch(self, learner: Learner, batches: TrainingBatches, epoch: int, watcher: Watcher) -> dict[str, float]:
        """One epoch (from 1) and its validation: a row of history.csv."""
        start = time.monotonic()
        batches.epochs.epoch = epoch
        steps = watcher.training(batches.training, epoch, len(batches.epochs))
        trained = train_epoch(learner, steps, epoch, self.settings)
        images, seconds = trained.pop("images"), time.monotonic() - start
        try:
            looked_at = watcher.validation(batches.validation, epoch)
            seen = validate(learner.network, looked_at, self.settings, self.device)
        except FloatingPointError as error:
            raise DataError(
                f"{error} after epoch {epoch}: the training diverged; lower training.optimizer.learning_rate "
                f"(now {self.settings.optimizer.learning_rate:g}) or train in float32."
            ) from None
        return {
            "epoch": epoch,
            "steps": epoch * len(batches.epochs),
            **trained,
            "seconds": time.monotonic() - start,
            "images_per_second": images / seconds,
            **seen,
        }

    def keep(
        self, learner: Learner, batches: TrainingBatches, state: State, row: dict[str, float], facts: dict[str, Any]
    ) -> State:
        """Weights first, state last: a run killed between the two repeats the epoch and writes the same bits."""
        epoch = int(row["epoch"])
        better = choose_checkpoints(state.best, row)
        checkpoints = {**state.checkpoints, "last": epoch, **dict.fromkeys(better, epoch)}
        state = State(
            ingredients=self.wanted,
            epoch=epoch,
            planned=self.settings.epochs,
            checkpoints=checkpoints,
            files={key: digest for key, digest in state.files.items() if int(key) in checkpoints.values()},
            best={**state.best, **better},
            history=[*state.history, row],
            seconds=state.seconds + row["seconds"],
            facts=facts,
            adopted=state.adopted,
        )
        card = self.card(batches, epoch)
        weights.save(self.resume.weights(epoch), learner.network.state_dict(), card)
        with written(self.resume.optimizer(state)) as temporary:
            torch.save(learner.optimizer.state_dict(), temporary)
        state = self.resume.keep(state)
        self.resume.save_history(pd.DataFrame(state.history).to_csv(index=False))
        return state

    def card(self, batches: TrainingBatches, epoch: int) -> Card:
        """What the weights of an epoch say of themselves."""
        return Card(
            dataset=batches.dataset.name,
            findings=batches.dataset.findings,
            settings=dict(self.wanted.settings),
            epoch=epoch,
            store=batches.facts["store"],
            fingerprint=self.wanted.identity,
            versions=versions(),
            data_licence=batches.dataset.info["licence"],
        )


def describe_epoch(row: dict[str, float], epochs: int) -> str:
    """One line for people."""
    line = f"epoch {row['epoch']} of {epochs}: loss {row['loss']:.4f}, validation AUC {row['validation_auc']:.3f}"
    if "validation_t_iou_0.3" in row:
        line += f", T(IoU) at 0.1 {row['validation_t_iou_0.1']:.3f}, at 0.3 {row['validation_t_iou_0.3']:.3f}"
    return f"{line}, {row['images_per_second']:.1f} images a second"


def explain_undefined(state: State) -> dict[str, str]:
    """The checkpoints that no epoch is, because what chooses them is undefined in every one, and why it is."""
    reasons = {
        "best-auc": "no finding has validation images both with and without it, so there is no validation AUC",
        "best-t-iou": "no validation image has boxes, so there is no validation T(IoU)",
        "best-t-ior": "no validation image has boxes, so there is no validation T(IoR)",
    }
    return {name: reasons[name] for name in BEST if name not in state.checkpoints}


def write_outputs(output: Path, resume: Resume, state: State, settings: TrainingSettings) -> None:
    """Outputs of a finished training, the model last: what stands there is whole. Weights share their files with the
    state. For a checkpoint that no epoch is the last epoch's weights stand, and run.json says so."""
    undefined = explain_undefined(state)
    epochs = {name: state.checkpoints.get(name, state.epoch) for name in ("last", *BEST)}
    for name, reason in undefined.items():
        tell = log.warning if name == settings.checkpoint else log.info
        tell("the checkpoint %s is undefined (%s): the last epoch, %d, stands in its place", name, reason, state.epoch)
    for name, epoch in epochs.items():
        link_or_copy(resume.weights(epoch), output / "checkpoints" / f"{name}.safetensors")
    with written(output / "history.csv") as temporary:
        pd.DataFrame(state.history).to_csv(temporary, index=False, lineterminator="\n")
    rows = state.history
    write_json(
        output / "run.json",
        {
            **state.facts,
            "settings": settings.plain(),
            "hours": state.seconds / 3600,
            "epochs": state.epoch,
            "checkpoints": epochs,
            "undefined_checkpoints": undefined,
            "steps": rows[-1]["steps"],
            "images_per_second": sum(row["images_per_second"] for row in rows) / len(rows),
            "fingerprint": state.identity,
            "ingredients": state.ingredients.plain(),
            "adopted": state.adopted,
        },
    )
    link_or_copy(resume.weights(epochs[settings.checkpoint]), output / "model.safetensors")
