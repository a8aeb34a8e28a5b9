"""Trainings of ham 0.1, whose state was one file of torch's beside up to four of weights, in today's form.

Such a state recorded one digest of settings, code and data together, so only its settings can be compared: they stand
in the cards of its weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ham.errors import ResumeError
from ham.model.card import Card
from ham.runtime.files import link_or_copy, sha256, written
from ham.training.ingredients import Ingredients, known_settings
from ham.training.state import FORMER_STATE, Resume, State


@dataclass(frozen=True)
class Former:
    """A state of ham 0.1 in ``folder``; ``state`` is what it is in today's form."""

    folder: Path
    state: State
    optimizer: dict[str, Any]

    def convert(self, resume: Resume) -> None:
        """Write weights and optimizer into the current state's folder, which must be free; state.json is to follow."""
        import torch

        if resume.current.exists():
            raise ResumeError(f"{resume.current} holds a training of today's ham: move it away before adopting.")
        resume.current.mkdir(parents=True)
        for name, epoch in self.state.checkpoints.items():
            link_or_copy(self.folder / f"{name}.safetensors", resume.weights(epoch))
        with written(resume.optimizer(self.state)) as temporary, open(temporary, "wb") as file:
            torch.save(self.optimizer, file)


def read_former(resume: Resume, output: Path) -> Former | None:
    """What ham 0.1 left of a run, where it left it or set aside; None where there is nothing.

    ``output`` has its run.json, which says by which commit it was trained. ResumeError where it cannot be read.
    """
    for folder in (resume.folder, resume.former):
        if (folder / FORMER_STATE).is_file():
            return _read(folder, output / "run.json")
    return None


def _read(folder: Path, run: Path) -> Former:
    import torch

    path = folder / FORMER_STATE
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        cards = {file.stem: Card.read(file) for file in sorted(folder.glob("*.safetensors"))}
        epoch, best, history = int(kept["epoch"]), dict(kept["best"]), list(kept["history"])
        facts, seconds, optimizer = dict(kept["facts"]), float(kept["seconds"]), kept["optimizer"]
        last = cards["last"]
        git = json.loads(run.read_text(encoding="utf-8")).get("git") if run.is_file() else None
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise ResumeError(
            f"{path} cannot be read as a state of ham 0.1 ({type(error).__name__}); remove it to train anew."
        ) from None
    epochs = {name: int(card.epoch or epoch) for name, card in cards.items()}
    state = State(
        ingredients=Ingredients(known_settings(last.settings), {}, {}),
        epoch=epoch,
        planned=int(last.settings["epochs"]),
        checkpoints=epochs,
        files={str(number): sha256(folder / f"{name}.safetensors") for name, number in epochs.items()},
        best=best,
        history=history,
        seconds=seconds,
        facts={**facts, "versions": last.versions, "git": git or {}},
        optimizer="kept",
    )
    return Former(folder, state, optimizer)
