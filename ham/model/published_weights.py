"""Checkpoints of the authors' release, brought into ham's form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ham.errors import WeightsError
from ham.model.card import Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.weights import load, read_tensors, refuse_another_network, save
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

    A published file does not say for which network it is and how its input is made: ``settings`` do, and ``findings``
    name its outputs. Nothing but tensors is unpickled, ``module.`` before the names is taken off, every key and shape
    must fit (WeightsError names those that do not), values stay bit for bit. A checkpoint of ham keeps its own card.
    """
    source = Path(source)
    if source.suffix == ".safetensors":
        state, card = load(source), Card.read(source)
        if card.findings != tuple(findings):
            named = ", ".join(card.findings)
            raise WeightsError(f"{source}: its findings are {named}, and not {', '.join(findings)}.")
    else:
        state = read_tensors(source)
        card = Card(
            findings=tuple(findings),
            settings={key: value for key, value in settings.plain().items() if key in ModelSettings.model_fields},
            imported={"file": source.name, "sha256": sha256(source)},
            versions=versions(),
        )
    refuse_another_network(_shape_of(card.model.network, findings, state), state, source)
    save(target, {name: state[name] for name in sorted(state)}, card)


def _shape_of(settings: NetworkSettings, findings: Sequence[str], state: dict[str, Tensor]) -> nn.Module:
    """The network, without values; counters of batch norm that ``state`` lacks are added to it: files of torch before
    0.4.1 have none, and no number depends on them."""
    with torch.device("meta"):
        network = HierarchicalAttentionNetwork(len(findings), settings)
    state |= {n: torch.tensor(0) for n in network.state_dict().keys() - state.keys() if n.endswith(COUNTER)}
    return network
