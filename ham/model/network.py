"""The network: an edited torchvision ResNet, foreground attention and a head that makes class activation maps.

Section numbers refer to docs/method.md. Module names are those of the published checkpoints, so that weights pass in
and out without a translation table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from ham.settings import NetworkSettings

# strides of layer1 … layer4, and their dilations when dilation is on (section 1)
SURGERY: dict[tuple[bool, int], tuple[tuple[int, ...], tuple[int, ...]]] = {
    (True, 32): ((1, 2, 2, 2), (1, 1, 1, 2)),
    (True, 16): ((1, 2, 2, 1), (1, 1, 1, 2)),
    (True, 8): ((1, 2, 1, 1), (1, 1, 2, 4)),
    (False, 32): ((2, 2, 2, 2), (1, 1, 1, 2)),
    (False, 16): ((1, 2, 2, 2), (1, 1, 2, 4)),
    (False, 8): ((1, 2, 2, 1), (1, 2, 4, 6)),
}
HEAD_CHANNELS = 512
Norm = Callable[[int], nn.BatchNorm2d]


class Output(NamedTuple):
    """What the network says of a batch of B images, C findings, maps of side h."""

    logit_abnormality: Tensor  # [B, 1]
    logit_class: Tensor  # [B, C]
    cam_abnormality: Tensor  # [B, 1, h, h], >= 0
    cam_class: Tensor  # [B, C, h, h], >= 0


class GroupedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that in training takes statistics over groups of at most ``images`` images; the running statistics
    are those of the first group.

    What data parallelism without synchronised batch norm computes, whatever the number of devices (docs/method.md,
    section 4). Groups are as equal as can be: 24 images and 12 a group are 12 and 12, 13 images are 7 and 6.
    """

    def __init__(self, features: int, images: int) -> None:
        super().__init__(features)
        self.images = images

    def forward(self, x: Tensor) -> Tensor:
        groups = math.ceil(len(x) / self.images) if self.training else 1
        if groups == 1:
            return super().forward(x)
        first, *rest = x.tensor_split(groups)
        others = (F.batch_norm(part, None, None, self.weight, self.bias, training=True, eps=self.eps) for part in rest)
        return torch.cat([super().forward(first), *others])


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)


class ForegroundAttention(nn.Module):
    """Channel and position attention inside the foreground block (section 1, steps 2 to 4): [B, M, h, w] -> the
    same."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 1, kernel_size=1, bias=False)
        self.channel_fc = nn.Sequential(
            nn.Linear(channels, channels // 8, bias=False), nn.ReLU(), nn.Linear(channels // 8, channels, bias=False)
        )
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.conv3 = nn.Conv2d(channels, 1, kernel_size=1, bias=False)
        self.conv4 = nn.Conv2d(1, 1, kernel_size=3, padding=1, bias=False)
        self.bn4 = norm(1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, u: Tensor) -> Tensor:
        weights = self.conv1(u).flatten(2).softmax(dim=2)
        pooled = (u.flatten(2) * weights).sum(dim=2)
        gate = torch.sigmoid(self.channel_fc(pooled))
        x = self.conv2(u) * gate[:, :, None, None]
        z = self.conv3(x)
        z = z * torch.sigmoid(self.bn4(self.conv4(z)))
        return self.gamma * z + u


class ForegroundBlock(nn.Module):
    """Feature map [B, F, h, w] -> foreground features [B, F / 4, h, w] (section 1)."""

    def __init__(self, features: int, norm: Norm) -> None:
        super().__init__()
        channels = features // 4
        self.conva = nn.Sequential(conv3x3(features, channels), norm(channels))
        self.fa = ForegroundAttention(channels, norm)
        self.convb = nn.Sequential(conv3x3(channels, channels), norm(channels))

    def forward(self, e: Tensor) -> Tensor:
        return self.convb(self.fa(self.conva(e)))


class Layers(nn.Module):
    """All layers with weights, under the names of the published state dict (``model.…``)."""

    def __init__(self, findings: int, settings: NetworkSettings) -> None:
        super().__init__()
        images = settings.batch_norm_images
        norm: Norm = nn.BatchNorm2d if images is None else partial(GroupedBatchNorm2d, images=images)
        backbone = edited_backbone(settings, norm)
        features = backbone.fc.in_features
        self.conv1, self.bn1 = backbone.conv1, backbone.bn1
        self.layer1, self.layer2, self.layer3, self.layer4 = (getattr(backbone, f"layer{n}") for n in (1, 2, 3, 4))
        self.fa_layer: nn.Module | None = ForegroundBlock(features, norm) if settings.foreground_attention else None
        joined = features + features // 4 if settings.foreground_attention else features
        self.cls_head = nn.Sequential(conv3x3(joined, HEAD_CHANNELS), norm(HEAD_CHANNELS))
        self.anomaly_fc = nn.Linear(HEAD_CHANNELS, 1, bias=False)
        self.cls_fc = nn.Linear(HEAD_CHANNELS, findings, bias=False)
        self.apply(_initialise)
        for classifier in (self.anomaly_fc, self.cls_fc):
            nn.init.uniform_(classifier.weight, -1 / math.sqrt(HEAD_CHANNELS), 1 / math.sqrt(HEAD_CHANNELS))


class HierarchicalAttentionNetwork(nn.Module):
    """Images [B, 3, S, S] -> :class:`Output`. Refined maps are made where they are used, see ham.model.maps.

    ``channels`` [B, 512]: factors of the head's channels, which are its dropout (:func:`ham.samples.draw_channels`).
    """

    def __init__(self, findings: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.lse_sharpness = settings.lse_sharpness
        self.model = Layers(findings, settings)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if settings.pooling else nn.Identity()

    def features(self, images: Tensor, channels: Tensor | None = None) -> Tensor:
        """Last map of the head, h: [B, 512, S / downsampling, S / downsampling]."""
        m = self.model
        e = self.pool(F.relu(m.bn1(m.conv1(images))))
        e = m.layer4(m.layer3(m.layer2(m.layer1(e))))
        if m.fa_layer is not None:
            e = torch.cat([e, m.fa_layer(e)], dim=1)
        h = F.relu(m.cls_head(e))
        return h if channels is None else h * channels[:, :, None, None].to(h.dtype)

    def forward(self, images: Tensor, channels: Tensor | None = None) -> Output:
        h = self.features(images, channels)
        with torch.autocast(h.device.type, enabled=False):  # pooling, logits and maps stay in full precision
            h = h if h.dtype == torch.float64 else h.float()
            pooled = lse_pooling(h, self.lse_sharpness)
            abnormality, findings = self.model.anomaly_fc, self.model.cls_fc
            return Output(
                abnormality(pooled),
                findings(pooled),
                class_activation_maps(h, abnormality.weight),
                class_activation_maps(h, findings.weight),
            )


def lse_pooling(h: Tensor, sharpness: float) -> Tensor:
    """(logsumexp over positions of r h - log of their number) / r: [B, K, h, w] -> [B, K]."""
    flat = h.flatten(2)
    return (torch.logsumexp(sharpness * flat, dim=2) - math.log(flat.shape[2])) / sharpness


def class_activation_maps(h: Tensor, weight: Tensor) -> Tensor:
    """ReLU of h weighted by a classifier's detached weights: [B, K, h, w], [C, K] -> [B, C, h, w]."""
    return F.relu(F.conv2d(h, weight.detach()[:, :, None, None]))


def edited_backbone(settings: NetworkSettings, norm: Norm) -> ResNet:
    """torchvision's own network with the strides, dilations and projections of section 1."""
    backbone: ResNet = getattr(torchvision.models, settings.architecture)(weights=None, norm_layer=norm)
    strides, dilations = SURGERY[settings.pooling, settings.downsampling]
    inputs = backbone.conv1.out_channels
    for number, stride in enumerate(strides, 1):
        stage = getattr(backbone, f"layer{number}")
        dilation = dilations[number - 1] if settings.dilation else 1
        for index, block in enumerate(stage):
            _edit(block, stride if index == 0 else 1, dilation)
        outputs = _outputs(stage[0])
        stage[0].downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False), norm(outputs))
            if stride != 1 or inputs != outputs
            else None
        )
        inputs = outputs
    return backbone


def _edit(block: nn.Module, stride: int, dilation: int) -> None:
    """Stride and dilation go to the convolution torchvision would give them: Bottleneck.conv2, BasicBlock.conv1."""
    if not isinstance(block, Bottleneck | BasicBlock):
        raise TypeError(f"not a residual block: {type(block).__name__}")
    conv = block.conv2 if isinstance(block, Bottleneck) else block.conv1
    conv.stride = (stride, stride)
    conv.dilation = conv.padding = (dilation, dilation)
    block.stride = stride


def _outputs(block: nn.Module) -> int:
    last = block.conv3 if isinstance(block, Bottleneck) else block.conv2
    assert isinstance(last, nn.Conv2d)
    return last.out_channels


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
