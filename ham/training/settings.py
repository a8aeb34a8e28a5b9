"""What a training can be told. Light to import: the workflow reads it before the first job."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Architecture = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"
]


class Settings(BaseModel):
    """Frozen, no unknown keys: a mistyped option is an error, never a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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


class OptimizerSettings(Settings):
    """Optimizer; weight decay is L2 in the gradient, as published, not decoupled."""

    name: Literal["adam", "sgd", "rmsprop"] = "adam"
    learning_rate: float = Field(2e-5, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd only, as published")


class ScheduleSettings(Settings):
    """Learning rate an epoch: step is lr decay^(e // every); poly is lr (1 - (e / epochs)^power), as published."""

    name: Literal["step", "poly", "constant"] = "step"
    every: int = Field(10, ge=1, description="step: epochs between two reductions")
    decay: float = Field(0.1, gt=0, le=1, description="step: factor of each reduction")
    power: float = Field(0.9, gt=0, description="poly: exponent")


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


Checkpoint = Literal["last", "best-auc", "best-t-iou", "best-t-ior"]


class TrainingSettings(Settings):
    """Everything that decides the weights; cores, workers and devices are not here because they are not science."""

    seed: int = Field(0, ge=0, le=2**31 - 1)
    image_size: int = Field(512, ge=32, le=2048, description="side of the network's input in pixels")
    batch_size: int = Field(24, ge=2)
    epochs: int = Field(20, ge=1)
    checkpoint: Checkpoint = Field(
        "best-auc", description="which weights are tested: last, or the best of an epoch on the validation lists"
    )
    refined_boxes: bool = Field(False, description="train on box masks refined by the dense CRF")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16: convolutions in half precision, pooling, losses and weights in float32"
    )
    network: NetworkSettings = NetworkSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    normalisation: NormalisationSettings = NormalisationSettings()
