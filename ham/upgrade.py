"""What finished trainings differ in from what is asked for now, and taking over those whose difference does not matter.

After an upgrade of ham, ``ham why`` says for each training which settings, code or data are others, and ``ham adopt``
declares that a difference of code or data decides nothing: the training counts as one of today's, and its run.json and
the report say by which commit it was trained and by which it was adopted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ham.config import Configuration
from ham.datasets.description import Description
from ham.errors import DataError, HamError, ResumeError
from ham.runtime.provenance import git_state
from ham.runtime.stages import code_of
from ham.training.former_release import read_former
from ham.training.ingredients import (
    Ingredients,
    code_differences,
    data_differences,
    data_ingredients,
    deciding_settings,
    differences,
    settings_differences,
)
from ham.training.state import Resume, State, read_state

LIST_ROLES = ("train", "train_boxes", "validation", "validation_boxes")


@dataclass(frozen=True)
class Run:
    """A training of the configuration; ``output`` is results/<dataset>/<experiment>/<variant>/<split>."""

    output: Path
    experiment: str
    variant: str
    split: str

    @property
    def name(self) -> str:
        """``localization-5fold ham fold1``."""
        return f"{self.experiment} {self.variant} {self.split}"


def runs_of(config: Configuration, folder: Path, targets: Sequence[Path] = ()) -> list[Run]:
    """The trainings of a configuration that works in ``folder``: those below or above the ``targets``, or all.

    DataError for a target that belongs to none.
    """
    runs = [
        Run(folder / "results" / config.dataset / experiment / variant / split, experiment, variant, split)
        for experiment in config.experiments
        for variant in config.variants
        if config.define.variants[variant].weights is None
        for split in config.splits(experiment, variant)
    ]
    wanted = [(folder / target).resolve() for target in targets]
    for target, place in zip(targets, wanted, strict=True):
        if not any(_related(run.output.resolve(), place) for run in runs):
            raise DataError(
                f"{target} belongs to no training of the configuration: give a folder or file below "
                f"results/{config.dataset}, and the --configfile that it was made with."
            )
    return [run for run in runs if not wanted or any(_related(run.output.resolve(), place) for place in wanted)]


def _related(output: Path, target: Path) -> bool:
    return output == target or output in target.parents or target in output.parents


def ingredients_wanted(config: Configuration, description: Description, folder: Path, run: Run) -> Ingredients:
    """What a training would be made from now; DataError where its data are not there yet."""
    settings = config.training_settings(run.experiment, run.variant)
    experiment = config.define.experiments[run.experiment]
    lists = {role: experiment.list_of(role, run.split) for role in LIST_ROLES}
    dataset = folder / "datasets" / description.name
    refined = folder / "results" / config.dataset / "refined.npz"
    store = dataset / "store" / f"{config.data.store}.json"
    data = data_ingredients(
        dataset,
        lists,
        refined if settings.refined_boxes and lists["train_boxes"] else None,
        store if config.data.store else None,
        settings.network.pretrained,
    )
    return Ingredients(deciding_settings(settings), code_of("train"), data)


def explain(config: Configuration, description: Description, folder: Path, runs: Sequence[Run]) -> Iterator[str]:
    """Lines for people: each training, whether it stands, and in what it differs."""
    for run in runs:
        state = kept_state(run)
        try:
            wanted = ingredients_wanted(config, description, folder, run)
        except (HamError, OSError) as error:
            yield f"{run.name}: {error}"
            continue
        if state is None:
            yield f"{run.name}: not trained yet"
            continue
        found = differences(state.ingredients, wanted)
        if state.identity == wanted.identity:
            yield f"{run.name}: {_standing(state, wanted)}"
            continue
        yield f"{run.name}: trained to epoch {state.epoch}{_by(state)}, with other ingredients:"
        yield from (f"  {line}" for line in found)


def _standing(state: State, wanted: Ingredients) -> str:
    if state.epoch == wanted.epochs:
        return "trained, nothing differs"
    if state.epoch > wanted.epochs:
        return f"trained to epoch {state.epoch}, {wanted.epochs} are asked for: an earlier state, or the first epoch"
    if state.optimizer is None:
        return (
            f"trained to epoch {state.epoch} of {wanted.epochs}, its optimizer was dropped: starts at the first epoch"
        )
    return f"trained to epoch {state.epoch} of {wanted.epochs}, goes on from there"


def _by(state: State) -> str:
    git = state.facts.get("git") or {}
    commit = str(git.get("commit", ""))[:12]
    return f" by commit {commit}" if commit else ""


def adopt(config: Configuration, description: Description, folder: Path, runs: Sequence[Run]) -> Iterator[str]:
    """Take over the trainings of ``runs``: differences of code and data are declared not to matter.

    Other settings are another training: ResumeError names them and nothing is adopted, where they are ones that the
    ham of then had. Yields a line for each training.
    """
    chosen = []
    for run in runs:
        state = kept_state(run)
        if state is None:
            yield f"{run.name}: not trained yet, nothing to adopt"
            continue
        wanted = ingredients_wanted(config, description, folder, run)
        if other := [line for line in settings_differences(state.ingredients, wanted) if " -> " in line]:
            raise ResumeError(
                f"{run.name} was trained with other settings, which is another training: {'; '.join(other)}. Give the "
                "--configfile that it was trained with, or train it."
            )
        chosen.append((run, state, wanted))
    for run, state, wanted in chosen:
        found = [*code_differences(state.ingredients, wanted), *data_differences(state.ingredients, wanted)]
        if state.identity == wanted.identity and not found:
            yield f"{run.name}: nothing differs, nothing to adopt"
            continue
        _take_over(run, state, wanted, found)
        yield f"{run.name}: adopted as trained{_by(state)}; said not to matter: {', '.join(found)}"


def _take_over(run: Run, state: State, wanted: Ingredients, found: list[str]) -> None:
    resume = Resume.of_output(run.output)
    with resume.locked(wait=False):  # what was looked at must be what is taken over
        former = None if resume.current.exists() else read_former(resume, run.output)
        if former is not None:
            former.convert(resume)
        record = {"git": git_state(), "differences": found}
        resume.keep(replace(state, ingredients=wanted, adopted=[*state.adopted, record]))


def kept_state(run: Run) -> State | None:
    """The state that stands for a run: the current one, or what an older ham left."""
    resume = Resume.of_output(run.output)
    if (state := read_state(resume.current)) is not None:
        return state
    former = read_former(resume, run.output)
    return former.state if former is not None else None
