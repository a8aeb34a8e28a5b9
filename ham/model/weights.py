"""Checkpoints: ``.safetensors`` with a card in the header, published ones in and out, and the weights a network starts
from."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ham.errors import WeightsError
from ham.runtime.files import sha256, written
from ham.runtime.provenance import versions
from ham.settings import NetworkSettings
from ham.training.settings import TrainingSettings

if TYPE_CHECKING:
    from ham.model.network import HierarchicalAttentionNetwork

LICENCE_NOTE = "For research. Not a medical device, not for clinical use."
# The outputs of the published networks, in their order.
PUBLISHED_FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
PARALLEL = "module."  # what torch's DataParallel, in which the release trains, puts before every name
COUNTER = "num_batches_tracked"
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
    _refuse_another_network(network, state, source)
    network.load_state_dict(state)


def _refuse_another_network(network: nn.Module, state: dict[str, Tensor], source: Path | str) -> None:
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


def import_weights(
    source: Path, target: Path, settings: TrainingSettings, findings: Sequence[str] = PUBLISHED_FINDINGS
) -> None:
    """Write ``target``, a checkpoint of ham, from one of the authors' release or of ham, ``source``.

    A published file does not say for which network it is and how its input is made: ``settings`` do, and ``findings``
    name its outputs. Nothing but tensors is unpickled, ``module.`` before the names is taken off, every key and shape
    must fit (WeightsError names those that do not), values stay bit for bit. A checkpoint of ham keeps its own card.
    """
    source = Path(source)
    if source.suffix == ".safetensors":
        state, card = load(source)
        settings = TrainingSettings.model_validate_json(card.get("settings", "{}"))
        named = tuple(card.get("findings", ()))
        if named != tuple(findings):
            raise WeightsError(f"{source}: its findings are {', '.join(named)}, and not {', '.join(findings)}.")
    else:
        state = _tensors(source)
        card = {
            "findings": list(findings),
            "settings": json.dumps(settings.model_dump(mode="json", exclude={"checkpoint"})),
            "imported": {"file": source.name, "sha256": sha256(source)},
            "versions": versions(),
            "note": LICENCE_NOTE,
        }
    _refuse_another_network(_shape_of(settings.network, findings, state), state, source)
    save(target, {name: state[name] for name in sorted(state)}, card)


def _shape_of(settings: NetworkSettings, findings: Sequence[str], state: dict[str, Tensor]) -> nn.Module:
    """The network, without values; counters of batch norm that ``state`` lacks are added to it: files of torch before
    0.4.1 have none, and no number depends on them."""
    from ham.model.network import HierarchicalAttentionNetwork

    with torch.device("meta"):
        network = HierarchicalAttentionNetwork(len(findings), settings)
    state |= {n: torch.tensor(0) for n in network.state_dict().keys() - state.keys() if n.endswith(COUNTER)}
    return network


def export_weights(source: Path, target: Path, published: bool) -> None:
    """Write a checkpoint of ham, ``source``, as a pickled state dict; ``published``: with ``module.`` before every
    name, as the authors' files have, so that their scripts load it."""
    prefix = PARALLEL if published else ""
    state, _ = load(source)
    with written(target) as temporary:
        torch.save(OrderedDict((prefix + name, value) for name, value in state.items()), temporary)


def _tensors(path: Path | str) -> dict[str, Tensor]:
    """The state dict of a file that torch saved, alone or as an entry of a dict beside epoch, optimizer and the like;
    names without ``module.``."""
    content = _unpickled(Path(path))
    found = [value for value in (content, *(content.values() if isinstance(content, dict) else ())) if _is_state(value)]
    if len(found) != 1:
        raise WeightsError(f"{path}: {len(found)} state dicts are in it, one is needed; save the network's alone.")
    state = {str(name).removeprefix(PARALLEL): value for name, value in found[0].items()}
    if len(state) < len(found[0]):
        raise WeightsError(f"{path}: some names occur with and without {PARALLEL}; save the network's state dict anew.")
    return state


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(isinstance(item, Tensor) for item in value.values())


def _unpickled(path: Path) -> Any:
    """What torch saved to ``path``; tensors and plain values only, anything else is refused."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file.") from None
    except Exception as error:  # torch raises half a dozen kinds for a damaged or hostile file
        raise WeightsError(
            f"{path}: not a file of weights, or more than weights ({type(error).__name__}); fetch it again."
        ) from None


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


def pretrained_digest(settings: NetworkSettings) -> str | None:
    """SHA-256 of the local file that a network starts from; None where it starts from torchvision's or at random."""
    return None if settings.pretrained in (None, "imagenet") else sha256(_pretrained_file(settings))


def _pretrained_file(settings: NetworkSettings) -> Path:
    path = Path(str(settings.pretrained)).expanduser()
    if not path.is_file():
        raise WeightsError(f"training.network.pretrained: there is no file {path}; give a file, imagenet or null.")
    return path


def _imagenet(settings: NetworkSettings) -> dict[str, Tensor]:
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
    path = _pretrained_file(settings)
    if path.suffix == ".safetensors":
        return load(path)[0]
    return _tensors(path)
