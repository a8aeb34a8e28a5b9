"""The network against the published numbers (tests/golden/network.npz, float64)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import reference_inputs
from golden.files import golden

from ham.maps import normalised_maps, refined_maps
from ham.network import HierarchicalAttentionNetwork, lse_pooling
from ham.training.settings import NetworkSettings

NETWORK = golden("network")
NAMES = sorted({key.split("/")[0] for key in NETWORK})


def published_network(name: str) -> HierarchicalAttentionNetwork:
    architecture, downsampling, pool, dilated = name.rsplit("-", 3)
    settings = NetworkSettings(
        architecture=architecture,
        downsampling=int(downsampling),
        pooling=pool == "pool",
        dilation=dilated == "dilated",
        pretrained=None,
        dropout=0.0,
    )
    network = HierarchicalAttentionNetwork(14, settings).double()
    state = {
        key: torch.from_numpy(np.asarray(reference_inputs.weight(key, tuple(value.shape))))
        for key, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
def test_forward_pass_equals_the_published_one(name: str) -> None:
    network = published_network(name)
    with torch.no_grad():
        output = network(torch.from_numpy(reference_inputs.images("network", 2, 64)))
    expected = {key.split("/", 1)[1]: value for key, value in NETWORK.items() if key.startswith(name + "/")}
    assert sum(p.numel() for p in network.parameters()) == expected["parameters"]
    np.testing.assert_allclose(output.logit_class, expected["logit_class"], rtol=1e-8)
    np.testing.assert_allclose(output.logit_abnormality, expected["logit_abnormality"], rtol=1e-8)
    np.testing.assert_allclose(output.cam_class.sum(dim=(2, 3)), expected["cam_class_sum"], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        output.cam_abnormality.sum(dim=(2, 3)), expected["cam_abnormality_sum"], rtol=1e-8, atol=1e-10
    )
    assert tuple(output.cam_class.shape) == tuple(expected["cam_shape"])
    if "cam_class" in expected:
        np.testing.assert_allclose(output.cam_class, expected["cam_class"], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(refined_maps(output.cam_class[0, :4], 64), expected["refined_class"][0], atol=1e-9)
        np.testing.assert_allclose(
            refined_maps(output.cam_abnormality[0], 64), expected["refined_abnormality"][0], atol=1e-9
        )


def test_training_mode_equals_the_published_one() -> None:
    names = sorted({key.split("/")[0] for key in NETWORK if "/train/" in key})
    assert names
    for name in names:
        network = published_network(name).train()
        output = network(torch.from_numpy(reference_inputs.batch("network")["images"]))
        np.testing.assert_allclose(output.logit_class.detach(), NETWORK[f"{name}/train/logit_class"], rtol=1e-8)
        np.testing.assert_allclose(
            output.logit_abnormality.detach(), NETWORK[f"{name}/train/logit_abnormality"], rtol=1e-8
        )


def test_pooling_of_a_constant_map_is_its_value() -> None:
    torch.testing.assert_close(lse_pooling(torch.full((1, 2, 5, 5), 0.7), 6.0), torch.full((1, 2), 0.7))


def test_a_map_that_is_zero_everywhere_predicts_nothing() -> None:
    assert normalised_maps(torch.zeros(1, 4, 4), 16).max() == 0
    assert refined_maps(torch.zeros(1, 4, 4), 16).max() < 1e-15


def test_map_losses_do_not_move_the_classifiers() -> None:
    network = HierarchicalAttentionNetwork(3, NetworkSettings(architecture="resnet18", pretrained=None))
    output = network(torch.randn(2, 3, 64, 64))
    (output.cam_class.sum() + output.cam_abnormality.sum()).backward()
    assert network.model.cls_fc.weight.grad is None
    assert network.model.conv1.weight.grad is not None


def test_without_foreground_attention_the_head_sees_the_backbone_alone() -> None:
    network = HierarchicalAttentionNetwork(
        3, NetworkSettings(architecture="resnet18", pretrained=None, foreground_attention=False)
    )
    assert network.model.cls_head[0].in_channels == 512
    assert not any("fa_layer" in key for key in network.state_dict())
    assert network(torch.randn(2, 3, 64, 64)).cam_class.shape == (2, 3, 8, 8)
