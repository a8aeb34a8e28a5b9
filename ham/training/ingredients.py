"""What a training is made from: its settings, the code that decides its numbers, its data. Two trainings with the same
ingredients have the same weights; where they differ, this module says in what.

Light to import: ``ham why`` compares ingredients without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ham.errors import DataError, WeightsError
from ham.runtime.files import sha256
from ham.runtime.provenance import code_digest, settings_digest
from ham.settings import flatten
from ham.training.settings import TrainingSettings

BY_NUMBER_OF_EPOCHS = frozenset({"poly", "polynomial"})  # schedules whose rates depend on how many there are
# All checkpoints are kept, so which is tested can change without training; and what is kept of a finished one.
UNDECIDING = frozenset({"checkpoint", "keep_optimizer", "save_minutes"})


@dataclass(frozen=True)
class Ingredients:
    """``settings``: plain values, those that decide nothing left out; ``code``: module to digest; ``data``: name of a
    part of the data set (``labels``, ``boxes``, ``list Main/fold1/train_0.5_0.8``, ``masks`` …) to digest."""

    settings: Mapping[str, Any]
    code: Mapping[str, str]
    data: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """A digest of all that decides an epoch of the training, and so not of the number of epochs where the learning
        rate does not depend on it: more of them go on from the same states."""
        return settings_digest({"settings": self.deciding, "code": code_digest(self.code), "data": dict(self.data)})

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings without the number of epochs, where no epoch depends on it."""
        whole = dict(self.settings)
        by_number = whole["schedule"]["name"] in BY_NUMBER_OF_EPOCHS
        return whole if by_number else {k: v for k, v in whole.items() if k != "epochs"}

    @property
    def epochs(self) -> int:
        """How many epochs are asked for."""
        return int(self.settings["epochs"])

    def plain(self) -> dict[str, Any]:
        """As it stands in state.json and run.json."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Ingredients:
        """From :meth:`plain`."""
        return cls(known_settings(values["settings"]), values["code"], values["data"])


def deciding_settings(settings: TrainingSettings) -> dict[str, Any]:
    """The settings that decide weights, as plain values."""
    return {name: value for name, value in settings.plain().items() if name not in UNDECIDING}


def known_settings(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Deciding settings as an earlier ham recorded them, with the defaults of those that it did not know: they compute
    what it did, or the code differs as well."""
    try:
        return deciding_settings(TrainingSettings.of(recorded))
    except ValidationError:  # it knew others
        return dict(recorded)


def data_ingredients(
    dataset: Path, lists: Mapping[str, str | None], refined: Path | None, store: Path | None, pretrained: str | None
) -> dict[str, str | None]:
    """Digests of what of the data decides weights: labels, boxes, missing images, pixels, the lists used, refined
    masks, image store and a local file that the network starts from; not the data set's other files.

    ``lists`` by role; ``refined`` and ``store`` are files, None where none is used. DataError where the data set has
    not been made.
    """
    path = dataset / "dataset.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        digests = info["digests"]
        found: dict[str, str | None] = {
            "labels": digests["images.csv"],
            "boxes": digests["BBoxes.json"],
            "missing images": digests["missing.csv"],
            "images": digests["images"],
        }
        for role, name in lists.items():
            found[f"list for {role}"] = info["lists"][name]["sha256"] if name else None
    except FileNotFoundError:
        raise DataError(f"{path} is not there: run `datasets` first.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} was not written by this version of ham ({error!r}): run `datasets` again.") from None
    found["refined masks"] = masks_digest(refined) if refined else None
    found["image store"] = sha256(store) if store else None
    found["pretrained weights"] = pretrained_digest(pretrained)
    return found


def masks_digest(refined: Path) -> str:
    """Digest of the masks themselves, whatever compressed their file."""
    from ham.refinement.masks import RefinedMasks

    return RefinedMasks.open(refined).digest


def pretrained_digest(pretrained: str | None) -> str | None:
    """SHA-256 of the local file that a network starts from; None where it starts from torchvision's or at random."""
    if pretrained in (None, "imagenet"):
        return None
    path = Path(str(pretrained)).expanduser()
    if not path.is_file():
        raise WeightsError(f"training.network.pretrained: there is no file {path}; give a file, imagenet or null.")
    return sha256(path)


def differences(old: Ingredients, new: Ingredients) -> list[str]:
    """What of ``old`` is otherwise in ``new``, a line each: settings with both values, modules, parts of the data."""
    return [*settings_differences(old, new), *code_differences(old, new), *data_differences(old, new)]


def settings_differences(old: Ingredients, new: Ingredients) -> list[str]:
    """``settings: optimizer.learning_rate 0.0001 -> 0.0002``, and so on."""
    before, after = dict(flatten(old.deciding)), dict(flatten(new.deciding))
    lines = []
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            lines.append(f"settings: training.{key} {_shown(before[key])}, which is no setting any more")
        elif key not in before:
            lines.append(f"settings: training.{key} {_shown(after[key])}, which was no setting then")
        elif before[key] != after[key]:
            lines.append(f"settings: training.{key} {_shown(before[key])} -> {_shown(after[key])}")
    return lines


def code_differences(old: Ingredients, new: Ingredients) -> list[str]:
    """``code: ham.model.losses``: modules that compute otherwise; one that only moved is none of them."""
    if not old.code:
        return ["code: not recorded by the ham that trained it"]
    if code_digest(old.code) == code_digest(new.code):
        return []
    known = set(old.code.values())
    changed = [module for module, digest in new.code.items() if digest not in known]
    gone = [m for m, digest in old.code.items() if digest not in set(new.code.values()) and m not in new.code]
    return [f"code: {name}" for name in changed] + [f"code: {name}, which decides nothing any more" for name in gone]


def data_differences(old: Ingredients, new: Ingredients) -> list[str]:
    """``data: labels``, ``data: list for train``, and so on."""
    if not old.data:
        return ["data: not recorded by the ham that trained it"]
    return [
        f"data: {name}" for name in dict.fromkeys([*old.data, *new.data]) if old.data.get(name) != new.data.get(name)
    ]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
