"""Data parallelism that computes what one process with the whole batch would.

The losses divide sums over the batch, so every process needs the sums over all of them: :func:`total` is what
``ham.model.losses`` calls.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


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
