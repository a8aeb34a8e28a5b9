"""Running a network over the batches of a loader, without gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch

from ham.images import network_input
from ham.model.network import HierarchicalAttentionNetwork, Output
from ham.samples import Batch
from ham.training.settings import TrainingSettings


def autocast(device: torch.device, settings: TrainingSettings) -> AbstractContextManager[None]:
    """The precision of the convolutions; everything from the pooling on is float32 either way."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"
    )
    return context


def outputs(
    network: HierarchicalAttentionNetwork, batches: Iterable[Batch], settings: TrainingSettings, device: torch.device
) -> Iterator[tuple[Batch, Output]]:
    """Each batch and what the network, in evaluation mode, says of it."""
    network.eval()
    for batch in batches:
        with torch.inference_mode(), autocast(device, settings):
            output = network(network_input(batch.image, settings.normalisation, device))
        yield batch, output
