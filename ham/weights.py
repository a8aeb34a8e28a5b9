"""Checkpoints: ``.safetensors`` with a card in the header, and the weights a network starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ham.errors import WeightsError
from ham.files import written
from ham.training.settings import NetworkSettings

if TYPE_CHECKING:
    from ham.network import HierarchicalAttentionNetwork

STAGES = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")  # what ImageNet weights fill


def save(path: Path | str, state: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write weights with their card (plain values), whole or not at all; the same state and card give the same
    bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with written(path) as temporary:
        save_file(tensors, temporary, metadata={"card": json.dumps(card, sort_keys=True)})


def load(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and card of a checkpoint; nothing but tensors and text is read."""
    try:
        with safe_open(str(path), framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, card  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"{path}: not a checkpoint that can be read ({error}); train it again or fetch it anew."
        ) from None


def fill(network: nn.Module, state: dict[str, Tensor], source: Path | str) -> None:
    """Put ``state`` into ``network``; every key and shape must fit, and what does not is named."""
    own = network.state_dict()
    problems = [f"{name} is missing" for name in sorted(own.keys() - state.keys())]
    problems += [f"{name} is not in the network" for name in sorted(state.keys() - own.keys())]
    problems += [
        f"{name} is {list(state[name].shape)}, the network wants {list(own[name].shape)}"
        for name in sorted(own.keys() & state.keys())
        if own[name].shape != state[name].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise WeightsError(f"{source}: made for another network: {shown}.")
    network.load_state_dict(state)


def start(network: HierarchicalAttentionNetwork, settings: NetworkSettings) -> None:
    """Put ImageNet weights (torchvision's, or a local file in its format) into stem and layers."""
    if settings.pretrained is None:
        return
    holder = nn.Module()
    for name in STAGES:
        holder.add_module(name, getattr(network.model, name))
    found = {name: value for name, value in _imagenet(settings).items() if name.split(".")[0] in STAGES}
    # Older files lack the counters of batch norm; strides of (no pooling, 32) add a projection to layer1 that
    # ImageNet's basic blocks never had: it starts at random.
    extra = {
        name: value
        for name, value in holder.state_dict().items()
        if name not in found and (name.endswith("num_batches_tracked") or name.startswith("layer1.0.downsample"))
    }
    fill(holder, {**found, **extra}, settings.pretrained)


def _imagenet(settings: NetworkSettings) -> dict[str, Tensor]:
    import torchvision  # seconds to import, and reading a checkpoint does not need it

    if settings.pretrained == "imagenet":
        try:
            weights = torchvision.models.get_model_weights(settings.architecture).IMAGENET1K_V1
            state: dict[str, Tensor] = weights.get_state_dict(progress=False)
            return state
        except OSError as error:
            raise WeightsError(
                f"ImageNet weights of {settings.architecture} could not be fetched ({error}); on a machine without "
                "network set training.network.pretrained to a file that you copied there, or to null."
            ) from None
    path = Path(str(settings.pretrained)).expanduser()
    if not path.is_file():
        raise WeightsError(f"training.network.pretrained: there is no file {path}; give a file, imagenet or null.")
    if path.suffix == ".safetensors":
        return load(path)[0]
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged or hostile file
        raise WeightsError(f"{path}: not a file of weights ({type(error).__name__}); fetch it again.") from None
    return state
