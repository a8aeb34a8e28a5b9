"""The card of a checkpoint: what its weights are, in the header of the ``.safetensors`` file.

One type, one reader, one writer. Light: a card is read without torch and without the weights behind it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError

from ham.errors import WeightsError
from ham.settings import ModelSettings, Settings, described

VERSION = 3  # of the card's form; 2 had no decisions and no typical image; 1 no number, and settings as a text of JSON
ABNORMALITY = "abnormality"  # what the network says besides the findings, where things are named
KEY = "card"  # in the header's metadata
LARGEST_HEADER = 100_000_000  # bytes; what the format itself allows
LICENCE_NOTE = "For research. Not a medical device, not for clinical use."


class Decisions(Settings):
    """Thresholds and calibration, chosen on validation images at the end of an epoch; by finding, and of abnormality.

    A finding of which these images show one class only is in none of the maps.
    """

    youden: dict[str, float] = Field(description="probability where sensitivity + specificity is largest")
    target: dict[str, float] = Field(description="the highest probability that reaches the target sensitivity")
    calibration: dict[str, tuple[float, float]] = Field(description="slope and intercept of Platt scaling of logits")
    chosen_on: str = Field(description="list of the data set, such as Main/fold1/val")
    images: int = Field(ge=1, description="of that list, those that were there")
    sensitivity: float = Field(gt=0, lt=1, description="the target")


class TypicalImage(Settings):
    """What training images look like, so that an image which does not is noticed (:mod:`ham.model.typical`)."""

    side: int = Field(ge=2, description="pixels")
    template: tuple[float, ...] = Field(description="mean of the standardised images, row by row")
    likeness: float = Field(description="correlation with the template that all but 1 % of the images exceed")
    turned: float = Field(description="what a turn adds to the likeness, at most, in all but 1 % of them")
    spread: float = Field(ge=0, description="standard deviation in grey levels that all but 1 % of them exceed")
    images: int = Field(ge=1, description="training images looked at")


class Card(Settings):
    """What is known of trained weights: enough to open the network, and to say where it came from."""

    version: int = Field(VERSION, ge=1, description="of the card's form")
    findings: tuple[str, ...] = Field(min_length=1, description="the network's outputs, in their order")
    settings: dict[str, Any] = Field(description="training settings in full; a network is opened with part of them")
    dataset: str | None = Field(None, description="name of the data set that it was trained on")
    epoch: int | None = Field(None, description="of the training, from 1")
    store: int | None = Field(None, description="side in pixels of the image store trained on; null: image files")
    fingerprint: str | None = Field(None, description="of settings, code and data of the training")
    imported: dict[str, Any] | None = Field(None, description="file and sha256, where the weights came from elsewhere")
    versions: dict[str, str] = Field(default_factory=dict, description="of Python and the packages that decide numbers")
    data_licence: str | None = Field(None, description="terms of the images trained on")
    decisions: Decisions | None = Field(None, description="thresholds and calibration; null: nobody chose any")
    typical: TypicalImage | None = Field(None, description="what training images look like; null: not recorded")
    note: str = LICENCE_NOTE

    @property
    def model(self) -> ModelSettings:
        """The settings that a network is opened and used with."""
        return ModelSettings.of({key: self.settings[key] for key in ModelSettings.model_fields if key in self.settings})

    def text(self) -> str:
        """The card as it stands in a header; the same card gives the same text."""
        return json.dumps(self.plain(), sort_keys=True)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """The card of a checkpoint; WeightsError where the file has none, or one that this version cannot read."""
        card = cls.find(path)
        if card is None:
            raise WeightsError(
                f"{path}: weights without a card, so nothing says of which network and findings they are; bring them "
                "in with ham import-weights."
            )
        return card

    @classmethod
    def find(cls, path: Path | str) -> Self | None:
        """The card of a ``.safetensors`` file, None where it has none; WeightsError where file or card cannot be
        read."""
        path = Path(path)
        try:
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(length, LARGEST_HEADER)))
            text = header.get("__metadata__", {}).get(KEY)
            values = json.loads(text) if text is not None else None
        except FileNotFoundError:
            raise WeightsError(f"{path}: there is no such file; train this split, or give its weights.") from None
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise WeightsError(
                f"{path}: not a checkpoint that can be read ({error}); train it again or fetch it anew."
            ) from None
        return None if text is None else cls.parse(values, path)

    @classmethod
    def parse(cls, values: Any, path: Path) -> Self:
        """A card from what its header holds; older forms are brought to today's."""
        if not isinstance(values, Mapping):
            raise WeightsError(f"{path}: its card is no map of keys; train it again or fetch it anew.")
        version = values.get("version", 1)
        if isinstance(version, int) and version > VERSION:
            raise WeightsError(
                f"{path}: its card has version {version}, and this ham reads up to {VERSION}: a newer one wrote it, "
                "update ham."
            )
        try:
            card = cls.of(_raised(values) if version in (1, 2) else values)
            _ = card.model
        except ValidationError as error:
            raise WeightsError(f"{path}: its card cannot be used: {'; '.join(described(error)[:3])}.") from None
        except ValueError as error:  # settings that are no JSON
            raise WeightsError(f"{path}: its card cannot be used ({error}).") from None
        return card


def _raised(values: Mapping[str, Any]) -> dict[str, Any]:
    """A card of version 1, which also named the checkpoint, or of version 2 in today's form."""
    settings = values.get("settings", {})
    rest = {key: value for key, value in values.items() if key not in ("checkpoint", "settings")}
    return {**rest, "version": VERSION, "settings": json.loads(settings) if isinstance(settings, str) else settings}
