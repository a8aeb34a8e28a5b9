"""Validation of images whose outputs and overlaps are known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ham.model.network import HierarchicalAttentionNetwork, Output
from ham.samples import Batch
from ham.settings import LossSettings, LossWeights, NetworkSettings
from ham.training.settings import TrainingSettings
from ham.training.validation import validate

SIZE = 32
CPU = torch.device("cpu")
NAN = math.nan
SETTINGS = TrainingSettings(
    image_size=SIZE,
    network=NetworkSettings(architecture="resnet18", pretrained=None),
    loss=LossSettings(weights=LossWeights(abnormality=0, classification=1, box=0, bound=0, union=0)),
)


def rows(*values: tuple[int, float]) -> Tensor:
    """A map [SIZE, SIZE]: so many rows of each value from the top, then zeros."""
    out = torch.zeros(SIZE, SIZE)
    start = 0
    for count, value in values:
        out[start : start + count] = value
        start += count
    return out


class Recorded(nn.Module):
    """Says of an image what is recorded of the number that its pixels are; in training mode only nonsense."""

    def __init__(self, logits: list[list[float]], maps: dict[tuple[int, int], Tensor]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)
        self.maps = torch.zeros(*self.logits.shape, SIZE, SIZE)
        for place, drawn in maps.items():
            self.maps[place] = drawn

    def forward(self, images: Tensor) -> Output:
        number = ((images[:, 0, 0, 0] * 0.5 + 0.5) * 255).round().long()
        logits, maps = self.logits[number], self.maps[number]
        if self.training:
            logits, maps = -logits, maps.flip(2)
        return Output(logits.amax(dim=1, keepdim=True), logits, maps.amax(dim=1, keepdim=True), maps)


def batch(numbers: list[int], labels: list[list[float]], masks: dict[tuple[int, int], Tensor]) -> Batch:
    """Images by number; ``masks`` by row of the batch and finding."""
    pixels = torch.tensor(numbers, dtype=torch.uint8)[:, None, None].expand(-1, SIZE, SIZE)
    places = list(masks)
    return Batch(
        pixels,
        torch.tensor(labels),
        torch.tensor([row for row, _ in places], dtype=torch.int64),
        torch.tensor([finding for _, finding in places], dtype=torch.int64),
        torch.stack([*masks.values()]) > 0 if masks else torch.zeros(0, SIZE, SIZE, dtype=torch.bool),
        torch.tensor(numbers),
    )


def test_metrics_of_five_images_by_hand() -> None:
    """Three findings; the third has neither a positive nor a pair.

    The normalised map is cut where its refined map reaches 0.999, at 0.4 + ln(999) / 100 = 0.469: rows of 0.5 and of 1
    are predicted, rows of 0.4 are not.
    """
    logits = [[2.0, 1.0, -1.0], [1.0, -2.0, -1.0], [-1.0, 2.0, 1.0], [-2.0, 0.5, -1.0], [3.0, -1.0, -1.0]]
    labels = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, NAN, NAN]]
    maps = {
        (0, 0): rows((8, 1.0), (8, 0.5), (8, 0.4)),  # predicted: 16 rows
        (2, 0): rows((4, 1.0)),  # 4 rows
        (2, 1): rows((10, 1.0), (10, 0.5)),  # 20 rows
    }
    masks = [
        {(0, 0): rows((20, 1))},  # IoU 16/20 = 0.8, IoR 1
        {(0, 0): rows((16, 1)), (0, 1): rows((5, 1))},  # IoU 4/16 = 0.25, IoR 1; IoU 5/20 = 0.25, IoR 0.25
    ]
    batches = [batch([0, 1], labels[:2], masks[0]), batch([2, 3], labels[2:4], masks[1]), batch([4], labels[4:], {})]
    network = Recorded(logits, maps)
    network.train()  # as an epoch leaves it
    found = validate(network, batches, SETTINGS, CPU).measures  # type: ignore[arg-type]

    # Finding 0: positives 2, -1, 3; negatives 1, -2: of six comparisons only -1 < 1 is wrong. Finding 1 without the
    # unknown one: positives -2, 2; negatives 1, 0.5: two of four. Finding 2: undefined.
    assert found["validation_auc"] == pytest.approx((5 / 6 + 2 / 4) / 2)
    assert found["validation_auc_published"] == pytest.approx((5 / 6 + 2 / 4 + 0) / 3)
    # right at probability 1/2: 3 of 5 (image 1 and 2 are wrong), 1 of 4, 3 of 4; of the last finding, always absent,
    # accuracy says nothing
    assert found["validation_accuracy"] == pytest.approx((3 / 5 + 1 / 4) / 2)
    assert found["validation_accuracy_published"] == pytest.approx((3 / 5 + 1 / 4 + 3 / 4) / 3)
    # abnormal: images 0, 1, 2, 4 with 2, 1, 2, 3; normal: image 3 with 0.5
    assert found["validation_auc_abnormality"] == 1.0

    # T(IoU): finding 0 has 0.8 and 0.25, finding 1 has 0.25; at 0.1 and 0.2 all, above half of finding 0's alone
    shares = [1, 1, *[(0.5 + 0) / 2] * 5]
    for threshold, share in zip((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), shares, strict=True):
        assert found[f"validation_t_iou_{threshold}"] == pytest.approx(share), threshold
    assert found["validation_t_iou"] == pytest.approx(sum(shares) / 7)
    assert found["validation_t_iou_published"] == pytest.approx(sum(shares) / 7 * 2 / 3)  # the third counts 0
    # T(IoR): finding 0 has 1 and 1, finding 1 has 0.25, which 0.1 and 0.25 reach
    shares = [1, 1, 0.5, 0.5, 0.5]
    for threshold, share in zip((0.1, 0.25, 0.5, 0.75, 0.9), shares, strict=True):
        assert found[f"validation_t_ior_{threshold}"] == pytest.approx(share), threshold
    assert found["validation_t_ior"] == pytest.approx(sum(shares) / 5)
    assert found["validation_t_ior_published"] == pytest.approx(sum(shares) / 5 * 2 / 3)


def test_regions_are_cut_where_the_loss_settings_say() -> None:
    """Rows of 1, 0.6 and 0.5: at 0.4 all three are predicted, at 0.45 (0.519) two, at 0.55 (0.619) one."""
    network = Recorded([[0.0]], {(0, 0): rows((4, 1.0), (4, 0.6), (4, 0.5))})
    seen = [batch([0], [[1.0]], {(0, 0): rows((16, 1))})]
    for threshold, predicted in ((0.4, 12), (0.45, 8), (0.55, 4)):
        loss = SETTINGS.loss.model_copy(update={"refined_threshold": threshold})
        found = validate(network, seen, SETTINGS.model_copy(update={"loss": loss}), CPU).measures  # type: ignore[arg-type]
        reached = [t for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7) if predicted / 16 >= t]
        assert found["validation_t_iou"] == pytest.approx(len(reached) / 7), threshold


def test_the_share_of_empty_maps_is_a_mean_over_findings_with_pairs() -> None:
    """Finding 0 has three pairs, two of whose maps are zero everywhere; finding 1 has one pair, and a map. Finding 2
    has maps of zeros and no pair: it does not count."""
    network = Recorded([[0.0] * 3] * 3, {(0, 0): rows((4, 1.0)), (1, 1): rows((4, 1.0))})
    boxed = rows((16, 1))
    seen = [batch([0, 1], [[1.0, 1.0, 1.0]] * 2, {(0, 0): boxed, (1, 0): boxed, (1, 1): boxed})]
    seen.append(batch([2], [[1.0, 0.0, 1.0]], {(0, 0): boxed}))
    found = validate(network, seen, SETTINGS, CPU).measures  # type: ignore[arg-type]
    assert found["validation_empty_maps"] == pytest.approx((2 / 3 + 0) / 2)


def test_the_validation_loss_is_a_mean_over_images_with_the_weights_of_the_settings() -> None:
    """Cross entropy alone: logit 0 costs log 2; logit 1 and label 0 costs log(1 + e)."""
    network = Recorded([[0.0], [0.0], [1.0]], {})
    seen = [batch([0, 1], [[1.0], [0.0]], {}), batch([2], [[0.0]], {})]
    found = validate(network, seen, SETTINGS, CPU).measures  # type: ignore[arg-type]
    assert found["validation_loss"] == pytest.approx((2 * math.log(2) + math.log(1 + math.e)) / 3)
    doubled = SETTINGS.loss.model_copy(update={"weights": LossWeights(abnormality=1, classification=1)})
    found = validate(network, seen, SETTINGS.model_copy(update={"loss": doubled}), CPU).measures  # type: ignore[arg-type]
    assert found["validation_loss"] == pytest.approx(2 * (2 * math.log(2) + math.log(1 + math.e)) / 3)


def test_without_boxes_nothing_is_said_of_localization() -> None:
    found = validate(Recorded([[0.0]], {}), [batch([0], [[1.0]], {})], SETTINGS, CPU).measures  # type: ignore[arg-type]
    assert not [name for name in found if "t_io" in name or "empty" in name]
    assert math.isnan(found["validation_auc"])
    assert found["validation_auc_published"] == 0


def test_a_network_in_training_mode_is_looked_at_without_dropout_and_keeps_its_statistics() -> None:
    torch.manual_seed(0)
    options = {"architecture": "resnet18", "pretrained": None, "dropout": 0.5}
    network = HierarchicalAttentionNetwork(1, NetworkSettings.of(options)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pixels = torch.from_numpy(np.random.RandomState(0).randint(0, 255, (4, SIZE, SIZE)).astype(np.uint8))
    seen = [batch([0, 1, 2, 3], [[1.0], [0.0], [1.0], [0.0]], {})._replace(image=pixels)]
    first, again = (validate(network, seen, SETTINGS, CPU).measures for _ in range(2))
    assert first["validation_loss"] == again["validation_loss"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
