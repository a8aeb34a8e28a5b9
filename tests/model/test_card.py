"""One card: what is written is read, older forms are raised, what cannot be read is one sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ham.errors import WeightsError
from ham.model import weights
from ham.model.card import VERSION, Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.settings import NetworkSettings
from ham.training.settings import TrainingSettings

SETTINGS = TrainingSettings(image_size=64, network=NetworkSettings(architecture="resnet18", pretrained=None))
CARD = Card(findings=("Mass", "Nodule"), settings=SETTINGS.plain(), epoch=3, dataset="Phantom", store=72)


def with_card(path: Path, card: object) -> Path:
    """A .safetensors file of no tensors with this in the card's place."""
    header = json.dumps({"__metadata__": {"card": card if isinstance(card, str) else json.dumps(card)}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_network_opens_from_its_file_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = HierarchicalAttentionNetwork(2, SETTINGS.network).eval()
    path = tmp_path / "model.safetensors"
    weights.save(path, network.state_dict(), CARD)
    opened = weights.open_network(path)
    assert opened.card == CARD
    assert opened.card.model.image_size == 64
    assert not opened.network.training
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(opened.network(image).cam_class, network(image).cam_class)


def test_a_card_of_ham_0_1_is_read(tmp_path: Path) -> None:
    old = {
        "dataset": "Phantom", "findings": ["Mass"], "settings": json.dumps({"image_size": 96, "seed": 4}),
        "checkpoint": "best-auc", "epoch": 2, "store": None, "fingerprint": "abc", "versions": {"ham": "0.1.0"},
        "data_licence": "MIT", "note": "For research.",
    }  # fmt: skip
    card = Card.read(with_card(tmp_path / "old.safetensors", old))
    assert (card.version, card.findings, card.epoch) == (VERSION, ("Mass",), 2)
    assert card.settings == {"image_size": 96, "seed": 4}
    assert card.model.image_size == 96


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"version": VERSION + 1, "findings": ["a"], "settings": {}}, f"version {VERSION + 1}.*update ham"),
        ([1, 2], "no map of keys"),
        ("{cut", "not a checkpoint that can be read"),
        ({"findings": [], "settings": {}}, "findings: .*at least 1"),
        ({"findings": ["a"], "settings": {"image_size": "large"}}, "image_size: "),
        ({"findings": ["a"], "settings": "{cut"}, "cannot be used"),
        ({"version": VERSION, "findings": ["a"], "settings": {}, "extra": 1}, "extra: there is no such key"),
    ],
)
def test_a_card_that_cannot_be_read_is_one_sentence(tmp_path: Path, card: object, said: str) -> None:
    path = with_card(tmp_path / "x.safetensors", card)
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(path))}: .*{said}"):
        Card.read(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_without_a_card_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.safetensors: "):
        Card.read(path)
    with pytest.raises(WeightsError, match="there is no such file"):
        Card.read(tmp_path / "none.safetensors")


def test_a_card_is_read_without_torch(tmp_path: Path, root: Path) -> None:
    path = with_card(tmp_path / "x.safetensors", CARD.text())
    code = f"import sys; from ham.model.card import Card; Card.read({str(path)!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
