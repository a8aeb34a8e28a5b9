"""Looking at the validation lists after an epoch; what is seen here may choose a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch

from ham.model.forward import outputs
from ham.model.losses import hierarchical_losses
from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import accuracy, any_present, auc, mean_defined, mean_published, overlap, share_at_least
from ham.model.network import HierarchicalAttentionNetwork
from ham.protocol import T_IOR, T_IOU
from ham.samples import Batch
from ham.training.settings import TrainingSettings

BEST = {"best-auc": "validation_auc", "best-t-iou": "validation_t_iou", "best-t-ior": "validation_t_ior"}


def validate(
    network: HierarchicalAttentionNetwork, batches: Iterable[Batch], settings: TrainingSettings, device: torch.device
) -> dict[str, float]:
    """Metrics of the validation images, named as the columns of history.csv; nan where undefined.

    Localization is over the pairs whose masks the batches carry: a mean over findings that have such pairs; so is
    ``validation_empty_maps``, the share of predicted regions without a pixel.
    FloatingPointError where the network says nan of an image, or the loss is no number.
    """
    labels, scores, abnormal, losses = [], [], [], []
    findings, ious, iors, empties = [], [], [], []
    rule = RegionRule.of(settings.image_size, settings.loss)
    for batch, output in outputs(network, batches, settings, device):
        supervision = batch.supervision(device)
        losses += [float(hierarchical_losses(output, supervision, settings.loss).total)] * len(batch.labels)
        labels.append(batch.labels.numpy())
        scores.append(torch.sigmoid(output.logit_class).cpu().numpy())
        abnormal.append(torch.sigmoid(output.logit_abnormality[:, 0]).cpu().numpy())
        if len(batch.pair_image):
            maps = output.cam_class[supervision.pair_image, supervision.pair_finding]
            regions = predicted_regions(maps, *rule)
            found = overlap(regions.cpu().numpy(), batch.pair_mask.numpy())
            findings.append(batch.pair_finding.numpy())
            ious.append(found.iou)
            iors.append(found.ior)
            empties.append(found.predicted_area == 0)
    truth, probability = np.concatenate(labels), np.concatenate(scores)
    if not (np.isfinite(probability).all() and np.isfinite(losses).all()):
        raise FloatingPointError("the network says nan of validation images, or their loss is infinite")
    areas = np.array([auc(truth[:, c], probability[:, c]) for c in range(truth.shape[1])])
    right = np.array([accuracy(truth[:, c], probability[:, c]) for c in range(truth.shape[1])])
    result = {
        "loss": float(np.mean(losses)),
        "auc": mean_defined(areas),
        "auc_published": mean_published(areas),
        "accuracy": mean_defined(np.where(np.isnan(areas), np.nan, right)),  # of one class it says nothing
        "accuracy_published": mean_defined(right),
        "auc_abnormality": auc(any_present(truth), np.concatenate(abnormal)),
    }
    if findings:
        column = np.concatenate(findings)
        result |= _shares("t_iou", T_IOU, np.concatenate(ious), column, truth.shape[1])
        result |= _shares("t_ior", T_IOR, np.concatenate(iors), column, truth.shape[1])
        result["empty_maps"] = _mean_share(np.concatenate(empties), 1, column)
    return {f"validation_{name}": value for name, value in result.items()}


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
