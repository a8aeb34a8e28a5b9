"""The five losses, one function an equation (docs/method.md, section 2).

B images, C findings, maps of side h, images of side S. Every ratio is over the whole batch: under data parallelism its
numerators, denominators and counts are summed over the processes by ``total`` before dividing.

A label may be nan, unknown: cross entropies leave it out; to the losses of maps an unknown finding is an absent one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ham.model.maps import refined_maps
from ham.model.network import Output
from ham.samples import Supervision
from ham.settings import LossSettings

TINY = 1e-5  # least denominator, as published
Total = Callable[[Tensor], Tensor]


def alone(value: Tensor) -> Tensor:
    """The sum over one process: the value itself."""
    return value


class Losses(NamedTuple):
    """The unweighted terms and their weighted sum, each a scalar."""

    abnormality: Tensor
    classification: Tensor
    box: Tensor
    bound: Tensor
    union: Tensor
    total: Tensor


def classification_loss(logits: Tensor, labels: Tensor, total: Total = alone) -> Tensor:
    """L_cls and L_abn: cross entropy, mean over the known entries of [B, C]; 0 where none is known.

    The release takes BCELoss of sigmoids, whose logarithm is clamped at -100: equal for logits within +-37 in float64.
    """
    known = (~labels.isnan()).to(logits.dtype)
    summed = F.binary_cross_entropy_with_logits(logits, _without_unknown(labels), weight=known, reduction="sum")
    return total(summed) / total(known.sum()).clamp(min=1)


def any_present(labels: Tensor) -> Tensor:
    """Abnormality, [B, C] to [B, 1]: 1 where any finding is present; else nan where one is unknown; else 0."""
    present = _without_unknown(labels).amax(dim=1, keepdim=True)
    return present.masked_fill((present == 0) & labels.isnan().any(dim=1, keepdim=True), torch.nan)


def _without_unknown(labels: Tensor) -> Tensor:
    return labels.nan_to_num(nan=0.0)


def box_loss(cam: Tensor, supervision: Supervision, settings: LossSettings, total: Total = alone) -> Tensor:
    """L_box: per finding the squared difference of refined map and mask over the sum of both, mean over supervised
    findings.

    ``cam`` [B, C, h, h]. Only supervised pairs are resized to S; the rest would have been multiplied by zero.
    """
    findings = cam.shape[1]
    numerator, denominator, count = cam.new_zeros(3, findings)
    if len(supervision.pair_image):
        image, finding = supervision.pair_image, supervision.pair_finding
        mask = supervision.pair_mask.to(cam.dtype)
        refined = refined_maps(cam[image, finding], mask.shape[-1], settings.refined_threshold, settings.refined_slope)
        numerator = numerator.index_add(0, finding, (refined - mask).square().sum(dim=(1, 2)))
        denominator = denominator.index_add(0, finding, refined.sum(dim=(1, 2)) + mask.sum(dim=(1, 2)))
        count = count.index_add(0, finding, torch.ones_like(finding, dtype=cam.dtype))
    ratios = total(numerator) / total(denominator).clamp(min=TINY)
    return ratios.sum() / (total(count) > 0).sum().clamp(min=1)


def soft_mask(maps: Tensor, settings: LossSettings) -> Tensor:
    """s(x) = sigmoid(slope (x - threshold)) of raw maps."""
    return torch.sigmoid(settings.soft_mask_slope * (maps - settings.soft_mask_threshold))


def attention_bound_loss(
    cam_class: Tensor, cam_abnormality: Tensor, labels: Tensor, settings: LossSettings, total: Total = alone
) -> Tensor:
    """L_bound: the share of each present finding's map that lies outside the abnormality map.

    ``cam_class`` [B, C, h, h] and ``cam_abnormality`` [B, 1, h, h] raw, ``labels`` [B, C] in {0, 1}.
    """
    finding, abnormality = _present(cam_class, cam_abnormality, labels)
    inside = (torch.minimum(finding, abnormality) * soft_mask(finding, settings)).sum(dim=(2, 3))
    whole = finding.sum(dim=(2, 3))
    share = labels * (whole - inside) / whole.clamp(min=TINY)
    positives = total(labels.sum(dim=0))
    return (total(share.sum(dim=0)) / positives.clamp(min=TINY)).sum() / (positives > 0).sum().clamp(min=1)


def attention_union_loss(
    cam_class: Tensor, cam_abnormality: Tensor, labels: Tensor, settings: LossSettings, total: Total = alone
) -> Tensor:
    """L_union: the share of an abnormal image's abnormality map that no present finding's map covers."""
    finding, abnormality = _present(cam_class, cam_abnormality, labels)
    union = finding.amax(dim=1, keepdim=True)
    inside = (torch.minimum(union, abnormality) * soft_mask(abnormality, settings)).sum(dim=(1, 2, 3))
    whole = abnormality.sum(dim=(1, 2, 3))
    abnormal = labels.amax(dim=1)
    share = abnormal * (whole - inside) / whole.clamp(min=TINY)
    return total(share.sum()) / total(abnormal.sum()).clamp(min=1)


def _present(cam_class: Tensor, cam_abnormality: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """K and A of section 2: maps of absent findings, and of normal images, are zero."""
    return cam_class * labels[:, :, None, None], cam_abnormality * labels.amax(dim=1)[:, None, None, None]


def hierarchical_losses(
    output: Output, supervision: Supervision, settings: LossSettings, total: Total = alone
) -> Losses:
    """All five terms and their weighted sum."""
    labels = supervision.labels
    maps = (output.cam_class, output.cam_abnormality, _without_unknown(labels), settings, total)
    terms = {
        "abnormality": classification_loss(output.logit_abnormality, any_present(labels), total),
        "classification": classification_loss(output.logit_class, labels, total),
        "box": box_loss(output.cam_class, supervision, settings, total),
        "bound": attention_bound_loss(*maps),
        "union": attention_union_loss(*maps),
    }
    weights = settings.weights
    summed = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
    return Losses(**terms, total=summed)
