"""The network against the published numbers (tests/golden/network.npz, float64)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import reference_inputs
from golden.files import golden

from ham.model.maps import normalised_maps, refined_maps
from ham.model.network import GroupedBatchNorm2d, HierarchicalAttentionNetwork, lse_pooling
from ham.settings import NetworkSettings

NETWORK = golden("network")
NAMES = sorted({key.split("/")[0] for key in NETWORK})
ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d")


def published_network(name: str) -> HierarchicalAttentionNetwork:
    architecture, downsampling, pool, dilated = name.rsplit("-", 3)
    settings = NetworkSettings(
        architecture=architecture,
        downsampling=int(downsampling),
        pooling=pool == "pool",
        dilation=dilated == "dilated",
        pretrained=None,
        dropout=0.0,
        batch_norm_images=None,
    )
    network = HierarchicalAttentionNetwork(14, settings).double()
    state = {
        key: torch.from_numpy(np.asarray(reference_inputs.weight(key, tuple(value.shape))))
        for key, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval()


def test_every_combination_of_architecture_downsampling_and_pooling_has_published_numbers() -> None:
    combinations = {f"{a}-{d}-{p}-dilated" for a in ARCHITECTURES for d in (8, 16, 32) for p in ("pool", "nopool")}
    plain = {f"resnet34-{d}-{p}-plain" for d in (8, 16, 32) for p in ("pool", "nopool")}
    assert {*NAMES} == combinations | plain
    assert (len(combinations), len(plain)) == (42, 6)


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


def test_initialisation_is_the_specified_one() -> None:
    torch.manual_seed(0)
    network = HierarchicalAttentionNetwork(14, NetworkSettings(architecture="resnet50", pretrained=None))
    state = network.state_dict()
    for name in ("model.conv1.weight", "model.layer3.0.conv2.weight", "model.fa_layer.conva.0.weight"):
        outputs, _, height, width = state[name].shape
        # He normal, fan out, gain of ReLU: a standard deviation of sqrt(2 / (outputs x kernel))
        assert float(state[name].std()) == pytest.approx((2 / (outputs * height * width)) ** 0.5, rel=0.03), name
        assert abs(float(state[name].mean())) < 0.1 * float(state[name].std()), name
    assert state["model.fa_layer.fa.gamma"].item() == 0
    bound = 512**-0.5
    for name in ("model.cls_fc.weight", "model.anomaly_fc.weight"):
        assert -bound <= float(state[name].min()) < -0.98 * bound, name
        assert 0.98 * bound < float(state[name].max()) <= bound, name
        assert abs(float(state[name].mean())) < 0.1 * bound, name
    gate = state["model.fa_layer.fa.channel_fc.0.weight"]  # torch's own: uniform within 1 / sqrt(inputs)
    assert 0.98 * gate.shape[1] ** -0.5 < float(gate.abs().max()) <= gate.shape[1] ** -0.5
    for name, value in state.items():
        if name.endswith(("running_mean", "bias")):
            assert not value.any(), name
        if name.endswith("running_var") or (name.endswith("weight") and value.dim() == 1):
            assert (value == 1).all(), name


@pytest.mark.parametrize(("batch", "sizes"), [(6, (3, 3)), (5, (3, 2)), (3, (3,))])
def test_batch_norm_of_groups_is_that_of_copies_of_the_network_on_parts_of_the_batch(
    batch: int, sizes: tuple[int, ...]
) -> None:
    def made(images: int | None) -> HierarchicalAttentionNetwork:
        torch.manual_seed(0)
        options = {"architecture": "resnet18", "pretrained": None, "dropout": 0.0, "batch_norm_images": images}
        return HierarchicalAttentionNetwork(3, NetworkSettings.of(options)).double().train()

    grouped, plain = made(3), made(None)
    names = [name for name, module in plain.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert names == [name for name, module in grouped.named_modules() if isinstance(module, GroupedBatchNorm2d)]
    images = torch.from_numpy(reference_inputs.images("groups", 6, 64)[:batch])
    output = grouped(images)
    parts = images.split(sizes)
    first = plain(parts[0])
    running = {name: value.clone() for name, value in plain.state_dict().items() if "running" in name}
    outputs = [first, *(plain(part) for part in parts[1:])]
    for field, value in output._asdict().items():
        torch.testing.assert_close(value, torch.cat([getattr(part, field) for part in outputs]), msg=field)
    for name, value in running.items():  # of the first group alone
        torch.testing.assert_close(grouped.state_dict()[name], value, msg=name)


def test_batch_norm_of_groups_has_none_when_it_is_tested() -> None:
    """Running statistics of mean 1 and variance 4: each number of every image becomes (number - 1) / 2."""
    norm = GroupedBatchNorm2d(2, images=3)
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    images = torch.randn(7, 2, 4, 4)
    torch.testing.assert_close(norm.eval()(images), (images - 1) / 2, rtol=1e-4, atol=1e-5)


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


def test_factors_of_channels_multiply_whole_channels_of_the_head() -> None:
    torch.manual_seed(0)
    network = HierarchicalAttentionNetwork(3, NetworkSettings(architecture="resnet18", pretrained=None)).eval()
    images = torch.from_numpy(reference_inputs.images("dropout", 2, 64)).float()
    factors = torch.rand(2, 512)
    whole = network.features(images)
    torch.testing.assert_close(network.features(images, factors), whole * factors[:, :, None, None])
    output = network(images, factors)
    pooled = lse_pooling(whole * factors[:, :, None, None], 6.0)
    torch.testing.assert_close(output.logit_class, network.model.cls_fc(pooled))
    torch.testing.assert_close(network(images).logit_class, network.model.cls_fc(lse_pooling(whole, 6.0)))
