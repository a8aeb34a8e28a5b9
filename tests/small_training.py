"""A training of seconds on the small phantom data set (small_phantom.py)."""

from __future__ import annotations

from ham.settings import NetworkSettings
from ham.training.batches import Lists
from ham.training.settings import TrainingSettings

LISTS = Lists("Main/fold1/train_0.5_0.8", "bbox/fold1/train_0.8", "Main/fold1/test_0_0.2", "bbox/fold1/test")
SMALL = TrainingSettings(
    image_size=32,
    batch_size=8,
    epochs=2,
    checkpoint="last",
    network=NetworkSettings(architecture="resnet18", pretrained=None),
)
