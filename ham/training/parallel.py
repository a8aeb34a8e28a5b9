"""Data parallelism that computes what one process with the whole batch would.

The losses divide sums over the batch, so every process needs the sums over all of them: :func:`total` is what
``ham.model.losses`` calls.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ham.samples import Share

Item = TypeVar("Item")


class _Total(torch.autograd.Function):
    """Sum over processes whose gradient needs no communication: a process may have nothing to differentiate (no
    supervised pair, say) where another has."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        summed = value.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * distributed.get_world_size()


def total(value: Tensor) -> Tensor:
    """Sum of ``value`` over all processes of the default group.

    Its gradient is scaled by their number, so that the mean of the processes' gradients, which
    DistributedDataParallel takes, is the gradient of one process with the whole batch.
    """
    summed: Tensor = _Total.apply(value)
    return summed


class Team(NamedTuple):
    """The processes that train one network together, by default one; this is number ``rank``."""

    rank: int = 0
    size: int = 1

    @property
    def share(self) -> Share:
        """What this process takes of every batch."""
        return Share(self.rank, self.size)

    def total(self, value: Tensor) -> Tensor:
        """Sum of ``value`` over the team, see :func:`total`."""
        return value if self.size == 1 else total(value)

    def together(self, own: list[Item]) -> list[Item]:
        """What all have, dealt out in turn: the first of each, the second of each …"""
        if self.size == 1:
            return own
        everyone: list[list[Item]] = [[] for _ in range(self.size)]
        distributed.all_gather_object(everyone, own)
        missing = object()
        dealt = zip_longest(*everyone, fillvalue=missing)
        return [item for turn in dealt for item in turn if item is not missing]  # type: ignore[misc]

    def wrap(self, network: nn.Module, device: torch.device) -> DistributedDataParallel | None:
        """The network with gradients that are means over the team; None where it is one process.

        Running statistics of batch norm are those of the first group of images, which rank 0 has: see :meth:`agree`.
        """
        if self.size == 1:
            return None
        devices = [device] if device.type == "cuda" else None
        return DistributedDataParallel(network, devices, gradient_as_bucket_view=True)

    def agree(self, network: nn.Module) -> None:
        """Give all the running statistics of rank 0."""
        if self.size > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)

    def apart(self, parallel: DistributedDataParallel | None, until: bool) -> AbstractContextManager[None]:
        """Add gradients up in each process, ``until`` they are to be made one."""
        context: AbstractContextManager[None] = nullcontext() if parallel is None or until else parallel.no_sync()
        return context


ALONE = Team()
