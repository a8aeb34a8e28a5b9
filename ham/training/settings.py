"""What a training can be told. Light to import: the workflow reads it before the first job."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from ham.settings import AugmentationSettings, ModelSettings, Settings


class OptimizerSettings(Settings):
    """Optimizer; weight decay is L2 in the gradient, as published, not decoupled."""

    name: Literal["adam", "sgd", "rmsprop"] = "adam"
    learning_rate: float = Field(2e-5, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd only, as published")


class ScheduleSettings(Settings):
    """Learning rate an epoch: step is lr decay^(e // every); poly is lr (1 - (e / epochs)^power), as published;
    polynomial is the usual lr (1 - e / epochs)^power."""

    name: Literal["step", "poly", "polynomial", "constant"] = "step"
    every: int = Field(10, ge=1, description="step: epochs between two reductions")
    decay: float = Field(0.1, gt=0, le=1, description="step: factor of each reduction")
    power: float = Field(0.9, gt=0, description="poly and polynomial: exponent")


Checkpoint = Literal["last", "best-auc", "best-t-iou", "best-t-ior"]


class TrainingSettings(ModelSettings):
    """Everything that decides the weights; cores, workers and devices are not here because they are not science."""

    seed: int = Field(0, ge=0, le=2**31 - 1)
    batch_size: int = Field(24, ge=2)
    accumulation: int = Field(
        1, ge=1, description="parts in which a batch passes through the network, for cards of little memory"
    )
    epochs: int = Field(20, ge=1)
    checkpoint: Checkpoint = Field(
        "best-auc", description="which weights are tested: last, or the best of an epoch on the validation lists"
    )
    keep_optimizer: bool = Field(
        True,
        description="keep what a finished training needs to go on, so that more epochs can follow (not under poly "
        "and polynomial, whose rate depends on their number); false: a third of the room",
    )
    save_minutes: float | None = Field(
        30.0, gt=0, description="minutes between two savings inside an epoch; null: only after each epoch"
    )
    refined_boxes: bool = Field(False, description="train on box masks refined by the dense CRF")
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    augmentation: AugmentationSettings = AugmentationSettings()

    @property
    def batch_norm_group(self) -> int:
        """Images that share batch norm statistics."""
        return self.network.batch_norm_images or self.batch_size

    @property
    def batch_norm_groups(self) -> int:
        """Groups of a whole batch that have batch norm statistics of their own."""
        return math.ceil(self.batch_size / self.batch_norm_group)
