"""Whether the configuration can be run on the data set that it names.

Imported by the workflow and the command line only, as :mod:`ham.config` is; nothing of the user's files is read but the
description.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ham.config import ROLES, Configuration, is_name, load
from ham.datasets.description import Description
from ham.errors import SettingsError
from ham.packaging.manifest import DATASET_FOLDER, RECORD, SUMS
from ham.runtime.owners import explain_other_owner
from ham.settings import sentence

BY_PATIENT = "by-patient/"  # in the names of the lists of folds that ham makes


def planned(values: Mapping[str, Any], folder: Path) -> tuple[Configuration, Description]:
    """What is to be run on what, checked; ``folder`` has the shipped descriptions.

    The configuration's ``dataset`` is then what results/ calls it, also where a path was given: the name of that file.
    """
    config = load(values)
    dataset = describe_dataset(config, folder)
    check(config, dataset)
    return config.model_copy(update={"dataset": config.key}), dataset


def refuse_other_owner(config: Configuration, dataset: Description, root: Path) -> None:
    """SettingsError where results/ or datasets/ below ``root`` hold another data set under one of these names."""
    if reason := explain_other_owner(root, config.key, dataset.name):
        raise SettingsError(f"dataset: {reason}")


def refuse_mixed_results(config: Configuration, root: Path) -> None:
    """SettingsError where results/ below ``root`` were restored and are now to be made, or the other way round, and
    where there is no package to restore."""
    results = root / "results" / config.key
    restored = any((results / name).exists() for name in (RECORD, DATASET_FOLDER))
    if config.restore is None:
        if restored:
            raise SettingsError(
                f"{results} was restored from a package, and results made here never stand beside such: give restore "
                "as before, work in another folder (--directory), or move it away"
            )
        return
    names = ("metrics.json", "run.json")
    made = next((path.parent for name in names for path in sorted(results.glob(f"*/*/*/{name}"))), None)
    if made is not None and not restored:
        raise SettingsError(
            f"restore: {made} was made here, and a package is never mixed with such: work in another folder "
            f"(--directory), or move {results} away"
        )
    file = root / config.restore.file
    if config.restore.address is None and not file.is_file() and not (results / RECORD).is_file():
        lacks = f"has no {SUMS}: it is no unpacked package" if file.name == SUMS else "is neither a .zip nor a folder"
        raise SettingsError(f"restore: {config.restore.source} {lacks}")


def refuse_absent_files(dataset: Description, root: Path) -> None:
    """SettingsError where tables or the folder of images of one's own are not there, and the data set below ``root`` is
    not made yet: once it is, tables and reports can be made without them."""
    if (root / "datasets" / dataset.name / "dataset.json").is_file():
        return
    named = {"labels.file": dataset.labels, "boxes.file": dataset.boxes}
    problems = [f"{key}: there is no file {it.file}" for key, it in named.items() if it and not Path(it.file).is_file()]
    if dataset.images and not Path(dataset.images).is_dir():
        problems.append(f"images: there is no folder {dataset.images}")
    if problems:
        raise SettingsError(sentence(f"the description of {dataset.name}", problems))


def describe_dataset(config: Configuration, folder: Path) -> Description:
    """The description that ``dataset:`` names, looked up in ``folder``, or that it is the path of."""
    path = folder / f"{config.key}.yaml"
    if config.key == config.dataset and not is_name(config.key):
        raise SettingsError(
            f"dataset: {config.dataset} is no name of a shipped description: give the path of yours with its .yaml"
        )
    if config.key != config.dataset:
        if path.is_file() or not is_name(path.stem):
            raise SettingsError(
                f"dataset: give {config.dataset} another name, of letters, digits, dots and hyphens, and none of the "
                f"shipped descriptions': results/{path.stem} would hold two data sets, or cannot be made"
            )
        return Description.read(Path(config.dataset).expanduser())
    if not path.is_file() and Path(config.dataset).suffix.lower() in (".yml", ".yaml"):
        raise SettingsError(f"dataset: {config.dataset}: a description's name ends in .yaml, in small letters")
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise SettingsError(f"dataset: there is no description {path}; those at hand are {known}.")
    return Description.read(path)


def check(config: Configuration, dataset: Description) -> None:
    """Checks between the configuration and the data set it is run on; SettingsError holds all mistakes."""
    problems = config.data.refusals(dataset)
    lists = {*dataset.published_lists, *dataset.made_lists, *config.data.folds.list_names}
    for name in config.experiments:
        experiment = config.define.experiments[name]
        if not dataset.boxed_findings and (reason := _needs_boxes(config, name)):
            problems.append(f"experiments: {name} {reason}, and {config.dataset} has no boxes: leave it out")
        wanted = {role: [experiment.list_of(role, split) for split in experiment.splits] for role in ROLES}
        unknown = {role: [item for item in found if item and item not in lists] for role, found in wanted.items()}
        if absent := [f"{found[0]} ({role})" for role, found in unknown.items() if found]:
            problems.append(
                f"define.experiments.{name}: {config.dataset} has no list {', '.join(absent)}"
                f"{_fewer_folds(config, name) or _twin(config, name)}"
            )
    if config.scoring.leave_out is not None and config.scoring.leave_out not in dataset.boxed_findings:
        named = f"name one of {', '.join(dataset.boxed_findings)}, or null" if dataset.boxed_findings else "say null"
        problems.append(
            f"scoring.leave_out: {config.scoring.leave_out} is no finding of {config.dataset} that has boxes; {named}"
        )
    for metric in ("t_iou", "t_ior"):
        scored = getattr(config.scoring, metric)
        for threshold in getattr(config.reporting, f"{metric}_thresholds"):
            if threshold not in scored:
                problems.append(f"reporting.{metric}_thresholds: {threshold} is not among scoring.{metric}")
    if not any(config.splits(name, variant) for name in config.experiments for variant in config.variants):
        problems.append("variants: none of them has weights for any of the experiments")
    problems += _store(config) + (_pretrained(config) if config.restore is None else [])
    if problems:
        raise SettingsError(sentence("the configuration", problems))


def _fewer_folds(config: Configuration, name: str) -> str:
    """What to set where an experiment by patient has more splits than there are folds."""
    count, experiment = config.data.folds.count, config.define.experiments[name]
    if BY_PATIENT not in experiment.test or len(experiment.splits) <= count:
        return ""
    return f"; data.folds.count is {count}: give define.experiments.{name}.splits as many"


def _twin(config: Configuration, name: str) -> str:
    """What to run in place of an experiment whose published lists a data set does not have."""
    twin = f"{name}-by-patient"
    defined = twin in config.define.experiments
    return f"; {twin} takes folds made from the images at hand: name that in experiments" if defined else ""


def tell_left_out(config: Configuration) -> list[str]:
    """A line for each experiment by patient that does not run all folds, so that some patients are not tested."""
    lines = []
    for name in config.experiments:
        experiment, count = config.define.experiments[name], config.data.folds.count
        if BY_PATIENT in experiment.test and len(experiment.splits) < count:
            lines.append(
                f"{name} runs {len(experiment.splits)} of {count} folds by patient (data.folds.count, "
                f"define.experiments.{name}.splits): the patients of the others are not tested"
            )
    return lines


def _store(config: Configuration) -> list[str]:
    """Networks whose input an image store would have to be enlarged for."""
    runs = [(name, variant) for name in config.experiments for variant in config.variants]
    side = max(config.training_settings(*run).image_size for run in runs)
    if config.data.store is None or config.data.store >= side:
        return []
    return [f"data.store: {config.data.store} pixels are too few for training.image_size {side}"]


def _needs_boxes(config: Configuration, name: str) -> str | None:
    """Why an experiment cannot be run on a data set without boxes; None where it can."""
    experiment = config.define.experiments[name]
    for role in ("train", "validation", "test"):
        if str(getattr(experiment, role)).startswith("bbox/"):
            return f"takes only images with boxes ({role}: {getattr(experiment, role)})"
    trained = [variant for variant in config.variants if config.define.variants[variant].weights is None]
    chosen = [config.training_settings(name, variant).checkpoint for variant in trained]
    by_boxes = [checkpoint for checkpoint in chosen if checkpoint in ("best-t-iou", "best-t-ior")]
    return f"chooses its checkpoint on boxes (checkpoint: {by_boxes[0]})" if by_boxes else None


def _pretrained(config: Configuration) -> list[str]:
    """Files of ImageNet weights that are not there: better said now than after the download of a data set."""
    trained = [name for name in config.variants if config.define.variants[name].weights is None]
    asked = [config.training_settings(name, variant).network for name in config.experiments for variant in trained]
    files = dict.fromkeys(network.pretrained for network in asked if network.pretrained not in (None, "imagenet"))
    absent = [file for file in files if not Path(str(file)).expanduser().is_file()]
    return [f"training.network.pretrained: there is no file {file}; give one, imagenet or null" for file in absent]
