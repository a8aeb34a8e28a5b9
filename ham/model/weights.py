"""Checkpoints: ``.safetensors`` with a :class:`~ham.model.card.Card` in the header, in and out."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ham.errors import WeightsError
from ham.model.card import KEY, Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.state_dicts import SHOWN, describe_tensors, load, undefined_tensors
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


def open_network(path: Path | str, device: torch.device | str = "cpu") -> Trained:
    """The network of a checkpoint, from the file and its card alone: no data set is needed."""
    card = Card.read(path)
    network = HierarchicalAttentionNetwork(len(card.findings), card.model.network)
    fill(network, load(path), path)
    return Trained(network.to(device).eval(), card)


def fill(
    network: nn.Module, state: dict[str, Tensor], source: Path | str, held: dict[str, Tensor] | None = None
) -> None:
    """Put ``state`` into ``network``; every key and shape must fit, and what does not is named; ``held`` as in
    :func:`refuse_another_network`."""
    refuse_another_network(network, state, source, held)
    network.load_state_dict(state)


def refuse_another_network(
    network: nn.Module, state: dict[str, Tensor], source: Path | str, held: dict[str, Tensor] | None = None
) -> None:
    """WeightsError, naming keys and shapes, unless ``state`` is a state of ``network``, all of it finite.

    ``held`` is what the file ``source`` holds, where that is not ``state``.
    """
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
        shown = "; ".join(problems[:SHOWN]) + (f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else "")
        raise WeightsError(
            f"{source}: made for another network: {shown}; in the file are {describe_tensors(held or state)}."
        )
    undefined = undefined_tensors(state)
    if undefined:
        named = ", ".join(undefined[:SHOWN]) + (f" and {len(undefined) - SHOWN} more" if len(undefined) > SHOWN else "")
        raise WeightsError(
            f"{source}: nan or infinite numbers are in {named}: the training that made it diverged, or the file is "
            "damaged; take another checkpoint."
        )


def export_weights(source: Path, target: Path, published: bool) -> None:
    """Write a checkpoint of ham, ``source``, as a pickled state dict; ``published``: with ``module.`` before every
    name, as the authors' files have, so that their scripts load it."""
    prefix = PARALLEL if published else ""
    state = load(source)
    with written(target) as temporary, open(temporary, "wb") as file:  # to a path torch would not say why it failed
        torch.save(OrderedDict((prefix + name, value) for name, value in state.items()), file)
