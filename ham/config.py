"""The configuration as a whole: the stages' settings, what to run, and checks between them.

Imported by the workflow and the command line only. All mistakes are collected and named by their path in the file,
before the first job.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from ham.datasets.description import find_repeated, refuse
from ham.datasets.settings import DataSettings
from ham.errors import SettingsError
from ham.packaging.settings import RestoreSettings
from ham.precedence import merged
from ham.predicting.settings import PredictionSettings
from ham.protocol import CERTAINTY
from ham.refinement.settings import RefinementSettings
from ham.reporting.settings import ReportingSettings
from ham.runtime.yaml_text import read_settings
from ham.scoring.settings import ScoringSettings
from ham.settings import Settings, described, known_keys, sentence
from ham.training.settings import TrainingSettings

ROLES = ("train", "train_boxes", "validation", "validation_boxes", "test", "test_boxes")
SEEDED = re.compile(r"-seed\d+$")  # how the name of a further seed of a variant ends
DRIVE = "drive:"  # before the id of a file on Google Drive
# words that the tables use for rows, or a file, of their own
TAKEN = frozenset({"location-prior", "random-map", "whole-image", "mean", "sd", "pooled", "leakage"})


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    refuse(find_repeated(names), "named twice")
    return names


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_each_once)]


class Experiment(Settings):
    """Which lists an experiment trains and tests on; ``{split}`` in a name stands for the split."""

    splits: Names = Field(description="one training each")
    train: str = Field(description="images to train on")
    train_boxes: str | None = Field(None, description="images whose boxes may be used in training; null: none")
    validation: str = Field(description="images that choose the checkpoint")
    validation_boxes: str | None = Field(None, description="images with boxes that choose the checkpoint")
    test: str = Field(description="images classification is tested on")
    test_boxes: str | None = Field(None, description="images with boxes localization is tested on; null: not tested")
    training: dict[str, Any] = Field(default_factory=dict, description="training settings of this experiment")

    def list_of(self, role: str, split: str) -> str | None:
        """Name of the list that has ``role`` (train, test_boxes …) in ``split``."""
        name: str | None = getattr(self, role)
        return None if name is None else name.format(split=split)


class Variant(Settings):
    """A way of training, compared on the same experiments."""

    training: dict[str, Any] = Field(default_factory=dict, description="training settings of this variant")
    weights: dict[str, str | dict[str, str]] | None = Field(
        None,
        description="trained weights to test in place of training: experiment, then split, then a file or drive:<id>; "
        "a text in place of the splits stands for all of them, {split} for their names",
    )


class Definitions(Settings):
    """Maps from a name to what it means; several configuration files may add to them."""

    experiments: dict[str, Experiment] = Field(min_length=1)
    variants: dict[str, Variant] = Field(min_length=1)


class Configuration(Settings):
    """Everything of config.yaml, checked."""

    dataset: str = Field(description="a description in config/datasets/, without .yaml; or the path of one's own, with")
    experiments: Names = Field(description="what to run")
    variants: Names = Field(description="ways of training to run, in the order of the tables")
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = Field(
        (), description="each split is trained again with these: spread over seeds beside spread over splits"
    )
    restore: RestoreSettings | None = Field(None, description="a package to take in place of training; null: train")
    data: DataSettings = DataSettings()
    refinement: RefinementSettings = RefinementSettings()
    training: dict[str, Any] = Field(default_factory=dict)
    prediction: PredictionSettings = PredictionSettings()
    scoring: ScoringSettings = ScoringSettings()
    reporting: ReportingSettings = ReportingSettings()
    define: Definitions

    @property
    def key(self) -> str:
        """What results/ calls the data set: the name of its description, without folder and ending."""
        return Path(self.dataset).name.removesuffix(".yaml") if self.dataset.endswith(".yaml") else self.dataset

    def splits(self, experiment: str, variant: str) -> tuple[str, ...]:
        """Splits of an experiment that a variant has: all, or those it is given weights for."""
        every = self.define.experiments[experiment].splits
        given = self.define.variants[variant].weights
        return every if given is None else tuple(split for split in every if _weights(given, experiment, split))

    def weights(self, experiment: str, variant: str, split: str) -> str | None:
        """The file, or ``drive:<id>``, that a variant is given in place of training; None: it is trained."""
        given = self.define.variants[variant].weights
        return None if given is None else _weights(given, experiment, split)

    def drive_files(self) -> list[str]:
        """Ids of all files on Google Drive that variants are given."""
        runs = [(name, variant) for name in self.define.experiments for variant in self.define.variants]
        sources = [self.weights(name, variant, split) for name, variant in runs for split in self.splits(name, variant)]
        return [found for found in map(drive_file, sources) if found]

    def training_settings(self, experiment: str, variant: str) -> TrainingSettings:
        """The training section, with the experiment's and then the variant's settings over it."""
        return _training(
            merged(self.training, self.define.experiments[experiment].training, self.define.variants[variant].training)
        )

    def seed_of(self, experiment: str, variant: str) -> dict[str, Any]:
        """Of a variant that is trained: its seed, and the variant that it is a further seed of."""
        if self.define.variants[variant].weights is not None:
            return {}
        return {"base": base_variant(variant), "seed": self.training_settings(experiment, variant).seed}

    def split_folders(self, experiments: Sequence[str], variants: Sequence[str]) -> list[str]:
        """``results/<dataset>/<experiment>/<variant>/<split>`` of every split of these."""
        return [
            f"results/{self.dataset}/{name}/{variant}/{split}"
            for name in experiments
            for variant in variants
            for split in self.splits(name, variant)
        ]

    def refines(self) -> bool:
        """Whether a training that is run uses refined boxes."""
        return any(
            self.training_settings(name, variant).refined_boxes and self.define.experiments[name].train_boxes
            for name in self.experiments
            for variant in self.variants
            if self.define.variants[variant].weights is None
        )

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Every split of the experiment ``name``, as plain values: experiment, split, lists by role, checkpoints by
        variant (given: its weights come from elsewhere)."""
        return [
            {
                "experiment": name,
                "split": split,
                "lists": {role: self.define.experiments[name].list_of(role, split) for role in ROLES},
                "checkpoints": {
                    variant: self.training_settings(name, variant).checkpoint
                    if self.define.variants[variant].weights is None
                    else "given"
                    for variant in self.variants
                    if split in self.splits(name, variant)
                },
            }
            for split in self.define.experiments[name].splits
        ]


def _weights(given: Mapping[str, str | Mapping[str, str]], experiment: str, split: str) -> str | None:
    source = given.get(experiment)
    return source.format(split=split) if isinstance(source, str) else (source or {}).get(split)


def drive_file(source: str | None) -> str | None:
    """Id of a file on Google Drive, where ``source`` of weights is ``drive:<id>``."""
    return source.removeprefix(DRIVE) if source is not None and source.startswith(DRIVE) else None


def read_training(path: Path | None) -> TrainingSettings:
    """Training settings of a YAML file with what differs from the paper's; all of the paper's for None."""
    if path is None:
        return TrainingSettings()
    return read_settings(TrainingSettings, path)


def load(values: Mapping[str, Any], source: str = "the configuration") -> Configuration:
    """Check plain values, as read from YAML; SettingsError holds all mistakes, one a line."""
    problems: list[str] = []
    config = None
    try:
        config = Configuration.of(values)
        problems += _names(config) + _given_weights(config)
        config = _with_seeds(config) if not problems else config
        problems += _cuts(config)
    except ValidationError as error:
        problems += described(error, _known_keys())
    problems += _trainings(values)
    if config is None or problems:
        raise SettingsError(sentence(source, problems))
    return config


def base_variant(name: str) -> str:
    """``ham`` of ``ham-seed1``."""
    return SEEDED.sub("", name)


def _with_seeds(config: Configuration) -> Configuration:
    """The configuration with a variant for each further seed of those that are run and trained, after its own."""
    defined, run = dict(config.define.variants), []
    for name in config.variants:
        run.append(name)
        variant = defined[name]
        if variant.weights is not None:
            continue
        own = variant.training.get("seed", config.training.get("seed", TrainingSettings().seed))
        for seed in dict.fromkeys(config.seeds):
            if seed != own:
                again = f"{name}-seed{seed}"
                defined[again] = variant.model_copy(update={"training": {**variant.training, "seed": seed}})
                run.append(again)
    define = config.define.model_copy(update={"variants": defined})
    return config.model_copy(update={"variants": tuple(run), "define": define})


def _known_keys() -> list[str]:
    """Dotted keys of a configuration, those of training settings wherever they may stand."""
    keys = [*known_keys(Configuration)]
    places = [key for key in keys if key.split(".")[-1] == "training"]
    return [*keys, *(f"{place}.{key}" for place in places for key in known_keys(TrainingSettings))]


def _training(values: Mapping[str, Any]) -> TrainingSettings:
    return TrainingSettings.of(values)


def _names(config: Configuration) -> list[str]:
    """Names that are run but not defined, and names that cannot be folders."""
    problems = []
    for kind in ("experiments", "variants"):
        defined = getattr(config.define, kind)
        for name in getattr(config, kind):
            if name not in defined:
                near = difflib.get_close_matches(name, defined, n=1)
                meant = f" (do you mean {near[0]}?)" if near else ""
                problems.append(f"{kind}: {name} is not defined{meant}; define.{kind} has {', '.join(defined)}")
        problems += [
            f"define.{kind}.{name}: -seed and a number are what a further seed is called: end it otherwise"
            for name in defined
            if SEEDED.search(name)
        ]
        problems += [
            f"define.{kind}.{name}: a name takes letters, digits, dots and hyphens, and is no row of the tables"
            for name in defined
            if not is_name(name)
        ]
    for name, experiment in config.define.experiments.items():
        problems += [
            f"define.experiments.{name}.splits: {split}: letters, digits, dots and hyphens, and no row of the tables"
            for split in experiment.splits
            if not is_name(split)
        ]
        for role in ROLES:
            try:
                experiment.list_of(role, "fold1")
            except (KeyError, IndexError, ValueError):
                problems.append(f"define.experiments.{name}.{role}: only {{split}} may stand in braces")
    return problems


def _given_weights(config: Configuration) -> list[str]:
    """Weights for experiments or splits that are not defined, or under names that cannot be."""
    problems = []
    for variant, defined in config.define.variants.items():
        for name, given in (defined.weights or {}).items():
            where = f"define.variants.{variant}.weights.{name}"
            experiment = config.define.experiments.get(name)
            if experiment is None:
                problems.append(f"{where}: there is no such experiment")
                continue
            if isinstance(given, str):
                try:
                    given = {split: given.format(split=split) for split in experiment.splits}
                except (KeyError, IndexError, ValueError):
                    problems.append(f"{where}: only {{split}} may stand in braces")
                    continue
            problems += [
                f"{where}.{split}: there is no such split" for split in given if split not in experiment.splits
            ]
            ids = [drive_file(source) for source in given.values()]
            problems += [f"{where}: {found!r} is no id of Google Drive" for found in ids if found and not _is_id(found)]
    return problems


def _is_id(text: str) -> bool:
    return text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def is_name(name: str) -> bool:
    letters = (
        bool(name)
        and name[0].isalnum()
        and all(letter.isascii() and (letter.isalnum() or letter in ".-") for letter in name)
    )
    return letters and name not in TAKEN


def _trainings(values: Mapping[str, Any]) -> list[str]:
    """Mistakes in training settings, in the base alone and under every definition, each told once.

    Works on plain values, so that it finds them in a configuration that has other mistakes too.
    """
    overlays: list[tuple[str, Mapping[str, Any]]] = [("training", {})]
    for kind in ("experiments", "variants"):
        for name, defined in _map(_map(values.get("define")).get(kind)).items():
            overlays.append((f"define.{kind}.{name}.training", _map(_map(defined).get("training"))))
    known = [*known_keys(TrainingSettings)]
    problems: list[str] = []
    base: set[str] = set()
    for where, overlay in overlays:
        try:
            _training(merged(_map(values.get("training")), overlay))
        except ValidationError as error:
            bare, lines = described(error), described(error, known, f"{where}.")
            problems += [line for line, told in zip(lines, bare, strict=True) if told not in base]
            base |= set(bare) if where == "training" else set()
    return problems


def _cuts(config: Configuration) -> list[str]:
    """Cuts of the maps that none reaches or every pixel does, in scoring and in validation, each told once."""
    defined = config.define
    overlays = {f"define.experiments.{name}.training": [item.training] for name, item in defined.experiments.items()}
    overlays |= {f"define.variants.{name}.training": [item.training] for name, item in defined.variants.items()}
    overlays |= {
        f"{name} with {variant}": [defined.experiments[name].training, defined.variants[variant].training]
        for name in config.experiments
        for variant in config.variants
        if name in defined.experiments and variant in defined.variants
    }
    problems: dict[str, str] = {}
    for where, over in {"training": [], **overlays}.items():
        try:
            loss = _training(merged(config.training, *over)).loss
        except ValidationError:
            continue  # told by _trainings
        reason = loss.explain_cut(config.scoring.certainty) or loss.explain_cut(CERTAINTY)
        if reason:
            problems.setdefault(reason, f"{where}.loss: {reason}")
    return list(problems.values())


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
