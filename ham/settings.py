"""The ground floor of all settings: their one base, what a trained network is made of and used with, and how mistakes
in settings are told.

Imports pydantic only: the workflow reads settings before the first job.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ALIKE, PLACE = 0.7, 0.15  # how like a mistyped word is to the right one; what a section in common adds to it

Architecture = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"
]


class Settings(BaseModel):
    """Frozen, strict, no unknown keys, finite numbers: a mistyped option is an error, never a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From plain values as YAML, JSON and a rule's params hold them (lists for tuples); raises ValidationError."""
        return cls.model_validate_json(json.dumps(_with_text_keys(values), default=str))

    def plain(self) -> dict[str, Any]:
        """Plain values in a fixed order, which ``of`` reads: what a rule's params, cards and run.json hold."""
        return self.model_dump(mode="json")


class NetworkSettings(Settings):
    """The network of method, section 1."""

    architecture: Architecture = Field("resnet50", description="backbone, as torchvision names it")
    downsampling: Literal[8, 16, 32] = Field(8, description="side of the image over side of the maps")
    pooling: bool = Field(True, description="max pool after the first convolution")
    dilation: bool = Field(True, description="dilated convolutions where strides were taken out")
    pretrained: str | None = Field(
        "imagenet", description="imagenet (torchvision's IMAGENET1K_V1), a file in torchvision's format, or null"
    )
    foreground_attention: bool = Field(True, description="the attention block between backbone and head")
    lse_sharpness: float = Field(6.0, gt=0, description="r of log-sum-exp pooling")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of the head's channels dropped in training")
    batch_norm_images: int | None = Field(
        12,
        ge=1,
        description="images that share batch norm statistics in training (published: 24 on two GPUs); null: all",
    )


class LossWeights(Settings):
    """Factors of the five terms of the total loss (method, section 2)."""

    abnormality: float = Field(0.01, ge=0, description="cross entropy of abnormal or not")
    classification: float = Field(1.0, ge=0, description="cross entropy of the findings")
    box: float = Field(0.5, ge=0, description="refined map against box mask, supervised pairs only")
    bound: float = Field(0.001, ge=0, description="attention bound: a finding's map lies inside the abnormality map")
    union: float = Field(0.001, ge=0, description="attention union: the findings' maps cover the abnormality map")


class LossSettings(Settings):
    """Losses of method, section 2."""

    weights: LossWeights = LossWeights()
    refined_threshold: float = Field(0.4, gt=0, lt=1, description="where the normalised map is cut")
    refined_slope: float = Field(100.0, gt=0, description="steepness of that cut")
    soft_mask_threshold: float = Field(0.75, gt=0, description="where the soft mask of bound and union cuts raw maps")
    soft_mask_slope: float = Field(100.0, gt=0, description="steepness of that cut")

    def explain_cut(self, certainty: float) -> str | None:
        """Why no region comes of cutting normalised maps where the refined one reaches ``certainty``; None where some
        do. The cut stands in :func:`ham.model.maps.predicted_regions`.
        """
        cut = self.refined_threshold + math.log(certainty / (1 - certainty)) / self.refined_slope
        if 0 < cut < 1:
            return None
        empty, everything = "no map rises above it, so every region is empty", "every pixel of every map reaches it"
        return (
            f"maps of 0 to 1 are cut at refined_threshold + ln(certainty / (1 - certainty)) / refined_slope = "
            f"{self.refined_threshold:g} + {math.log(certainty / (1 - certainty)):.3g} / {self.refined_slope:g} = "
            f"{cut:.3g} (certainty {certainty:g}): {empty if cut >= 1 else everything}"
        )


class AugmentationSettings(Settings):
    """Random changes of training images (method, section 3)."""

    resize: Literal["dynamic", "fixed"] = Field(
        "dynamic", description="dynamic: 0 to max_percent % larger, then a random crop; fixed: the image size itself"
    )
    max_percent: int = Field(12, ge=0, le=100)
    flip: float = Field(0.5, ge=0, le=1, description="probability of a mirror image")


class NormalisationSettings(Settings):
    """(x / 255 - mean) / std, one value or one a channel; grey is repeated to three channels."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @model_validator(mode="after")
    def _positive(self) -> NormalisationSettings:
        if min(self.std) <= 0:
            raise ValueError("std must be greater than 0")
        return self


class ModelSettings(Settings):
    """What a trained network needs to be used: how it is built, what it is shown, how its maps are cut."""

    image_size: int = Field(512, ge=32, le=2048, description="side of the network's input in pixels")
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="of convolutions: float32 is parity; tf32, on GPUs, float32 with 10 bits after the point; bfloat16 "
        "half precision. Pooling, losses and weights are float32 in all",
    )
    network: NetworkSettings = NetworkSettings()
    loss: LossSettings = LossSettings()
    normalisation: NormalisationSettings = NormalisationSettings()


def ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    """Thresholds as given, each once and in order; ValueError names what is not (equal to six decimals is the same)."""
    rounded = [round(value, 6) for value in values]
    if rounded != sorted(set(rounded)):
        raise ValueError(f"give each threshold once, in ascending order: {sorted(set(rounded))}")
    return values


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of nested settings: ``optimizer.learning_rate``, 2e-5, and so on."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def known_keys(model: type[BaseModel], under: str = "") -> Iterator[str]:
    """Dotted keys of settings and of all below them; ``*`` is the name of an entry in a map of settings."""
    for name, field in model.model_fields.items():
        yield f"{under}{name}"
        mapped = "*." if get_origin(field.annotation) is dict else ""
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from known_keys(kind, f"{under}{name}.{mapped}")


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """The dotted keys of ``known`` that a mistyped ``name`` may be, with their ``*`` filled in: those of the most
    similar last word and place."""
    parts = name.split(".")

    def likeness(key: str) -> float:
        *place, word = key.split(".")
        same = next((n for n, (a, b) in enumerate(zip(place, parts, strict=False)) if a not in ("*", b)), len(place))
        alike = difflib.SequenceMatcher(None, parts[-1], word).ratio()
        return alike + PLACE * min(same, len(parts)) if alike >= ALIKE else 0

    best = max(map(likeness, known), default=0)
    filled = [
        [parts[n] if part == "*" and n < len(parts) else part for n, part in enumerate(key.split("."))]
        for key in known
        if best and likeness(key) == best
    ]
    return [".".join(found) for found in filled if "*" not in found]


def described(error: ValidationError, known: Sequence[str] = (), under: str = "") -> list[str]:
    """``key.path: what is wrong (given: value)``, one a mistake; ``known`` are the keys that there are, of which the
    nearest to a mistyped one is named, and ``under`` stands before all keys."""
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"])
        given = item["input"]
        message = item["msg"].removeprefix("Value error, ")
        if given is None and item["type"] in ("model_type", "model_attributes_type", "dict_type"):
            message = "is empty: leave the key out, or write keys below it"
        elif item["type"] in ("list_type", "tuple_type") and isinstance(given, str | int | float):
            message = f"takes a list: write [{given}]"
        if item["type"] == "extra_forbidden":
            near = nearest(where, known)
            found = " or ".join(f"{under}{key}" for key in near)
            message = "there is no such key" + (f"; do you mean {found}?" if found else "")
            if near == [where] and "." in str(item["loc"][-1]):
                message = f"keys are nested: write {where.replace('.', ': {')}: …{'}' * where.count('.')}"
        where = f"{under}{where}" if where else under.removesuffix(".")
        shown = "" if isinstance(given, dict | list | tuple) else f" (given: {given!r})"
        if isinstance(given, str) and _is_number(given):
            shown += "; YAML reads this as text, write it without quotes and with a point, like 2.0e-5"
        lines.append(f"{where}: {message}{shown}" if where else f"{message}{shown}")
    return lines


def sentence(source: str, problems: list[str]) -> str:
    """All ``problems`` of ``source``, one a line below their number."""
    counted = f"{source} has {len(problems)} mistake{'s' * (len(problems) > 1)}:"
    return "\n".join([counted, *(f"  {line}" for line in problems)])


def _with_text_keys(value: Any) -> Any:
    """``value`` with every key as text: YAML makes dates and numbers of some."""
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
