"""Training of one split: the epochs, what is kept after each, and what is written at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ham.errors import DataError, EnvironmentProblem, ResumeError, list_some
from ham.model import weights
from ham.model.card import Card, TypicalImage
from ham.model.decisions import TARGET_SENSITIVITY, decisions_of
from ham.model.forward import computed_precision
from ham.runtime.devices import choose, loader_workers
from ham.runtime.files import link_or_copy, write_json, written
from ham.runtime.provenance import git_state, versions
from ham.training.batches import Sources, TrainingBatches, prepare_batches
from ham.training.faults import diverged, doubts, explained
from ham.training.ingredients import BY_NUMBER_OF_EPOCHS, Ingredients, data_ingredients, deciding_settings
from ham.training.launch import run_together
from ham.training.parallel import ALONE, Team
from ham.training.settings import TrainingSettings
from ham.training.state import Resume, State
from ham.training.step import Learner, NotFiniteError, Tally, make_learner, train_epoch
from ham.training.validation import BEST, Validation, choose_checkpoints, validate
from ham.training.watch import Watcher

log = logging.getLogger("ham")


def train(
    sources: Sources,
    settings: TrainingSettings,
    output: Path,
    code: dict[str, str],
    gpus: int = 0,
    threads: int = 1,
    processes: int = 1,
) -> None:
    """Train one split and write model.safetensors, checkpoints/, history.csv and run.json into ``output``.

    Goes on where an interrupted run of the same settings, ``code`` (module to digest) and data stopped; a finished one
    rewrites its outputs without an epoch. ``processes`` share the work where there is no GPU; else one a GPU does.
    Waits while another process trains it. Raises DataError on a bad image.
    """
    resume = Resume.of_output(output)
    with explained(settings, resume, on_gpu=gpus > 0), resume.locked():
        # not before: a second training of the split may have waited for hours
        wanted = ingredients_of(sources, settings, code)
        state = resume.find(wanted)
        if state is None or state.epoch < settings.epochs:
            devices = choose(gpus, threads)
            state = run_epochs(sources, settings, wanted, resume, devices * (processes if devices == ["cpu"] else 1))
        else:
            log.info("already trained with these settings, code and data: writing its outputs again")
        state = resume.keep(replace(state, ingredients=wanted, planned=wanted.epochs))
        write_outputs(output, resume, state, settings)
        if settings.schedule.name in BY_NUMBER_OF_EPOCHS or not settings.keep_optimizer:
            resume.drop_optimizer(state)


def ingredients_of(sources: Sources, settings: TrainingSettings, code: dict[str, str]) -> Ingredients:
    """What a training of these is made from."""
    data = data_ingredients(
        sources.dataset, asdict(sources.lists), sources.refined, sources.store, settings.network.pretrained
    )
    return Ingredients(deciding_settings(settings), code, data)


def run_epochs(
    sources: Sources,
    settings: TrainingSettings,
    wanted: Ingredients,
    resume: Resume,
    devices: Sequence[str],
) -> State:
    """Train what is left of the epochs, on one device or together on several; the final state."""
    threads = max(torch.get_num_threads() // len(devices), 1)
    training = Training(sources, settings, wanted, resume, threads)
    if len(devices) == 1:
        training.run(torch.device(devices[0]), ALONE)
    else:
        refuse_team(settings, len(devices))
        run_together(training.run, (), devices)
    state = resume.read()
    if state is None:
        raise ResumeError(f"{resume.current} was taken away while it was trained; run the same command again.")
    return state


def refuse_team(settings: TrainingSettings, size: int) -> None:
    """EnvironmentProblem where ``size`` processes would not compute what one does: batch norm takes its statistics
    over whole groups of images."""
    groups = settings.batch_norm_groups
    if groups % size:
        fitting = [str(count) for count in range(1, groups + 1) if groups % count == 0]
        raise EnvironmentProblem(
            f"{size} processes cannot share a batch of {settings.batch_size} with batch norm over "
            f"{settings.batch_norm_group} images: {list_some(fitting, 9)} can; or change "
            "training.network.batch_norm_images, and with it the numbers."
        )


@dataclass
class Training:
    """One run over the epochs of a split."""

    sources: Sources
    settings: TrainingSettings
    wanted: Ingredients
    resume: Resume
    threads: int

    def run(self, device: torch.device, team: Team) -> None:
        """Train from the current state to the last epoch, as a member of ``team``."""
        settings = self.settings
        torch.set_num_threads(self.threads)
        batches = prepare_batches(
            self.sources, settings, loader_workers(device.type, self.threads), team.share, device.type == "cuda"
        )
        learner = make_learner(len(batches.dataset.findings), settings, device, team)
        facts = {**batches.facts, **self.facts(learner)}
        state = self.resume.read()
        if state is None:
            state = State(self.wanted, 0, settings.epochs, {}, {}, {}, [], 0.0, facts)
        else:
            self.load(learner, state)
            log.info("going on after epoch %d of %d", state.epoch, settings.epochs)
        self.tell(batches, facts)
        watcher = typical = None
        if team.rank == 0:
            typical = batches.describe_images() if state.epoch < settings.epochs else None
            watcher = Watcher(self.resume.folder, self.wanted, settings, batches.validated, device)
            watcher.begin(state.history)
        for epoch in range(state.epoch + 1, settings.epochs + 1):
            row, seen = self.epoch(learner, batches, epoch, watcher)
            if watcher is not None:
                watcher.epoch(learner.network, row)
            state = self.keep(learner, self.card(batches, epoch, seen, typical), state, row, facts)
            if watcher is not None:
                log.info("%s, %s", describe_epoch(row, settings.epochs), watcher.left())
            for doubt in doubts(state.history):
                log.warning("%s", doubt)

    def tell(self, batches: TrainingBatches, facts: dict[str, Any]) -> None:
        """What is trained on, and what is otherwise than the settings say."""
        settings = self.settings
        if facts["precision"] != settings.precision:
            log.warning("no %s arithmetic on this CPU: computing in float32", settings.precision)
        if settings.accumulation > max(settings.batch_norm_groups // facts["processes"], 1):
            log.warning(
                "training.accumulation: %d cuts batches finer than batch norm's groups of %d images: its statistics "
                "are those of the parts, not the published ones",
                settings.accumulation,
                settings.batch_norm_group,
            )
        log.info(
            "training on %(train_images)d images, %(train_boxed_images)d with boxes; validation %(validation_images)d",
            facts,
        )

    def facts(self, learner: Learner) -> dict[str, Any]:
        """Where and by what is trained, for run.json."""
        gpu = learner.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(learner.device) if gpu else "cpu",
            "processes": learner.team.size,
            "threads": self.threads,
            "precision": computed_precision(learner.device, self.settings),
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

    def epoch(
        self, learner: Learner, batches: TrainingBatches, epoch: int, watcher: Watcher | None
    ) -> tuple[dict[str, float], Validation]:
        """One epoch (from 1): a row of history.csv, and its validation."""
        tally = self.load_inside(learner, epoch)
        batches.epochs.epoch, batches.epochs.done = epoch, tally.steps
        training, validation = iter(batches.training), iter(batches.validation)
        if watcher is not None:
            training = watcher.training(training, epoch, len(batches.epochs) - tally.steps)
            validation = watcher.validation(validation, epoch)
        saver = Saver(self.settings.save_minutes, lambda tally: self.save_inside(learner, epoch, tally))
        try:
            tally = train_epoch(learner, training, epoch, self.settings, tally, saver)
            learner.team.agree(learner.network)
            start = time.monotonic()
            seen = validate(learner.network, validation, self.settings, learner.device, learner.team)
        except NotFiniteError as error:
            names = [batches.images[place] for place in error.places if place >= 0]
            rate = learner.optimizer.param_groups[0]["lr"]
            raise diverged(error.term, error.value, epoch, names, rate) from None
        except FloatingPointError as error:
            raise DataError(
                f"{error} after epoch {epoch}: the training diverged; lower training.optimizer.learning_rate "
                f"(now {self.settings.optimizer.learning_rate:g}) or train in float32."
            ) from None
        row = {
            "epoch": epoch,
            "steps": epoch * len(batches.epochs),
            "learning_rate": learner.optimizer.param_groups[0]["lr"],
            **tally.means(),
            "seconds": tally.seconds + time.monotonic() - start,
            "images_per_second": tally.images / tally.seconds,
            **seen.measures,
        }
        return row, seen

    def load_inside(self, learner: Learner, epoch: int) -> Tally:
        """Bring a learner to where ``epoch`` was last saved inside, if it was; its tally."""
        stand = self.resume.load_inside(self.wanted.identity, epoch)
        if stand is None:
            return Tally()
        learner.network.load_state_dict(stand["network"])
        learner.optimizer.load_state_dict(stand["optimizer"])
        tally = Tally(**stand["tally"])
        log.info("going on after step %d of epoch %d", tally.steps, epoch)
        return tally

    def save_inside(self, learner: Learner, epoch: int, tally: Tally) -> None:
        """Keep where ``epoch`` stands, for :meth:`load_inside`."""
        if learner.team.rank == 0:
            stand = {"network": learner.network.state_dict(), "optimizer": learner.optimizer.state_dict()}
            self.resume.save_inside(self.wanted.identity, epoch, {**stand, "tally": asdict(tally)})

    def keep(self, learner: Learner, card: Card, state: State, row: dict[str, float], facts: dict[str, Any]) -> State:
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
        if learner.team.rank > 0:
            return state
        weights.save(self.resume.weights(epoch), learner.network.state_dict(), card)
        with written(self.resume.optimizer(state)) as temporary, open(temporary, "wb") as file:
            torch.save(learner.optimizer.state_dict(), file)  # to a path it would not say why it failed
        state = self.resume.keep(state)
        self.resume.save_history(pd.DataFrame(state.history).to_csv(index=False))
        return state

    def card(self, batches: TrainingBatches, epoch: int, seen: Validation, typical: TypicalImage | None) -> Card:
        """What the weights of an epoch say of themselves; thresholds are chosen on what validation has ``seen``."""
        return Card(
            dataset=batches.dataset.name,
            findings=batches.dataset.findings,
            settings=dict(self.wanted.settings),
            epoch=epoch,
            store=batches.facts["store"],
            fingerprint=self.wanted.identity,
            versions=versions(),
            data_licence=batches.dataset.info["licence"],
            decisions=decisions_of(
                seen.labels,
                seen.probabilities,
                batches.dataset.findings,
                self.sources.lists.validation,
                TARGET_SENSITIVITY,
            ),
            typical=typical,
        )


class Saver:
    """Calls ``save`` with an epoch's tally where ``minutes`` have passed since it last did; never where they are
    None."""

    def __init__(self, minutes: float | None, save: Callable[[Tally], None]) -> None:
        self.minutes, self.save = minutes, save
        self.last = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        if self.minutes is not None and time.monotonic() - self.last >= 60 * self.minutes:
            self.save(tally)
            self.last = time.monotonic()


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
