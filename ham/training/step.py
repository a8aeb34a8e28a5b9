"""The steps of a training: network, optimizer, one epoch. All that moves weights is here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ham.images import network_input
from ham.model import pretrained
from ham.model.forward import autocast, computed_precision, set_arithmetic
from ham.model.losses import Losses, hierarchical_losses
from ham.model.network import HEAD_CHANNELS, HierarchicalAttentionNetwork, Output
from ham.samples import Batch
from ham.training.parallel import ALONE, Team
from ham.training.schedule import learning_rate
from ham.training.settings import OptimizerSettings, TrainingSettings

READ_EVERY = 50  # steps between two looks at the losses, for which a GPU has to be waited for
DROPOUT = 1  # sets its draws apart from those of the augmentation


class Learner(NamedTuple):
    """What learns: a network on its device, the optimizer of its weights, and the processes that share the work."""

    network: HierarchicalAttentionNetwork
    optimizer: torch.optim.Optimizer
    device: torch.device
    team: Team = ALONE
    parallel: DistributedDataParallel | None = None

    @property
    def model(self) -> nn.Module:
        """What images pass through in training."""
        return self.parallel or self.network


class NotFiniteError(FloatingPointError):
    """A loss that is no number: which, in what step (from 1), and the places of its images in the list."""

    def __init__(self, term: str, value: float, step: int, places: list[int]) -> None:
        super().__init__(f"{term} is {value}")
        self.term, self.value, self.step, self.places = term, value, step, places


@dataclass
class Tally:
    """An epoch so far: its steps, their images and seconds, and the sum of each loss over the images."""

    steps: int = 0
    images: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(Losses._fields, 0.0))

    def add(self, losses: list[list[float]], images: list[float]) -> None:
        """Count steps in: their loss terms and numbers of images."""
        self.steps += len(losses)
        self.images += int(sum(images))
        for terms, count in zip(losses, images, strict=True):
            for name, value in zip(Losses._fields, terms, strict=True):
                self.sums[name] += value * count

    def means(self) -> dict[str, float]:
        """Mean of each loss over the images, named as the columns of history.csv."""
        means = {"loss" if name == "total" else f"loss_{name}": value for name, value in self.sums.items()}
        return {name: value / max(self.images, 1) for name, value in sorted(means.items())}


def make_learner(findings: int, settings: TrainingSettings, device: torch.device, team: Team = ALONE) -> Learner:
    """A network as it is before the first step."""
    set_arithmetic(settings)
    torch.manual_seed(settings.seed)
    network = HierarchicalAttentionNetwork(findings, settings.network)
    pretrained.start(network, settings.network)
    # kernels in half precision prefer channels last: 7 to 14 % of a step on a CPU
    half = computed_precision(device, settings) == "bfloat16"
    network.to(device).to(memory_format=torch.channels_last if half else torch.contiguous_format)
    optimizer = make_optimizer(network, settings.optimizer)
    return Learner(network, optimizer, device, team, team.wrap(network, device))


def make_optimizer(network: torch.nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of method, section 4: weight decay is added to the gradient."""
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.name == "adam":
        return torch.optim.Adam(network.parameters(), fused=True, **common)
    if settings.name == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=settings.momentum, **common)
    return torch.optim.RMSprop(network.parameters(), **common)


def train_epoch(
    learner: Learner,
    batches: Iterable[Batch],
    epoch: int,
    settings: TrainingSettings,
    tally: Tally | None = None,
    at_rest: Callable[[Tally], None] | None = None,
) -> Tally:
    """Train epoch ``epoch`` (from 1) on ``batches``, those after the steps of ``tally``; the tally of the whole epoch.

    ``at_rest`` is called now and then, when all steps so far are done and sound. NotFiniteError where a loss is no
    number; the steps after it, fewer than READ_EVERY, were taken in vain.
    """
    tally = tally or Tally()
    set_rate(learner, epoch, settings)
    learner.network.train()
    waiting: list[tuple[Tensor, Tensor]] = []  # losses of steps on their device, and places of their images
    start = time.monotonic()
    for batch in batches:
        waiting.append((train_step(learner, batch.to(learner.device), settings, epoch), batch.places))
        if len(waiting) == READ_EVERY:
            _count(tally, waiting, learner)
            tally.seconds, start = tally.seconds + time.monotonic() - start, time.monotonic()
            if at_rest:
                at_rest(tally)
    _count(tally, waiting, learner)
    tally.seconds += time.monotonic() - start
    return tally


def set_rate(learner: Learner, epoch: int, settings: TrainingSettings) -> None:
    """Give the optimizer the learning rate of ``epoch`` (from 1)."""
    rate = learning_rate(settings.optimizer.learning_rate, epoch - 1, settings.epochs, settings.schedule)
    for group in learner.optimizer.param_groups:
        group["lr"] = rate


def _count(tally: Tally, waiting: list[tuple[Tensor, Tensor]], learner: Learner) -> None:
    """Wait for the losses of the ``waiting`` steps and count them in."""
    if not waiting:
        return
    losses = torch.stack([terms for terms, _ in waiting]).tolist()
    for step, terms in enumerate(losses):
        for name, value in zip(Losses._fields, terms, strict=True):
            if not math.isfinite(value):
                raise NotFiniteError(name, value, tally.steps + step + 1, waiting[step][1].tolist())
    own = torch.tensor([int((places >= 0).sum()) for _, places in waiting], device=learner.device)
    tally.add(losses, learner.team.total(own).tolist())
    waiting.clear()


def train_step(learner: Learner, batch: Batch, settings: TrainingSettings, epoch: int = 1) -> Tensor:
    """One step of the optimizer on a batch on its device; the loss terms, [6] in the order of Losses, still there."""
    channels = draw_channels(settings, epoch, batch.places)
    if channels is not None:
        channels = channels.to(learner.device, non_blocking=True)
    learner.optimizer.zero_grad(set_to_none=True)
    if settings.accumulation == 1:
        with autocast(learner.device, settings):
            output = learner.model(network_input(batch.image, settings.normalisation), channels)
        losses = hierarchical_losses(output, batch.supervision, settings.loss, learner.team.total)
        losses.total.backward()
    else:
        losses = _accumulate(learner, batch, channels, settings)
    learner.optimizer.step()
    return torch.stack(list(losses)).detach()


def draw_channels(settings: TrainingSettings, epoch: int, places: Tensor) -> Tensor | None:
    """Dropout of the head's channels, [B, 512]: 0, or 1 / (1 - share) for those that stay; None without dropout.

    A function of seed, epoch and place in the list, so that neither a resumed epoch nor the number of processes draws
    otherwise.
    """
    share = settings.network.dropout
    if share == 0:
        return None
    drawn = np.empty((len(places), HEAD_CHANNELS), np.float32)
    for row, place in zip(drawn, places.tolist(), strict=True):
        np.random.default_rng((settings.seed, epoch, max(place, 0), DROPOUT)).random(out=row, dtype=np.float32)
    return torch.from_numpy(np.where(drawn < share, np.float32(0), np.float32(1 / (1 - share))))


def _accumulate(learner: Learner, batch: Batch, channels: Tensor | None, settings: TrainingSettings) -> Losses:
    """Gradients of a whole batch that passes through the network in ``settings.accumulation`` parts.

    The losses are ratios over the batch, so that those of its parts do not add up to them. A first pass without
    gradients says what the network makes of all parts, the losses of that say how it should be otherwise, and a second
    pass takes this to the weights, part by part.
    """

    def forward(part: slice) -> Output:
        with autocast(learner.device, settings):
            images = network_input(batch.image[part], settings.normalisation)
            output: Output = learner.model(images, None if channels is None else channels[part])
        return output

    parts = _parts(len(batch.image), settings, learner.team)
    with torch.no_grad(), _still(learner.network):
        outputs = [forward(part) for part in parts]
    whole = Output(*(torch.cat(values).requires_grad_() for values in zip(*outputs, strict=True)))
    losses = hierarchical_losses(whole, batch.supervision, settings.loss, learner.team.total)
    wanted = torch.autograd.grad(losses.total, list(whole))
    for part in parts:
        first, last = part is parts[0], part is parts[-1]
        with learner.team.apart(learner.parallel, until=last), _still(learner.network, otherwise=first):
            torch.autograd.backward(list(forward(part)), [gradient[part] for gradient in wanted])
    return losses


def _parts(images: int, settings: TrainingSettings, team: Team) -> list[slice]:
    """The parts of a batch, ``images`` of it in this process: of whole groups of batch norm where there are as many,
    so that it computes what the whole batch would."""
    groups = np.array_split(np.arange(images), math.ceil(images / settings.batch_norm_group))
    many = settings.accumulation <= settings.batch_norm_groups // team.size
    cut = np.array_split(np.arange(len(groups) if many else images), settings.accumulation)
    sizes = [sum(len(groups[at]) for at in part) if many else len(part) for part in cut]
    ends = [0, *np.cumsum(sizes).tolist()]
    return [slice(start, end) for start, end in pairwise(ends) if end > start]


@contextmanager
def _still(network: nn.Module, otherwise: bool = False) -> Iterator[None]:
    """Batch norm takes its statistics from what it sees and remembers none of them, unless ``otherwise``."""
    norms = [] if otherwise else [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
