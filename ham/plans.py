"""What a plan knows of results before anything runs: which files there will be, and of which settings and code, as
digests: results that bear another are made again or refused.

The content of the data is no part of it: that is an input of every rule, and stands in the weights' fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence

from ham.config import ROLES, Configuration, base_variant
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
FIGURES = ("roc", "t-iou", "t-ior", "training", "calibration", "differences", "subgroups")
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
    """``file`` of every split of these experiments and variants; of a training only where there is one."""
    given = [name for name in variants if config.define.variants[name].weights is not None]
    having = [name for name in variants if name not in given or file not in OF_TRAININGS]
    return [f"{folder}/{file}" for folder in config.split_folders(experiments, having)]


def files_between(config: Configuration) -> list[str]:
    """All files of all splits that are run, and the refined masks where they are used."""
    masks = [f"results/{config.dataset}/refined.npz"] if config.refines() else []
    runs = (config.experiments, config.variants)
    return [*masks, *(path for file in SPLIT_FILES for path in files_of_splits(config, file, *runs))]


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
    return [f"{base}/gallery/{name}/{variant}.png" for name, variant in variants]


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


def result_plans(config: Configuration, experiments: Sequence[str], variants: Sequence[str]) -> dict[str, str]:
    """Folder of every split of these to its :func:`result_plan`."""
    folders = config.split_folders(experiments, variants)
    return {folder: result_plan(config, *folder.split("/")[-3:]) for folder in folders}
