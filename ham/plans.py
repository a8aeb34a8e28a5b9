"""What a plan knows of results before anything runs: which files there will be, and of which settings and code, as
digests: results that bear another are made again or refused.

The content of the data is no part of it: that is an input of every rule, and stands in the weights' fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ham.config import ROLES, Configuration, base_variant
from ham.datasets.description import Description
from ham.packaging.manifest import CARD, DATASET_FOLDER
from ham.runtime.provenance import settings_digest
from ham.runtime.stages import digest
from ham.training.ingredients import UNDECIDING

CHECKPOINTS = tuple(f"checkpoints/{name}.safetensors" for name in ("last", "best-auc", "best-t-iou", "best-t-ior"))
OF_TRAININGS = ("history.csv", "run.json", *CHECKPOINTS)  # which weights trained elsewhere lack
SPLIT_FILES = (
    "model.safetensors",
    *OF_TRAININGS,
    "predictions.csv",
    "maps.npz",
    "validation-predictions.csv",
    "metrics.json",
    "classification.csv",
    "localization.csv",
    "floors.csv",
    "cuts.csv",
    "curves.json",
    "resamples.npz",
)
GALLERY = (".png", "/index.html", "/pictures")  # the last is the page's folder
FIGURES = (
    "roc",
    "t-iou",
    "t-ior",
    "training",
    "calibration",
    "precision-recall",
    "iou",
    "area",
    "co-occurrence",
    "leakage",
    "differences",
    "subgroups",
)
# Of a variant whose maps are tested, in forms that other people's programs read
EXCHANGED = (
    "coco-truth.json",
    "coco-results.json",
    "chexlocalize-truth.json",
    "chexlocalize-results.json",
    "chexlocalize-points.json",
    "chexlocalize.csv",
)


def files_of_splits(config: Configuration, file: str, experiments: Sequence[str], variants: Sequence[str]) -> list[str]:
    """``file`` of every split of these experiments and variants; of a training only where there is one, and of weights
    none where results are restored."""
    if config.restore is not None and file.endswith(".safetensors"):
        return []
    given = [name for name in variants if config.define.variants[name].weights is not None]
    having = [name for name in variants if name not in given or file not in OF_TRAININGS]
    return [f"{folder}/{file}" for folder in config.split_folders(experiments, having)]


def files_between(config: Configuration) -> list[str]:
    """All files of all splits that are run, and the refined masks where they are used."""
    masks = [f"results/{config.dataset}/refined.npz"] if config.refines() and config.restore is None else []
    runs = (config.experiments, config.variants)
    return [*masks, *(path for file in SPLIT_FILES for path in files_of_splits(config, file, *runs))]


def list_files(config: Configuration, dataset: Description) -> list[str]:
    """The lists of images that a data set has, below its folder: the authors', its own, folds by patient."""
    names = (*dataset.published_lists, *dataset.made_lists, *config.data.folds.list_names)
    return [f"ImageSets/{name}.txt" for name in names]


def packaged_dataset_files(config: Configuration, dataset: Description) -> list[str]:
    """What a package has of the data set: what is read beside results, where it may be passed on."""
    names = ["dataset.json"]
    if dataset.redistributable:
        names += ["images.csv", "missing.csv", "Annotations/BBoxes.json", *list_files(config, dataset)]
    return [f"datasets/{dataset.name}/{name}" for name in names]


def package_request(config: Configuration, dataset: Description, shipped: bool) -> dict[str, Any]:
    """Plain values of :class:`ham.packaging.contents.PackageRequest`, without its files; ``shipped``: the description
    of the data set comes with ham."""
    made_with = result_settings(config)
    planned = result_plans(config, config.experiments, config.variants)
    return {
        "key": config.dataset,
        "name": dataset.name,
        "dataset_files": tuple(packaged_dataset_files(config, dataset)),
        "redistributable": dataset.redistributable,
        "splits": {folder: {"plan": plan, "settings": made_with[folder]} for folder, plan in planned.items()},
        "data": data_settings(config, dataset),
        "configuration": _as_asked(config),
        "description": None if shipped else dataset.plain() | {"redistributable": dataset.redistributable},
        "licence": dataset.licence,
        "attribution": dataset.attribution,
    }


def _as_asked(config: Configuration) -> dict[str, Any]:
    """Plain values of the configuration without the variants that further seeds were made into: its seeds make them."""
    values = config.plain()
    defined = values["define"]["variants"]
    values["define"]["variants"] = {name: it for name, it in defined.items() if base_variant(name) == name}
    return values | {"variants": [name for name in values["variants"] if base_variant(name) == name]}


def package_file(config: Configuration) -> str:
    """The .zip that is restored, or the SHA256SUMS of its folder; of an address where it is fetched to; empty: none."""
    if config.restore is None:
        return ""
    fetched = f"results/{config.dataset}/.package/{config.restore.sha256}.zip"
    return fetched if config.restore.address else str(config.restore.file)


def restored_files(config: Configuration, dataset: Description) -> dict[str, str]:
    """Path of every file that is restored to its name in the package: all of a split but its weights, whose cards
    stand for them, and what leakage audits and the report read of the data set; where that may not be passed on,
    dataset.json and the audits themselves."""
    runs = (config.experiments, config.variants)
    files = {path: path for file in (*SPLIT_FILES, CARD) for path in files_of_splits(config, file, *runs)}
    for name in packaged_dataset_files(config, dataset):
        files[name.replace(f"datasets/{dataset.name}", f"results/{config.dataset}/{DATASET_FOLDER}", 1)] = name
    return files if dataset.redistributable else files | {path: path for path in products(config, "leakage")}


def products(config: Configuration, kind: str) -> list[str]:
    """Files that people read of the experiments that have a split to show: tables, differences, cuts, subgroups,
    seeds, leakage, ablations, figures, cards, exchange or gallery."""
    base = f"results/{config.dataset}"
    shown = [name for name in config.experiments if config.split_folders([name], config.variants)]
    if kind == "tables":
        return [f"{base}/tables/{name}.{form}" for name in shown for form in ("csv", "md", "tex")]
    if kind == "ablations":
        tables = [f"{base}/tables/ablations/{file}.csv" for name in shown for file in (name, f"differences/{name}")]
        return tables + [f"{base}/figures/ablations/{name}-differences.svg" for name in shown]
    if kind in ("leakage", "differences", "cuts", "subgroups", "seeds"):
        return [f"{base}/tables/{kind}/{name}.csv" for name in shown]
    if kind == "cards":
        cards = (path.removesuffix("/") for path in files_of_splits(config, "", shown, config.variants))
        return [f"{path.replace(base, f'{base}/cards', 1)}.md" for path in cards]
    if kind == "figures":
        files = [f"{base}/figures/{name}-{figure}" for name in shown for figure in FIGURES]
        return [f"{file}.{form}" for file in files for form in ("svg", "png")]
    first = [variant for variant in config.variants if base_variant(variant) == variant]  # of a variant's seeds
    variants = [(name, variant) for name in shown for variant in first if config.splits(name, variant)]
    if kind == "exchange":
        tested = [(name, variant) for name, variant in variants if config.define.experiments[name].test_boxes]
        return [f"{base}/exchange/{name}/{variant}/{file}" for name, variant in tested for file in EXCHANGED]
    return [f"{base}/gallery/{name}/{variant}{file}" for name, variant in variants for file in GALLERY]


def training_plan(config: Configuration, experiment: str, variant: str, split: str) -> str:
    """Of the tested weights: settings, which epoch is tested, lists, code, or where the weights are taken from."""
    settings = config.training_settings(experiment, variant)
    defined = config.define.experiments[experiment]
    return settings_digest(
        {
            "settings": {name: value for name, value in settings.plain().items() if name not in UNDECIDING},
            "checkpoint": settings.checkpoint,
            "lists": {role: defined.list_of(role, split) for role in ROLES if not role.startswith("test")},
            "weights": config.weights(experiment, variant, split),
            "code": digest("train" if config.define.variants[variant].weights is None else "import_weights"),
        }
    )[:16]


def result_plan(config: Configuration, experiment: str, variant: str, split: str) -> str:
    """Of a split's scores: the weights, and how they are tested and scored."""
    defined = config.define.experiments[experiment]
    return settings_digest(
        {
            "training": training_plan(config, experiment, variant, split),
            "lists": {role: defined.list_of(role, split) for role in ROLES},
            "scoring": config.scoring.plain(),
            "code": [digest("predict"), digest("score")],
        }
    )[:16]


def result_plans(config: Configuration, experiments: Sequence[str], variants: Sequence[str]) -> dict[str, str | None]:
    """Folder of every split of these to its :func:`result_plan`; to None where results are restored, which keep the
    plan that made them."""
    folders = config.split_folders(experiments, variants)
    if config.restore is not None:
        return dict.fromkeys(folders)
    return {folder: result_plan(config, *folder.split("/")[-3:]) for folder in folders}


def result_settings(config: Configuration) -> dict[str, dict[str, Any]]:
    """Folder of every split that is run to what a :func:`result_plan` is of, without code: what a restored split must
    have been made with."""
    made = {}
    for folder in config.split_folders(config.experiments, config.variants):
        experiment, variant, split = folder.split("/")[-3:]
        settings = config.training_settings(experiment, variant)
        defined = config.define.experiments[experiment]
        made[folder] = {
            "training": {name: value for name, value in settings.plain().items() if name not in UNDECIDING},
            "checkpoint": settings.checkpoint,
            "lists": {role: defined.list_of(role, split) for role in ROLES},
            "weights": config.weights(experiment, variant, split),
            "scoring": config.scoring.plain(),
        }
    return made


def data_settings(config: Configuration, dataset: Description) -> dict[str, Any]:
    """Settings of the data that decide what is trained and tested on; whether images lacked is told by the data."""
    settings = {key: value for key, value in config.data.plain_for_conversion(dataset).items() if key != "partial"}
    drawn = {"phantom": config.data.phantom.plain()} if dataset.drawn else {}
    return settings | drawn | {"findings": [*dataset.findings], "boxed_findings": [*dataset.boxed_findings]}
