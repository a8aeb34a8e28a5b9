"""Checkpoints of the authors' release, brought into ham's form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from ham.errors import WeightsError
from ham.model.card import Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.state_dicts import read_tensors
from ham.model.weights import refuse_another_network, save
from ham.runtime.files import sha256
from ham.runtime.provenance import versions
from ham.settings import ModelSettings, NetworkSettings

# The outputs of the published networks, in their order.
PUBLISHED_FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
COUNTER = "num_batches_tracked"


def import_weights(
    source: Path, target: Path, settings: ModelSettings, findings: Sequence[str] = PUBLISHED_FINDINGS
) -> None:
    """Write ``target``, a checkpoint of ham, from one of the authors' release or of ham, ``source``.

    A published file, or another without a card, does not say for which network it is and how its input is made:
    ``settings`` do, and ``findings`` name its outputs. Nothing but tensors is unpickled, prefixes of wrappers are taken
    off, every key and shape must fit (WeightsError names those that do not), values stay bit for bit. A checkpoint of
    ham keeps its own card.
    """
    source = Path(source)
    card = Card.find(source) if source.suffix == ".safetensors" else None
    if card is None:
        card = Card(
            findings=tuple(findings),
            settings={key: value for key, value in settings.plain().items() if key in ModelSettings.model_fields},
            imported={"file": source.name, "sha256": sha256(source) if source.is_file() else ""},
            versions=versions(),
        )
    elif card.findings != tuple(findings):
        named = ", ".join(card.findings)
        raise WeightsError(f"{source}: its findings are {named}, and not {', '.join(findings)}.")
    network = _shape_of(card.model.network, findings)
    wanted = network.state_dict().keys()
    held = read_tensors(source, wanted)
    # counters of batch norm are not in files of torch before 0.4.1, and no number depends on them
    state = held | {name: torch.tensor(0) for name in wanted - held.keys() if name.endswith(COUNTER)}
    refuse_another_network(network, state, source, held)
    save(target, {name: state[name] for name in sorted(state)}, card)


def _shape_of(settings: NetworkSettings, findings: Sequence[str]) -> nn.Module:
    """The network, without values."""
    with torch.device("meta"):
        return HierarchicalAttentionNetwork(len(findings), settings)
