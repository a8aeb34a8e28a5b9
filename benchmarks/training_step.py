"""A training step over its floor, the bare network's forward and backward pass, in one run.

Prints the median of each and their ratio: what losses, supervision and optimizer cost on top of the network.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from ham.model.losses import hierarchical_losses
from ham.model.network import HierarchicalAttentionNetwork
from ham.samples import Supervision
from ham.settings import LossSettings, NetworkSettings
from ham.training.settings import OptimizerSettings
from ham.training.step import make_optimizer

SIZE, BATCH, FINDINGS, PAIRS, REPEATS = 128, 8, 14, 4, 7


def median_seconds(work: Callable[[], object]) -> float:
    """Median over REPEATS runs, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    torch.manual_seed(0)
    network = HierarchicalAttentionNetwork(FINDINGS, NetworkSettings(architecture="resnet18", pretrained=None)).train()
    optimizer = make_optimizer(network, OptimizerSettings())
    images = torch.randn(BATCH, 3, SIZE, SIZE)
    rows = torch.arange(PAIRS)
    labels = (torch.rand(BATCH, FINDINGS) > 0.8).float()
    known = Supervision(labels, rows, rows, torch.rand(PAIRS, SIZE, SIZE) > 0.7)

    def bare() -> None:
        network.zero_grad()
        network(images).logit_class.sum().backward()

    def step() -> None:
        losses = hierarchical_losses(network(images), known, LossSettings())
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()

    floor, whole = median_seconds(bare), median_seconds(step)
    print(
        f"resnet18, {BATCH} images of {SIZE}, {torch.get_num_threads()} threads: bare network {floor * 1e3:.0f} ms, "
        f"training step {whole * 1e3:.0f} ms, ratio {whole / floor:.2f}"
    )


if __name__ == "__main__":
    main()
