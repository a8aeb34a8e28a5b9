"""The steps of a training: network, optimizer, one epoch. All that moves weights is here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch

from ham.errors import DataError
from ham.images import network_input
from ham.model import pretrained
from ham.model.forward import autocast, computed_precision
from ham.model.losses import Losses, hierarchical_losses
from ham.model.network import HierarchicalAttentionNetwork
from ham.samples import Batch
from ham.training.schedule import learning_rate
from ham.training.settings import OptimizerSettings, TrainingSettings


class Learner(NamedTuple):
    """What learns: a network on its device, and the optimizer of its weights."""

    network: HierarchicalAttentionNetwork
    optimizer: torch.optim.Optimizer
    device: torch.device


def make_learner(findings: int, settings: TrainingSettings, device: torch.device) -> Learner:
    """A network as it is before the first step."""
    torch.manual_seed(settings.seed)
    network = HierarchicalAttentionNetwork(findings, settings.network)
    pretrained.start(network, settings.network)
    # kernels in half precision prefer channels last: 7 to 14 % of a step on a CPU
    half = computed_precision(device, settings) == "bfloat16"
    network.to(device).to(memory_format=torch.channels_last if half else torch.contiguous_format)
    return Learner(network, make_optimizer(network, settings.optimizer), device)


def make_optimizer(network: torch.nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of method, section 4: weight decay is added to the gradient."""
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.name == "adam":
        return torch.optim.Adam(network.parameters(), fused=True, **common)
    if settings.name == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=settings.momentum, **common)
    return torch.optim.RMSprop(network.parameters(), **common)


def train_epoch(learner: Learner, batches: Iterable[Batch], epoch: int, settings: TrainingSettings) -> dict[str, float]:
    """One epoch (from 1) over ``batches``: its learning rate, the mean of each loss over the images, and their number.

    DataError where the loss is no number any more.
    """
    rate = learning_rate(settings.optimizer.learning_rate, epoch - 1, settings.epochs, settings.schedule)
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    torch.manual_seed(settings.seed * 1_000_003 + epoch)  # dropout, whichever epoch the run resumed at
    learner.network.train()
    sums: dict[str, float] = dict.fromkeys(Losses._fields, 0.0)
    images = 0
    for batch in batches:
        losses = train_step(learner, batch, settings)
        if not math.isfinite(losses["total"]):
            raise DataError(
                f"the loss became {losses['total']} in epoch {epoch}; lower training.optimizer.learning_rate "
                f"(now {settings.optimizer.learning_rate:g}) or train in float32."
            )
        images += len(batch.labels)
        for name, value in losses.items():
            sums[name] += value * len(batch.labels)
    means = {"loss" if name == "total" else f"loss_{name}": value / max(images, 1) for name, value in sums.items()}
    return {"learning_rate": rate, **dict(sorted(means.items())), "images": images}


def train_step(learner: Learner, batch: Batch, settings: TrainingSettings) -> dict[str, float]:
    """One step of the optimizer; the batch's loss terms."""
    network, optimizer, device = learner
    with autocast(device, settings):
        output = network(network_input(batch.image, settings.normalisation, device))
    losses = hierarchical_losses(output, batch.supervision(device), settings.loss)
    optimizer.zero_grad(set_to_none=True)
    losses.total.backward()
    optimizer.step()
    return dict(zip(losses._fields, torch.stack(list(losses)).tolist(), strict=True))
