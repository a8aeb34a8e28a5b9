"""From raw class activation maps to refined maps and predicted regions (docs/method.md, section 1).

Apart from the network, because scoring needs maps and no network.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ham.protocol import CERTAINTY
from ham.settings import LossSettings


class RegionRule(NamedTuple):
    """How a raw map becomes a predicted region, in the order ``predicted_regions`` takes; metrics.json keeps it.

    ``size`` is the side in pixels on which maps are cut and compared with masks: the side of the network's input.
    """

    size: int
    threshold: float = 0.4
    slope: float = 100.0
    certainty: float = CERTAINTY

    @classmethod
    def of(cls, size: int, loss: LossSettings, certainty: float = CERTAINTY) -> RegionRule:
        """The rule of a network that was trained on images of ``size`` with ``loss``."""
        return cls(size, loss.refined_threshold, loss.refined_slope, certainty)

    @property
    def cut(self) -> float:
        """The normalised map from which on its refined map is at least ``certainty``: the sigmoid is monotone, so its
        inverse is compared (0.46907 by default)."""
        return self.threshold + math.log(self.certainty / (1 - self.certainty)) / self.slope


def normalised_maps(maps: Tensor, size: int) -> Tensor:
    """Raw maps [N, h, w] resized to [N, size, size] (bilinear, corners aligned) and min-max scaled to [0, 1] one by
    one.

    A map that is zero everywhere gives 0 (its divisor is 1e-5) and so predicts nothing. Of another constant the resize
    leaves differences of rounding, which are stretched as any: as published.
    """
    resized = F.interpolate(maps[:, None], size=(size, size), mode="bilinear", align_corners=True)[:, 0]
    low = resized.amin(dim=(1, 2), keepdim=True)
    spread = resized.amax(dim=(1, 2), keepdim=True) - low
    return (resized - low) / torch.where(spread == 0, torch.full_like(spread, 1e-5), spread)


def refined_maps(maps: Tensor, size: int, threshold: float = 0.4, slope: float = 100.0) -> Tensor:
    """Refined maps, R of section 1: sigmoid(slope (normalised map - threshold)), [N, h, w] -> [N, size, size]."""
    return torch.sigmoid(slope * (normalised_maps(maps, size) - threshold))


def predicted_regions(
    maps: Tensor, size: int, threshold: float = 0.4, slope: float = 100.0, certainty: float = CERTAINTY
) -> Tensor:
    """Where a refined map is at least ``certainty``: [N, h, w] -> bool [N, size, size]."""
    return normalised_maps(maps, size) >= RegionRule(size, threshold, slope, certainty).cut
