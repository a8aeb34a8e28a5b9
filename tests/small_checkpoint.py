"""A checkpoint with a card that knows thresholds, calibration and what images look like; its weights are random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ham.model import weights
from ham.model.card import Card, Decisions
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.typical import describe_images
from ham.settings import Architecture, NetworkSettings
from ham.training.settings import TrainingSettings

FINDINGS = ("Mass", "Nodule", "Effusion")
NETWORK = NetworkSettings(architecture="resnet18", pretrained=None, downsampling=16)
SETTINGS = TrainingSettings(image_size=64, network=NETWORK)
DECISIONS = Decisions(
    youden={"Mass": 0.0, "Nodule": 1.0, "abnormality": 0.4},
    target={"Mass": 0.2},
    calibration={"Mass": (2.0, 0.5)},
    chosen_on="Main/fold1/val",
    images=40,
    sensitivity=0.9,
)


def radiograph(seed: int, width: int = 90, height: int = 70) -> Image.Image:
    """A drawing with a light middle and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    pixels = 60 + 120 * np.exp(-(((x / width - 0.5) / 0.15) ** 2)) + 30 * (y > height / 2)
    return Image.fromarray((pixels + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))


def write_checkpoint(
    path: Path, seed: int, decisions: Decisions | None = DECISIONS, architecture: Architecture = "resnet18"
) -> Path:
    """A network of random weights, with its card."""
    torch.manual_seed(seed)
    chosen = NETWORK.model_copy(update={"architecture": architecture})
    network = HierarchicalAttentionNetwork(len(FINDINGS), chosen)
    card = Card(
        findings=FINDINGS,
        settings=SETTINGS.model_copy(update={"network": chosen}).plain(),
        dataset="Drawn",
        decisions=decisions,
        typical=describe_images(radiograph(seed) for seed in range(20)),
    )
    weights.save(path, network.state_dict(), card)
    return path
