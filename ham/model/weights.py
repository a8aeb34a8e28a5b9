"""Checkpoints: ``.safetensors`` with a :class:`~ham.model.card.Card` in the header, in and out."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ham.errors import WeightsError
from ham.model.card import KEY, Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.runtime.files import written

PARALLEL = "module."  # what torch's DataParallel, in which the release trains, puts before every name


class Trained(NamedTuple):
    """A network with its weights, in evaluation mode, and what is known of it."""

    network: HierarchicalAttentionNetwork
    card: Card


def save(path: Path | str, state: dict[str, Tensor], card: Card) -> None:
    """Write weights with their card, whole or not at all; the same state and card give the same bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with written(path) as temporary:
        save_file(tensors, temporary, metadata={KEY: card.text()})


def load(path: Path | str) -> dict[str, Tensor]:
    """The weights of a checkpoint, by name; nothing but tensors is read."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path}: not a checkpoint that can be read ({error}); train it again or fetch it anew."
        ) from None


def open_network(path: Path | str, device: torch.device | str = "cpu") -> Trained:
    """The network of a checkpoint, from the file and its card alone: no data set is needed."""
    card = Card.read(path)
    network = HierarchicalAttentionNetwork(len(card.findings), card.model.network)
    fill(network, load(path), path)
    return Trained(network.to(device).eval(), card)


def fill(network: nn.Module, state: dict[str, Tensor], source: Path | str) -> None:
    """Put ``state`` into ``network``; every key and shape must fit, and what does not is named."""
    refuse_another_network(network, state, source)
    network.load_state_dict(state)


def refuse_another_network(network: nn.Module, state: dict[str, Tensor], source: Path | str) -> None:
    """WeightsError, naming keys and shapes, unless ``state`` is a state of ``network``."""
    own = network.state_dict()
    problems = [f"{name} is missing" for name in sorted(own.keys() - state.keys())]
    problems += [f"{name} is not in the network" for name in sorted(state.keys() - own.keys())]
    shared = sorted(own.keys() & state.keys())
    problems += [
        f"{name} is {list(state[name].shape)}, the network wants {list(own[name].shape)}"
        for name in shared
        if own[name].shape != state[name].shape
    ]
    problems += [
        f"{name} is of type {state[name].dtype}"
        for name in shared
        if own[name].is_floating_point() != state[name].is_floating_point()
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise WeightsError(f"{source}: made for another network: {shown}.")


def export_weights(source: Path, target: Path, published: bool) -> None:
    """Write a checkpoint of ham, ``source``, as a pickled state dict; ``published``: with ``module.`` before every
    name, as the authors' files have, so that their scripts load it."""
    prefix = PARALLEL if published else ""
    state = load(source)
    with written(target) as temporary:
        torch.save(OrderedDict((prefix + name, value) for name, value in state.items()), temporary)


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """The state dict of a file that torch saved, alone or as an entry of a dict beside epoch, optimizer and the like;
    names without ``module.``."""
    content = _unpickle(Path(path))
    found = [value for value in (content, *(content.values() if isinstance(content, dict) else ())) if _is_state(value)]
    if len(found) != 1:
        raise WeightsError(f"{path}: {len(found)} state dicts are in it, one is needed; save the network's alone.")
    state = {str(name).removeprefix(PARALLEL): value for name, value in found[0].items()}
    if len(state) < len(found[0]):
        raise WeightsError(f"{path}: some names occur with and without {PARALLEL}; save the network's state dict anew.")
    return state


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(isinstance(item, Tensor) for item in value.values())


def _unpickle(path: Path) -> Any:
    """What torch saved to ``path``; tensors and plain values only, anything else is refused."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file.") from None
    except Exception as error:  # torch raises half a dozen kinds for a damaged or hostile file
        raise WeightsError(
            f"{path}: not a file of weights, or more than weights ({type(error).__name__}); fetch it again."
        ) from None
