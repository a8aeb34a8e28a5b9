"""Running a network over the batches of a loader, without gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch

from ham.images import network_input
from ham.model.network import HierarchicalAttentionNetwork, Output
from ham.samples import Batch
from ham.settings import ModelSettings


def autocast(device: torch.device, settings: ModelSettings) -> AbstractContextManager[None]:
    """The precision of the convolutions; everything from the pooling on is float32 either way."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, torch.bfloat16, enabled=computed_precision(device, settings) == "bfloat16"
    )
    return context


def computed_precision(device: torch.device, settings: ModelSettings) -> str:
    """The precision that convolutions are computed in: float32 where ``bfloat16`` is asked of a CPU without it, which
    would emulate it some twenty times more slowly."""
    emulated = device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "float32" if emulated else settings.precision


def outputs(
    network: HierarchicalAttentionNetwork, batches: Iterable[Batch], settings: ModelSettings, device: torch.device
) -> Iterator[tuple[Batch, Output]]:
    """Each batch and what the network, in evaluation mode, says of it."""
    network.eval()
    for batch in batches:
        with torch.inference_mode(), autocast(device, settings):
            output = network(network_input(batch.image, settings.normalisation, device))
        yield batch, output
