"""Looking at the validation lists after an epoch; what is seen here may choose a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ham.model.forward import outputs
from ham.model.losses import hierarchical_losses
from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import accuracy, any_present, auc, mean_defined, mean_published, overlap_of_areas, share_at_least
from ham.model.network import HierarchicalAttentionNetwork, Output
from ham.protocol import T_IOR, T_IOU
from ham.samples import Batch
from ham.training.parallel import ALONE, Team
from ham.training.settings import TrainingSettings

BEST = {"best-auc": "validation_auc", "best-t-iou": "validation_t_iou", "best-t-ior": "validation_t_ior"}


class Validation(NamedTuple):
    """What validation finds: ``measures`` as the columns of history.csv are named, and what they are of, N images:
    ``labels`` [N, C + 1] of 1, 0 and nan and ``probabilities`` alike, of the findings and then of abnormality."""

    measures: dict[str, float]
    labels: np.ndarray
    probabilities: np.ndarray


class Seen(NamedTuple):
    """What validation sees of a batch of B images with P pairs."""

    loss: Tensor  # []
    labels: Tensor  # [B, C]
    probability: Tensor  # [B, C]
    abnormality: Tensor  # [B], a probability
    findings: Tensor  # [P]
    areas: Tensor  # [3, P], pixels of region and mask, of the region, of the mask


def validate(
    network: HierarchicalAttentionNetwork,
    batches: Iterable[Batch],
    settings: TrainingSettings,
    device: torch.device,
    team: Team = ALONE,
) -> Validation:
    """Metrics of the validation images; nan where undefined.

    Each process of a team looks at its ``batches`` and has the metrics of all. Localization is over the pairs whose
    masks the batches carry: a mean over findings that have such pairs; so is ``validation_empty_maps``, the share of
    predicted regions without a pixel. FloatingPointError where the network says nan of an image, or the loss is no
    number.
    """
    own = [look(batch, output, settings) for batch, output in outputs(network, batches, settings, device)]
    seen = team.together([Seen(*(tensor.cpu() for tensor in of_batch)) for of_batch in own])
    losses = np.repeat([float(of.loss) for of in seen], [len(of.labels) for of in seen])
    truth, probability, abnormal, column = (
        np.concatenate([getattr(of, name).numpy() for of in seen])
        for name in ("labels", "probability", "abnormality", "findings")
    )
    if not (np.isfinite(probability).all() and np.isfinite(losses).all()):
        raise FloatingPointError("the network says nan of validation images, or their loss is infinite")
    abnormality = any_present(truth)
    areas = np.array([auc(truth[:, c], probability[:, c]) for c in range(truth.shape[1])])
    right = np.array([accuracy(truth[:, c], probability[:, c]) for c in range(truth.shape[1])])
    result = {
        "loss": float(np.mean(losses)),
        "auc": mean_defined(areas),
        "auc_published": mean_published(areas),
        "accuracy": mean_defined(np.where(np.isnan(areas), np.nan, right)),  # of one class it says nothing
        "accuracy_published": mean_defined(right),
        "auc_abnormality": auc(abnormality, abnormal),
    }
    if len(column):
        areas_of = np.concatenate([of.areas.numpy() for of in seen], axis=1)
        found = overlap_of_areas(*areas_of)
        result |= _shares("t_iou", T_IOU, found.iou, column, truth.shape[1])
        result |= _shares("t_ior", T_IOR, found.ior, column, truth.shape[1])
        result["empty_maps"] = _mean_share(areas_of[1] == 0, 1, column)
    return Validation(
        {f"validation_{name}": value for name, value in result.items()},
        np.column_stack([truth, abnormality]),
        np.column_stack([probability, abnormal]),
    )


def look(batch: Batch, output: Output, settings: TrainingSettings) -> Seen:
    """What counts of a batch, on its device: a GPU is waited for once, at the end of all."""
    maps = output.cam_class[batch.pair_image, batch.pair_finding]
    areas = torch.zeros(3, len(maps), dtype=torch.int64, device=maps.device)
    if len(maps):
        regions = predicted_regions(maps, *RegionRule.of(settings.image_size, settings.loss))
        areas = torch.stack(
            [pixels.sum(dim=(1, 2)) for pixels in (regions & batch.pair_mask, regions, batch.pair_mask)]
        )
    return Seen(
        hierarchical_losses(output, batch.supervision, settings.loss).total,
        batch.labels,
        torch.sigmoid(output.logit_class),
        torch.sigmoid(output.logit_abnormality[:, 0]),
        batch.pair_finding,
        areas,
    )


def _shares(
    name: str, thresholds: tuple[float, ...], values: np.ndarray, finding: np.ndarray, findings: int
) -> dict[str, float]:
    """Mean over the findings that have pairs of the share at each threshold, and the mean of these over the thresholds.

    Under ``_published`` the latter over all ``findings``, those without pairs counting 0; it chooses the same epoch.
    """
    shares = {f"{name}_{threshold}": _mean_share(values, threshold, finding) for threshold in thresholds}
    mean = float(np.mean(list(shares.values())))
    return {name: mean, f"{name}_published": mean * len(np.unique(finding)) / findings, **shares}


def _mean_share(values: np.ndarray, threshold: float, finding: np.ndarray) -> float:
    """Mean over the findings that have pairs of the share of their ``values`` that are at least ``threshold``."""
    return float(np.mean([share_at_least(values[finding == c], threshold) for c in np.unique(finding)]))


def choose_checkpoints(best: Mapping[str, float], row: Mapping[str, float]) -> dict[str, float]:
    """The checkpoints that the epoch of ``row`` becomes, and its value, where it is as good as the best so far.

    A later epoch wins a tie; nan never wins.
    """
    values = {name: row.get(metric, math.nan) for name, metric in BEST.items()}
    return {name: value for name, value in values.items() if value >= best.get(name, -math.inf)}
