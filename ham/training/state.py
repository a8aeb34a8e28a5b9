"""What a training keeps so that it can go on after any interruption, and knows when it is done.

::

    results/.resume/<dataset>/<experiment>/<variant>/<split>/
        lock                    held while a process trains
        train.log               the log of all attempts, one after another
        history.csv             the epochs so far, for people who watch
        progress.json           how far a running training is, and when it said so
        tensorboard/<identity>/ events for TensorBoard, of the epochs of one identity
        current/state.json      the last finished epoch: what it was made from, history, which epoch is which checkpoint
        current/epoch-7.safetensors     weights of an epoch that is a checkpoint; several checkpoints may be one epoch
        current/optimizer-7.pt  needed to go on
        current/inside-8-<identity>-<digest>.pt     how epoch 8 stood when it was last saved
        superseded/<identity>-<epoch>/  earlier states of the same form, whose settings, code or data were others

The folder is not Snakemake's, which deletes outputs before each attempt. A state is written whole or not at all:
state.json comes last and names the other files. Nothing finished is deleted: a state that does not fit is set aside,
and comes back when settings, code and data are again what they were.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ham.errors import ResumeError
from ham.runtime import locks
from ham.runtime.files import link_or_copy, sha256, write_json, write_text, written
from ham.runtime.termination import Stopped
from ham.training.ingredients import BY_NUMBER_OF_EPOCHS, Ingredients, differences

log = logging.getLogger("ham")
FORM = 1  # of state.json
FORMER_STATE = "state.pt"  # of ham 0.1, beside last.safetensors and best-*.safetensors


@dataclass(frozen=True)
class State:
    """A training after its last finished epoch.

    ``planned``: epochs that were asked for then. ``checkpoints``: checkpoint to epoch; ``files``: epoch to SHA-256 of
    its weights. ``optimizer``: SHA-256 of the optimizer's file, None where it was dropped. ``adopted``: what was said
    not to matter since, with the commit that said so.
    """

    ingredients: Ingredients
    epoch: int
    planned: int
    checkpoints: Mapping[str, int]
    files: Mapping[str, str]
    best: Mapping[str, float]
    history: list[dict[str, Any]]
    seconds: float
    facts: Mapping[str, Any]
    optimizer: str | None = None
    adopted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def identity(self) -> str:
        """Of the ingredients: states of one identity are epochs of one training."""
        return self.ingredients.identity

    @property
    def finished(self) -> bool:
        """Whether it has all epochs that were asked for."""
        return self.epoch >= self.planned

    def plain(self) -> dict[str, Any]:
        """As it stands in state.json."""
        return {"form": FORM, **asdict(self)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> State:
        """From :meth:`plain`; KeyError, TypeError or ValueError for what is none."""
        rest = {name: value for name, value in values.items() if name != "form"}
        if values["form"] != FORM:
            raise ValueError(f"form {values['form']}")
        return cls(**{**rest, "ingredients": Ingredients.of(rest["ingredients"])})


class Resume:
    """The resume folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.current = folder / "current"
        self.superseded = folder / "superseded"
        self.former = self.superseded / "ham-0.1"

    @classmethod
    def of_output(cls, output: Path) -> Resume:
        """Of the outputs ``results/<dataset>/<experiment>/<variant>/<split>``."""
        results = output.parents[3]
        return cls(results / ".resume" / output.relative_to(results))

    @contextmanager
    def locked(self, wait: bool = True) -> Iterator[None]:
        """Hold the folder. Where another process trains this run (an orphan of a killed workflow, say), wait for it:
        what it has trained is there to take or to go on from. Not ``wait``: ResumeError."""

        def meet(holder: str) -> None:
            in_use = f"{self.folder} is in use by another training ({holder})"
            if not wait:
                raise ResumeError(f"{in_use}; wait for it or stop it.")
            log.info("%s: waiting for it to end", in_use)

        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "a+") as lock:
            try:
                locks.take_in_turn(lock, meet)
            except OSError as error:
                log.warning(
                    "no file locks on %s (%s): make sure that no second training of it runs", self.folder, error
                )
            locks.sign(lock)
            try:
                yield
            except Stopped as stopped:
                if state := self.read():
                    stopped.kept = f"after epoch {state.epoch} of {state.planned}"
                raise

    def read(self) -> State | None:
        """The current state as it is, whatever it was made from; None where there is none that can be read."""
        return read_state(self.current)

    def find(self, wanted: Ingredients) -> State | None:
        """Make the current state the one to go on from, and return it; None: start at the first epoch.

        Of all states that are kept, the one of the same identity with the most epochs, but not more than are asked for.
        What stood there is set aside. To be called while :meth:`locked`.
        """
        self._move_former_release()
        candidates = {folder: state for folder in self._kept() if (state := self._usable(folder, wanted))}
        chosen = max(candidates, key=lambda folder: candidates[folder].epoch, default=None)
        if chosen != self.current:
            if chosen is not None or not self._inside(wanted.identity, 1):
                self._set_aside(wanted)
            if chosen is not None:
                chosen.replace(self.current)
        state = candidates[chosen] if chosen is not None else None
        if state is not None:
            self._drop_unnamed(state)
        for unfinished in self.superseded.glob(".*"):  # of a process that was killed
            shutil.rmtree(unfinished)
        if state is not None and state.finished and state.epoch < wanted.epochs:
            self._copy_finished(state)  # its results are what they were, whatever becomes of further epochs
        self._tell()
        return state

    def optimizer(self, state: State) -> Path:
        """Where the optimizer of a state lies."""
        return self.current / f"optimizer-{state.epoch}.pt"

    def weights(self, epoch: int) -> Path:
        """Where the weights of an epoch lie that is a checkpoint."""
        return weights_of(self.current, epoch)

    def keep(self, state: State) -> State:
        """Write state.json over weights and optimizer that are written, drop what it does not name; as written."""
        named = {str(epoch): self.weights(epoch) for epoch in sorted({state.epoch, *state.checkpoints.values()})}
        optimizer = self.optimizer(state)
        files = {epoch: state.files.get(epoch) or sha256(path) for epoch, path in named.items()}
        state = replace(state, files=files, optimizer=sha256(optimizer) if optimizer.is_file() else None)
        write_json(self.current / "state.json", state.plain())
        self._drop_unnamed(state)
        return state

    def save_inside(self, identity: str, epoch: int, stand: Mapping[str, Any]) -> None:
        """Keep how ``epoch`` of a training stands, in place of what was kept of it; the name tells the digest."""
        import torch  # here, because ham why reads states without it

        new = self.current / "inside.pt"
        with written(new) as temporary, open(temporary, "wb") as file:
            torch.save(dict(stand), file)
        former = self._inside(identity, epoch)
        new.replace(self.current / f"inside-{epoch}-{identity[:12]}-{sha256(new)[:12]}.pt")
        for path in former:
            path.unlink()

    def load_inside(self, identity: str, epoch: int) -> dict[str, Any] | None:
        """How ``epoch`` stood when it was last saved; None where it was not, or what was is damaged."""
        import torch

        for path in self._inside(identity, epoch):
            if sha256(path).startswith(path.stem.rpartition("-")[2]):
                stand: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                return stand
            log.warning("%s is damaged or was changed: its epoch starts again", path)
        return None

    def _inside(self, identity: str, epoch: int) -> list[Path]:
        return sorted(self.current.glob(f"inside-{epoch}-{identity[:12]}-*.pt"))

    def save_history(self, text: str) -> None:
        """The history so far, for people who watch."""
        write_text(self.folder / "history.csv", text)

    def drop_optimizer(self, state: State) -> State:
        """A finished state without what going on would need."""
        self.optimizer(state).unlink(missing_ok=True)
        return self.keep(state)

    def _drop_unnamed(self, state: State) -> None:
        """Remove what the current state, as it is written, does not name: what another has replaced, and what a process
        that was killed while it saved has left."""
        kept = {"state.json", self.optimizer(state).name, *(self.weights(int(epoch)).name for epoch in state.files)}
        kept |= {path.name for path in self._inside(state.identity, state.epoch + 1)}
        for old in self.current.iterdir():
            if old.name not in kept:
                old.unlink()

    def _tell(self) -> None:
        """One line on the states that are set aside and the room they take."""
        states = [folder for folder in self._kept() if folder != self.current]
        if states:
            files = [path.stat() for folder in states for path in folder.iterdir()]
            size = sum({file.st_ino: file.st_size for file in files}.values())  # they may share files
            counted = f"{len(states)} earlier state{'s' * (len(states) > 1)} of this training"
            log.info("%s in %s (%.0f MB): remove what you do not need", counted, self.superseded, size / 1e6)

    def _kept(self) -> list[Path]:
        """All folders of states, the current one first."""
        aside = sorted(self.superseded.glob("[!.]*")) if self.superseded.is_dir() else []
        return [folder for folder in (self.current, *aside) if folder.is_dir()]

    def _usable(self, folder: Path, wanted: Ingredients) -> State | None:
        """The state of ``folder``, if epochs up to the last that is ``wanted`` can be had from it."""
        state = read_state(folder)
        if state is None or state.identity != wanted.identity or state.epoch > wanted.epochs:
            return None
        if state.epoch < wanted.epochs and state.optimizer is None:
            log.info(
                "%s: epoch %d stands there without its optimizer (training.keep_optimizer: false), so no further epoch "
                "can follow it",
                folder,
                state.epoch,
            )
            return None
        damaged = _damaged(folder, state, state.epoch < wanted.epochs)
        if damaged:
            log.warning("%s is damaged or was changed: this state cannot be used", damaged)
            return None
        return state

    def _set_aside(self, wanted: Ingredients) -> None:
        """Move the current state away and say why; what holds no finished epoch goes."""
        if not (self.current / "state.json").is_file():
            shutil.rmtree(self.current, ignore_errors=True)
            return
        state = read_state(self.current)
        if state is not None:
            self._drop_unnamed(state)
        if state is not None and state.identity != wanted.identity:
            log.info("settings, code or data changed since %s, which is set aside:", self.current)
            for line in differences(state.ingredients, wanted):
                log.info("  %s", line)
            if (schedule := wanted.settings["schedule"]["name"]) in BY_NUMBER_OF_EPOCHS:
                starts = "the learning rate depends on epochs: other epochs start at the first"
                log.info("  under schedule %s %s", schedule, starts)
        place = self._place_of(state) if state is not None else self.superseded / f"unreadable-{time.time_ns()}"
        if place.exists():  # of the same epoch, and the one to come back where the current state is damaged
            place = place.with_name(f"{place.name}-{time.time_ns()}")
        place.parent.mkdir(exist_ok=True)
        self.current.replace(place)

    def _copy_finished(self, state: State) -> None:
        """Set a copy of the current state aside that shares its files, all but the optimizer's."""
        target = self._place_of(state)
        temporary = target.with_name(f".{target.name}")
        for old in (temporary, target):
            shutil.rmtree(old, ignore_errors=True)
        temporary.mkdir(parents=True)
        for epoch in state.files:
            link_or_copy(self.weights(int(epoch)), weights_of(temporary, int(epoch)))
        write_json(temporary / "state.json", replace(state, optimizer=None).plain())
        temporary.replace(target)

    def _move_former_release(self) -> None:
        """What ham 0.1 left lies flat in the folder; it is set aside, for ``ham adopt`` to take over."""
        if not (self.folder / FORMER_STATE).is_file():
            return
        self.former.mkdir(parents=True, exist_ok=True)
        for path in [*self.folder.glob("*.safetensors"), self.folder / FORMER_STATE]:  # the state last
            path.replace(self.former / path.name)
        log.info("%s is of an older ham: ham adopt takes it over where only the code changed", self.former)

    def _place_of(self, state: State) -> Path:
        return self.superseded / f"{state.identity[:12]}-{state.epoch}"


def read_state(folder: Path) -> State | None:
    """The state of a folder, None where there is none or it cannot be read."""
    path = folder / "state.json"
    try:
        return State.of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read (%s): this state cannot be used", path, error)
        return None


def weights_of(folder: Path, epoch: int) -> Path:
    """Where a state's folder has the weights of an epoch."""
    return folder / f"epoch-{epoch}.safetensors"


def _damaged(folder: Path, state: State, with_optimizer: bool) -> Path | None:
    """The first file of a state that is not what was written."""
    files = {weights_of(folder, int(epoch)): digest for epoch, digest in state.files.items()}
    if with_optimizer and state.optimizer:
        files[folder / f"optimizer-{state.epoch}.pt"] = state.optimizer
    return next((path for path, digest in files.items() if not path.is_file() or sha256(path) != digest), None)
