"""What a plan knows of a result before anything runs, as digests: results that bear another are of other settings or
code, and are made again or refused.

The content of the data is no part of it: that is an input of every rule, and stands in the weights' fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence

from ham.config import ROLES, Configuration
from ham.runtime.provenance import settings_digest
from ham.runtime.stages import digest
from ham.training.ingredients import UNDECIDING


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
