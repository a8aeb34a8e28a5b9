"""The weights a network starts from: ImageNet's, from torchvision or a local file in its format, or none."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn

from ham.errors import WeightsError
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.state_dicts import read_tensors
from ham.model.weights import fill
from ham.runtime.files import sha256
from ham.settings import NetworkSettings

STAGES = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")  # what ImageNet weights fill


def start(network: HierarchicalAttentionNetwork, settings: NetworkSettings) -> None:
    """Put ImageNet weights (torchvision's, or a local file in its format) into stem and layers."""
    if settings.pretrained is None:
        return
    holder = nn.Module()
    for name in STAGES:
        holder.add_module(name, getattr(network.model, name))
    held = _imagenet(settings, holder.state_dict().keys())
    found = {name: value for name, value in held.items() if name.split(".")[0] in STAGES}
    # Older files lack the counters of batch norm; strides of (no pooling, 32) add a projection to layer1 that
    # ImageNet's basic blocks never had: it starts at random.
    extra = {
        name: value
        for name, value in holder.state_dict().items()
        if name not in found and (name.endswith("num_batches_tracked") or name.startswith("layer1.0.downsample"))
    }
    fill(holder, {**found, **extra}, settings.pretrained, held)


def pretrained_digest(settings: NetworkSettings) -> str | None:
    """SHA-256 of the local file that a network starts from; None where it starts from torchvision's or at random."""
    return None if settings.pretrained in (None, "imagenet") else sha256(_pretrained_file(settings))


def _pretrained_file(settings: NetworkSettings) -> Path:
    path = Path(str(settings.pretrained)).expanduser()
    if not path.is_file():
        raise WeightsError(f"training.network.pretrained: there is no file {path}; give a file, imagenet or null.")
    return path


def _imagenet(settings: NetworkSettings, wanted: Collection[str]) -> dict[str, Tensor]:
    import torchvision  # seconds to import, and reading a checkpoint does not need it

    if settings.pretrained == "imagenet":
        try:
            weights = torchvision.models.get_model_weights(settings.architecture).IMAGENET1K_V1
            state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
            return state
        except (OSError, RuntimeError) as error:  # no network; a file whose hash is another
            raise WeightsError(
                f"ImageNet weights of {settings.architecture} could not be fetched ({error}); on a machine without "
                "network set training.network.pretrained to a file that you copied there, or to null."
            ) from None
    return read_tensors(_pretrained_file(settings), wanted)
