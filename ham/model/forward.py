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
    would emulate it some twenty times more slowly, or ``tf32`` of any CPU."""
    if device.type == "cpu" and (settings.precision == "tf32" or not torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return "float32"
    return settings.precision


def set_arithmetic(settings: ModelSettings) -> None:
    """Let a GPU multiply float32 numbers in TF32, of 10 bits after the point, only where ``precision: tf32`` says so:
    torch's own default is to do so in convolutions."""
    precision = "tf32" if settings.precision == "tf32" else "ieee"
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # torch 2.9 and later; it warns of the older names
        torch.backends.cuda.matmul.fp32_precision = precision
        torch.backends.cudnn.conv.fp32_precision = precision  # type: ignore[attr-defined]
    else:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def outputs(
    network: HierarchicalAttentionNetwork, batches: Iterable[Batch], settings: ModelSettings, device: torch.device
) -> Iterator[tuple[Batch, Output]]:
    """Each batch, on ``device``, and what the network, in evaluation mode, says of it."""
    set_arithmetic(settings)
    network.eval()
    for batch in batches:
        batch = batch.to(device)
        with torch.inference_mode(), autocast(device, settings):
            output = network(network_input(batch.image, settings.normalisation))
        yield batch, output
