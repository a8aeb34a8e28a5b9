"""Checkpoints and the weights a network starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision

from ham import weights
from ham.errors import WeightsError
from ham.network import HierarchicalAttentionNetwork
from ham.training.settings import NetworkSettings


def network(**options: object) -> HierarchicalAttentionNetwork:
    settings = {"architecture": "resnet18", "pretrained": None, **options}
    return HierarchicalAttentionNetwork(3, NetworkSettings.model_validate(settings))


@pytest.mark.parametrize("counters", [True, False], ids=["with batch norm counters", "as older files, without"])
@pytest.mark.parametrize(("pooling", "downsampling"), [(True, 8), (False, 32)])
def test_a_file_in_torchvisions_format_fills_stem_and_layers(
    tmp_path: Path, counters: bool, pooling: bool, downsampling: int
) -> None:
    state = torchvision.models.resnet18().state_dict()
    kept = {name: value for name, value in state.items() if counters or not name.endswith("num_batches_tracked")}
    torch.save(kept, tmp_path / "resnet18.pth")
    started = network(pooling=pooling, downsampling=downsampling)
    head = started.model.cls_fc.weight.clone()
    options = {"architecture": "resnet18", "pretrained": str(tmp_path / "resnet18.pth")}
    weights.start(started, NetworkSettings.model_validate(options))
    own = started.model.state_dict()
    for name in ("conv1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.running_var", "layer2.0.downsample.0.weight"):
        assert torch.equal(own[name], state[name]), name
    assert torch.equal(started.model.cls_fc.weight, head)


def test_weights_of_another_architecture_are_refused_and_named(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(WeightsError, match=r"another network: .*layer1\.2\..* is not in the network"):
        weights.start(network(), NetworkSettings(architecture="resnet18", pretrained=str(tmp_path / "resnet34.pth")))


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_a_missing_or_damaged_file_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=str(path)):
        weights.start(network(), NetworkSettings(architecture="resnet18", pretrained=str(path)))


def test_a_checkpoint_comes_back_with_its_card_and_the_same_bytes(tmp_path: Path) -> None:
    state = network().state_dict()
    for name in ("one", "two"):
        weights.save(tmp_path / name, state, {"findings": ["a", "b", "c"]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded, card = weights.load(tmp_path / "one")
    assert card == {"findings": ["a", "b", "c"]}
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_a_checkpoint_that_was_cut_off_is_one_sentence(tmp_path: Path) -> None:
    weights.save(tmp_path / "whole", network().state_dict(), {})
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:1000])
    with pytest.raises(WeightsError, match="cut: not a checkpoint"):
        weights.load(tmp_path / "cut")
