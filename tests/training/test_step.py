"""What moves weights and what is kept, by hand: rates, loss settings, the best epochs."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from ham.model.forward import outputs
from ham.model.losses import Losses
from ham.model.network import Output
from ham.samples import FILLER, Batch
from ham.settings import LossSettings, LossWeights, NetworkSettings
from ham.training import step as step_module
from ham.training.parallel import ALONE, Team
from ham.training.settings import OptimizerSettings, ScheduleSettings, TrainingSettings
from ham.training.step import (
    Learner,
    NotFiniteError,
    Tally,
    _parts,
    draw_channels,
    make_learner,
    train_epoch,
    train_step,
)
from ham.training.validation import choose_checkpoints, look

CPU = torch.device("cpu")


class Drawn(nn.Module):
    """A network of one finding whose logits are a parameter (0 at first) and whose maps are given, one an image."""

    def __init__(self, cam_class: Tensor, cam_abnormality: Tensor) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(2))
        self.cam_class, self.cam_abnormality = cam_class, cam_abnormality

    def forward(self, images: Tensor, channels: Tensor | None = None) -> Output:
        assert self.training
        logits = self.logit.expand(len(images), 2)
        return Output(logits[:, :1], logits[:, 1:], self.cam_abnormality, self.cam_class)


def drawn_learner(rate: float = 1.0) -> Learner:
    """The finding's map has rows of 1, 0.5, 0 and 0 in both images, abnormality's is 0.25 everywhere."""
    rows = torch.tensor([1.0, 0.5, 0.0, 0.0])
    cam = rows[:, None].expand(4, 4)[None, None].repeat(2, 1, 1, 1)
    network = Drawn(cam, torch.full((2, 1, 4, 4), 0.25))
    return Learner(network, torch.optim.SGD(network.parameters(), lr=rate), CPU)  # type: ignore[arg-type]


def drawn_batch() -> Batch:
    """Two images, finding present in both; the first has a mask of its two upper rows."""
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, :2] = True
    pair = torch.zeros(1, dtype=torch.int64)
    return Batch(torch.zeros(2, 4, 4, dtype=torch.uint8), torch.ones(2, 1), pair, pair, mask, torch.arange(2))


def terms(learner: Learner, settings: TrainingSettings) -> dict[str, float]:
    """Loss terms of a step on the drawn batch."""
    return dict(zip(Losses._fields, train_step(learner, drawn_batch(), settings).tolist(), strict=True))


def with_loss(**loss: object) -> TrainingSettings:
    return TrainingSettings(
        epochs=6,
        network=NetworkSettings(pretrained=None),
        loss=LossSettings(**loss),  # type: ignore[arg-type]
        optimizer=OptimizerSettings(name="sgd", learning_rate=1.0),
        schedule=ScheduleSettings(name="step", every=2, decay=0.1),
    )


def test_the_box_term_of_a_step_cuts_maps_where_the_settings_say() -> None:
    """Rows 1, 0.5, 0, 0. Cut at 0.4 the refined map is two rows, as the mask: loss 0. Cut at 0.75 it is one row:
    (8 - 4) / (8 + 4). With slope 10 at 0.5 it is s(5), s(0) = 1/2, s(-5) twice."""
    found = [
        terms(drawn_learner(), with_loss(**loss))["box"]
        for loss in ({}, {"refined_threshold": 0.75}, {"refined_threshold": 0.5, "refined_slope": 10.0})
    ]
    high, low = 1 / (1 + math.exp(-5)), 1 / (1 + math.exp(5))
    gentle = 4 * ((high - 1) ** 2 + 0.25 + 2 * low**2) / (4 * (high + 0.5 + 2 * low) + 8)
    assert found == pytest.approx([0.0, 4 / 12, gentle], abs=1e-5)


def test_the_bound_term_of_a_step_takes_the_soft_mask_of_the_settings() -> None:
    """A = 0.25 everywhere, K = rows 1, 0.5, 0, 0: sum K = 6, min(K, A) = 0.25 in two rows. Soft mask at 0.75: the first
    row counts, (6 - 1) / 6; at 0.25: both do, (6 - 2) / 6."""
    found = [terms(drawn_learner(), with_loss(soft_mask_threshold=threshold))["bound"] for threshold in (0.75, 0.25)]
    assert found == pytest.approx([5 / 6, 4 / 6], abs=1e-5)


def test_a_step_goes_down_the_weighted_sum_of_the_settings() -> None:
    """Both logits are 0 and both labels 1: each cross entropy is log 2 and its gradient s(0) - 1 = -1/2."""
    weights = LossWeights(abnormality=0.3, classification=2.0, box=0.5, bound=0.25, union=0.125)
    learner = drawn_learner(rate=1.0)
    losses = terms(learner, with_loss(weights=weights, refined_threshold=0.75))
    # union: A = 0.25 (sum 4), min(K, A) = 0.25 in two rows, s(A) at 0.75 is 0: 4 / 4
    expected = (0.3 + 2.0) * math.log(2) + 0.5 * 4 / 12 + 0.25 * 5 / 6 + 0.125 * 1
    assert losses["total"] == pytest.approx(expected, abs=1e-5)
    assert learner.network.logit.tolist() == pytest.approx([0.3 / 2, 2.0 / 2])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (ScheduleSettings(name="step", every=2, decay=0.1), [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]),
        (ScheduleSettings(name="step", every=3, decay=0.5), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
        (ScheduleSettings(name="constant"), [1.0] * 6),
        # 1 - (e / 6)^0.9 for e = 0 … 5, not (1 - e / 6)^0.9
        (ScheduleSettings(name="poly"), [1 - (e / 6) ** 0.9 for e in range(6)]),
        (ScheduleSettings(name="polynomial", power=2), [1, 25 / 36, 16 / 36, 9 / 36, 4 / 36, 1 / 36]),
    ],
    ids=["step of 2", "step of 3", "constant", "poly", "polynomial"],
)
def test_an_epoch_steps_with_its_own_learning_rate(schedule: ScheduleSettings, rates: list[float]) -> None:
    """From epoch 1 on. The gradient of the abnormality logit, weight 1, is -1/2 at 0: a step adds half of the rate."""
    weights = LossWeights(abnormality=1, classification=0, box=0, bound=0, union=0)
    settings = with_loss(weights=weights).model_copy(update={"schedule": schedule})
    for epoch, rate in enumerate(rates, 1):
        learner = drawn_learner(rate=123.0)  # what an earlier epoch left
        train_epoch(learner, [drawn_batch()], epoch, settings)
        assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(rate, abs=1e-6)
        assert learner.network.logit.tolist()[0] == pytest.approx(rate / 2, abs=1e-6)  # type: ignore[union-attr]


def test_the_losses_of_an_epoch_are_means_over_images() -> None:
    """A batch of two images at log 2, and one of one image whose label is 0 after a step that made its logit 1/2."""
    weights = LossWeights(abnormality=1, classification=0, box=0, bound=0, union=0)
    learner = drawn_learner()
    one = drawn_batch()._replace(
        labels=torch.zeros(1, 1), image=torch.zeros(1, 4, 4, dtype=torch.uint8), places=torch.arange(1)
    )
    tally = train_epoch(learner, [drawn_batch(), one], 1, with_loss(weights=weights))
    row = tally.means()
    second = math.log(1 + math.exp(0.5))
    assert row["loss_abnormality"] == pytest.approx((2 * math.log(2) + second) / 3, abs=1e-6)
    assert row["loss"] == row["loss_abnormality"]
    assert (tally.images, tally.steps) == (3, 2)


def test_a_loss_that_is_no_number_ends_the_epoch_with_its_name() -> None:
    learner = drawn_learner()
    with torch.no_grad():
        learner.network.logit.fill_(math.nan)  # type: ignore[operator, union-attr]
    with pytest.raises(NotFiniteError) as raised:
        train_epoch(learner, [drawn_batch()], 3, with_loss(), Tally(steps=7))
    error = raised.value
    assert (error.term, error.step, error.places) == ("abnormality", 8, [0, 1])
    assert math.isnan(error.value)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_nothing_is_read_from_the_device_in_a_step_or_a_look_at_validation_images(
    accumulation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU would be waited for. Tensors of the device `meta` have no values: whatever reads one raises."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no such device
    meta = torch.device("meta")
    settings = TrainingSettings(
        batch_size=4,
        image_size=32,
        accumulation=accumulation,
        network=NetworkSettings(architecture="resnet18", pretrained=None, batch_norm_images=2),
        optimizer=OptimizerSettings(name="sgd"),  # the fused Adam knows no such device either
    )
    pair = torch.tensor([0, 3])
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    batch = Batch(
        torch.zeros(4, 32, 32, dtype=torch.uint8), torch.zeros(4, 3), pair, pair - pair, masks, torch.arange(4)
    )
    learner = make_learner(3, settings, meta)
    learner.network.train()
    assert train_step(learner, batch.to(meta), settings).shape == (6,)
    with pytest.raises(RuntimeError):  # reading does raise
        train_step(learner, batch.to(meta), settings).tolist()
    learner.network.eval()
    for moved, output in outputs(learner.network, [batch], settings, meta):
        assert look(moved, output, settings).areas.shape == (3, 2)


SMALL = TrainingSettings(
    batch_size=8,
    image_size=32,
    network=NetworkSettings(architecture="resnet18", pretrained=None, batch_norm_images=2),
    optimizer=OptimizerSettings(name="sgd", learning_rate=1e-4),
)


def random_batch(images: int) -> Batch:
    """Images and labels at random, three of them with a mask."""
    draw = torch.Generator().manual_seed(0)
    pair = torch.tensor([0, 1, images - 1])
    return Batch(
        torch.randint(0, 256, (images, 32, 32), dtype=torch.uint8, generator=draw),
        (torch.rand(images, 5, generator=draw) > 0.6).float(),
        pair,
        torch.tensor([0, 3, 0]),
        torch.rand(3, 32, 32, generator=draw) > 0.5,
        torch.arange(images) + 3,
    )


@pytest.mark.parametrize(("images", "parts"), [(8, 2), (8, 3), (8, 4), (5, 2), (5, 4)])
def test_a_batch_in_parts_has_the_losses_gradients_and_statistics_of_the_whole(images: int, parts: int) -> None:
    """Of 8 images in groups of 2 and of 5 (2, 2 and 1), in parts of whole groups."""
    found = []
    for accumulation in (1, parts):
        settings = SMALL.model_copy(update={"accumulation": accumulation})
        learner = make_learner(5, settings, CPU)
        learner.network.train()
        losses = train_step(learner, random_batch(images), settings, epoch=2)
        gradients = {name: parameter.grad for name, parameter in learner.network.named_parameters()}
        found.append({"losses": losses, **gradients, **dict(learner.network.named_buffers())})
        assert all(norm.track_running_stats for norm in learner.network.modules() if isinstance(norm, nn.BatchNorm2d))
    whole, in_parts = found
    for name, value in whole.items():
        close = torch.isclose(in_parts[name], value, rtol=1e-3, atol=1e-3 * float(value.abs().max()))
        assert close.all(), name  # batch norm of two small maps blows rounding up


def test_parts_finer_than_groups_are_as_equal_as_can_be_and_none_is_empty() -> None:
    def sizes(images: int, accumulation: int, size: int = 1) -> list[int]:
        settings = SMALL.model_copy(update={"accumulation": accumulation})
        return [part.stop - part.start for part in _parts(images, settings, Team(0, size))]

    assert sizes(8, 2) == [4, 4]
    assert sizes(8, 3) == [4, 2, 2]  # whole groups of 2
    assert sizes(8, 6) == [2, 2, 1, 1, 1, 1]
    assert sizes(3, 8) == [1, 1, 1]
    assert sizes(4, 2, size=2) == [2, 2]  # of each of two processes
    assert sizes(4, 3, size=2) == [2, 1, 1]  # 2 groups each: 3 parts are finer
    batch = [slice(0, 3), slice(3, 5)]
    assert _parts(5, SMALL.model_copy(update={"accumulation": 2}), ALONE) in ([slice(0, 4), slice(4, 5)], batch)


def test_losses_are_read_and_a_training_is_at_rest_every_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "READ_EVERY", 2)
    rests = []
    tally = train_epoch(
        drawn_learner(), [drawn_batch()] * 5, 1, with_loss(), Tally(steps=3, images=6, seconds=100.0),
        lambda tally: rests.append((tally.steps, tally.images)),
    )  # fmt: skip
    assert rests == [(5, 10), (7, 14)]
    assert (tally.steps, tally.images) == (8, 16)
    assert 100 < tally.seconds < 160


def test_images_that_only_fill_a_batch_are_not_counted() -> None:
    filled = drawn_batch()._replace(places=torch.tensor([0, FILLER - 4]))
    assert train_epoch(drawn_learner(), [filled], 1, with_loss()).images == 1


def test_dropout_is_a_function_of_seed_epoch_and_place_and_takes_the_settings_share() -> None:
    places = torch.tensor([5, 2, 5, FILLER - 7])
    drawn = draw_channels(SMALL, 3, places)
    assert drawn is not None
    assert torch.equal(drawn[0], drawn[2])
    again = draw_channels(SMALL, 3, torch.tensor([2]))
    assert again is not None
    assert torch.equal(again[0], drawn[1])
    for other in (
        draw_channels(SMALL, 4, places),
        draw_channels(SMALL.model_copy(update={"seed": 1}), 3, places),
    ):
        assert other is not None
        assert not torch.equal(other[0], drawn[0])
    # of numpy's generator of (seed 0, epoch 1, place 0, stream 1): a training that is resumed by a later ham goes on
    first = draw_channels(SMALL, 1, torch.tensor([0]))
    assert first is not None
    assert (first[0] == 0).nonzero().flatten()[:6].tolist() == [8, 20, 31, 38, 41, 54]
    many = draw_channels(SMALL, 1, torch.arange(200))
    assert many is not None
    assert sorted({round(value, 6) for value in many.flatten().tolist()}) == [0.0, round(1 / 0.9, 6)]
    assert float((many == 0).float().mean()) == pytest.approx(0.1, abs=0.005)  # standard deviation below 0.001
    network = SMALL.network.model_copy(update={"dropout": 0.0})
    assert draw_channels(SMALL.model_copy(update={"network": network}), 1, places) is None


def kept(*rows: tuple[float, float, float]) -> dict[str, int]:
    """Which epoch (from 1) each checkpoint is of after epochs of these validation AUC, T(IoU), T(IoR)."""
    best: dict[str, float] = {}
    epochs: dict[str, int] = {}
    for epoch, (auc, t_iou, t_ior) in enumerate(rows, 1):
        row = {"epoch": epoch, "validation_auc": auc, "validation_t_iou": t_iou, "validation_t_ior": t_ior}
        better = choose_checkpoints(best, row)
        best |= better
        epochs |= dict.fromkeys(better, epoch)
    return epochs


def test_each_best_checkpoint_is_the_epoch_with_the_highest_value_of_its_own_metric() -> None:
    assert kept((0.9, 0.1, 0.2), (0.5, 0.6, 0.3), (0.6, 0.2, 0.8), (0.7, 0.3, 0.4)) == {
        "best-auc": 1,
        "best-t-iou": 2,
        "best-t-ior": 3,
    }


def test_a_later_epoch_wins_a_tie() -> None:
    assert kept((0.5, 0.2, 0.2), (0.7, 0.4, 0.0), (0.7, 0.4, 0.2), (0.6, 0.3, 0.1)) == {
        "best-auc": 3,
        "best-t-iou": 3,
        "best-t-ior": 3,
    }


def test_an_undefined_value_is_never_the_best_and_zero_is() -> None:
    nan = math.nan
    assert kept((nan, 0.0, nan), (0.6, nan, nan), (nan, 0.0, nan)) == {"best-auc": 2, "best-t-iou": 3}
    assert choose_checkpoints({}, {"validation_auc": 0.5}) == {"best-auc": 0.5}  # no boxes: no T(IoU) at all
