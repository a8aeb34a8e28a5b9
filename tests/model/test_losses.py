"""Losses against the published numbers (tests/golden/losses.npz, float64) and against hand-computed values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from golden import reference_inputs
from golden.files import golden

from ham.model.losses import (
    any_present,
    attention_bound_loss,
    attention_union_loss,
    box_loss,
    classification_loss,
    hierarchical_losses,
    soft_mask,
)
from ham.model.maps import refined_maps
from ham.model.network import Output
from ham.samples import Supervision
from ham.settings import LossSettings

LOSSES = golden("losses")


def supervision(batch: dict[str, np.ndarray]) -> Supervision:
    pairs = torch.from_numpy(batch["pairs"] * batch["supervised"][:, None])
    image, finding = pairs.nonzero(as_tuple=True)
    return Supervision(
        torch.from_numpy(batch["labels"]), image, finding, torch.from_numpy(batch["masks"])[image, finding]
    )


def case(name: str) -> tuple[dict[str, torch.Tensor], Supervision]:
    batch = reference_inputs.batch(f"losses-{name}")
    if name == "none":
        batch["supervised"][:] = 0
    if name == "flat":
        for key in ("labels", "pairs", "masks", "supervised"):
            batch[key][:] = 0
    leaves = {
        key: torch.from_numpy(value).requires_grad_() for key, value in reference_inputs.maps(f"losses-{name}").items()
    }
    return leaves, supervision(batch)


def rectified(leaves: dict[str, torch.Tensor]) -> Output:
    """Maps pass a ReLU, as in the network: where a map is zero no gradient goes further."""
    return Output(**{key: value.relu() if key.startswith("cam") else value for key, value in leaves.items()})


@pytest.mark.parametrize("name", ["a", "b", "none", "flat"])
def test_terms_and_gradients_equal_the_published_ones(name: str) -> None:
    leaves, known = case(name)
    losses = hierarchical_losses(rectified(leaves), known, LossSettings())
    losses.total.backward()
    for term, value in losses._asdict().items():
        assert float(value.detach()) == pytest.approx(float(LOSSES[f"{name}/{term}"]), rel=1e-10, abs=1e-12), term
    for key, value in leaves.items():
        gradient = np.zeros(value.shape) if value.grad is None else value.grad
        np.testing.assert_allclose(gradient, LOSSES[f"{name}/grad/{key}"], rtol=1e-8, atol=1e-12, err_msg=key)


def test_cross_entropy_of_a_zero_logit_is_log_two() -> None:
    assert float(classification_loss(torch.zeros(2, 3), torch.ones(2, 3))) == pytest.approx(np.log(2))


def test_a_perfect_map_has_no_box_loss_and_an_opposite_one_the_whole() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.float64)
    mask[0, :, 4:] = 1
    index = torch.tensor([0])
    known = Supervision(torch.ones(1, 1, dtype=torch.float64), index, index, mask)
    assert float(box_loss(mask[:, None], known, LossSettings())) == pytest.approx(0, abs=1e-12)
    # nothing overlaps: (32 + 32) / (32 + 32)
    assert float(box_loss(1 - mask[:, None], known, LossSettings())) == pytest.approx(1)


def squares(pairs: list[tuple[int, int, int, int]], images: int, findings: int) -> tuple[torch.Tensor, Supervision]:
    """Raw maps [images, findings, 4, 4] whose refined map R is 1 in the first r pixels and 0 elsewhere (cut at 0.4 with
    slope 100, a normalised 1 or 0 is within 1e-17 of itself), and masks G that are 1 in the first g; ``pairs`` are
    (image, finding, r, g). Then sum (R - G)^2 = |r - g| and sum R + sum G = r + g."""

    def first(count: int) -> torch.Tensor:
        return (torch.arange(16) < count).double().view(4, 4)

    cam = torch.zeros(images, findings, 4, 4, dtype=torch.float64)
    for image, finding, r, _ in pairs:
        cam[image, finding] = first(r)
    image, finding = (torch.tensor([pair[place] for pair in pairs]) for place in (0, 1))
    masks = torch.stack([first(g) for *_, g in pairs])
    return cam, Supervision(torch.ones(images, findings, dtype=torch.float64), image, finding, masks)


# Three pairs: (4 + 0 + 8) / (12 + 4 + 16); the mean of their ratios is (1/3 + 0 + 1/2) / 3 = 5/18.
FIRST = [(0, 0, 4, 8), (1, 0, 2, 2), (2, 0, 12, 4)]
# One pair: 4 / 16.
SECOND = [(1, 1, 6, 10)]
# Three pairs: (2 + 0 + 8) / (4 + 16 + 12); the mean of their ratios is (1/2 + 0 + 2/3) / 3 = 7/18.
THIRD = [(0, 2, 1, 3), (1, 2, 8, 8), (2, 2, 10, 2)]


@pytest.mark.parametrize(("pairs", "expected"), [(FIRST, 12 / 32), (SECOND, 4 / 16), (THIRD, 10 / 32)])
def test_the_box_loss_of_a_finding_is_one_ratio_of_sums_over_the_batch(
    pairs: list[tuple[int, int, int, int]], expected: float
) -> None:
    cam, known = squares(pairs, 3, 4)
    assert float(box_loss(cam, known, LossSettings())) == pytest.approx(expected, rel=1e-12)


def test_the_box_loss_is_the_mean_over_findings_with_a_pair_however_many_they_have() -> None:
    """Three, one, three pairs and none: (3/8 + 1/4 + 5/16) / 3, neither over four findings nor over seven pairs."""
    cam, known = squares([*FIRST, *SECOND, *THIRD], 3, 4)
    cam[:, 3] = torch.rand(3, 4, 4, dtype=torch.float64)  # of the finding without a pair
    loss = box_loss(cam, known, LossSettings())
    assert float(loss) == pytest.approx((12 / 32 + 4 / 16 + 10 / 32) / 3, rel=1e-12)
    output = Output(torch.zeros(3, 1).double(), torch.zeros(3, 4).double(), cam.amax(dim=1, keepdim=True), cam)
    assert float(hierarchical_losses(output, known, LossSettings()).box) == float(loss)


def test_a_map_inside_the_abnormality_map_has_no_bound_loss() -> None:
    labels = torch.ones(1, 1, dtype=torch.float64)
    finding = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    finding[0, 0, 1, 1] = 2
    assert float(attention_bound_loss(finding, 3 * finding, labels, LossSettings())) == pytest.approx(0, abs=1e-12)
    assert float(attention_bound_loss(finding, 0 * finding, labels, LossSettings())) == pytest.approx(1)


def test_bound_and_union_of_two_pixel_maps_by_hand() -> None:
    """Slope 1 and threshold 0: s(x) = 1 / (1 + exp(-x)), so that nothing hides in a saturated mask."""
    settings = LossSettings(soft_mask_slope=1.0, soft_mask_threshold=1e-12)
    s1, s2, s3 = (1 / (1 + np.exp(-x)) for x in (1.0, 2.0, 3.0))
    finding = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]], dtype=torch.float64)  # two findings of two pixels
    abnormality = torch.tensor([[[[2.0, 2.0]]]], dtype=torch.float64)
    labels = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    bound = attention_bound_loss(finding, abnormality, labels, settings)
    first = (4 - (1 * s1 + 2 * s3)) / 4  # sum K - sum min(K, A) s(K), over sum K
    second = (2 - 2 * s2) / 2
    assert float(bound) == pytest.approx((first + second) / 2, abs=1e-9)
    union = attention_union_loss(finding, abnormality, labels, settings)
    assert float(union) == pytest.approx((4 - (2 * s2 + 2 * s2)) / 4, abs=1e-9)  # K = max = (2, 3): min(K, A) = (2, 2)


def test_the_variant_without_a_soft_mask_has_none() -> None:
    config = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text())
    settings = LossSettings(**config["define"]["variants"]["without-soft-mask"]["training"]["loss"])
    draw = torch.Generator().manual_seed(0)
    finding, abnormality = (torch.rand(2, count, 5, 5, generator=draw, dtype=torch.float64) for count in (3, 1))
    finding[0, 0, :3], abnormality[1, 0, 1] = 0, 0
    labels = torch.ones(2, 3, dtype=torch.float64)
    whole = finding.sum(dim=(2, 3))
    outside = 1 - torch.minimum(finding, abnormality).sum(dim=(2, 3)) / whole
    assert float(attention_bound_loss(finding, abnormality, labels, settings)) == pytest.approx(float(outside.mean()))
    uncovered = 1 - torch.minimum(finding.amax(dim=1), abnormality[:, 0]).sum(dim=(1, 2)) / abnormality.sum((1, 2, 3))
    assert float(attention_union_loss(finding, abnormality, labels, settings)) == pytest.approx(float(uncovered.mean()))


def test_maps_of_absent_findings_and_of_normal_images_count_nothing() -> None:
    settings = LossSettings()
    maps = torch.rand(3, 2, 4, 4, dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    other = maps.clone()
    other[:, 1] = torch.rand(3, 4, 4, dtype=torch.float64)  # finding 1 is nowhere
    other[1] = torch.rand(2, 4, 4, dtype=torch.float64)  # image 1 is normal
    abnormality = torch.rand(3, 1, 4, 4, dtype=torch.float64)
    moved = abnormality.clone()
    moved[1] += 1
    for loss in (attention_bound_loss, attention_union_loss):
        assert torch.equal(loss(maps, abnormality, labels, settings), loss(other, moved, labels, settings))


def dense_box_loss(cam: torch.Tensor, supervised: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """L_box as defined, with every map resized: ``supervised`` [B, C] of 0 and 1, ``masks`` [B, C, S, S]."""
    size = masks.shape[-1]
    refined = refined_maps(cam.flatten(0, 1), size).view(*cam.shape[:2], size, size)
    weight = supervised[:, :, None, None]
    numerator = (weight * (refined - masks).square()).sum(dim=(0, 2, 3))
    denominator = (weight * (refined + masks)).sum(dim=(0, 2, 3)).clamp(min=1e-5)
    return (numerator / denominator).sum() / (supervised.sum(dim=0) > 0).sum().clamp(min=1)


@pytest.mark.parametrize("name", ["a", "b", "none", "flat"])
def test_sparse_box_supervision_equals_the_dense_definition_in_value_and_gradient(name: str) -> None:
    leaves, known = case(name)
    batch = reference_inputs.batch(f"losses-{name}")
    supervised = torch.zeros(6, 14, dtype=torch.float64)
    supervised[known.pair_image, known.pair_finding] = 1
    masks = torch.from_numpy(batch["masks"])
    sparse_cam = leaves["cam_class"].detach().requires_grad_()
    dense_cam = leaves["cam_class"].detach().requires_grad_()
    sparse, dense = box_loss(sparse_cam, known, LossSettings()), dense_box_loss(dense_cam, supervised, masks)
    torch.testing.assert_close(sparse, dense, rtol=1e-12, atol=1e-12)
    (expected,) = torch.autograd.grad(dense, dense_cam)
    found = torch.autograd.grad(sparse, sparse_cam, allow_unused=True)[0] if sparse.requires_grad else None
    torch.testing.assert_close(torch.zeros_like(expected) if found is None else found, expected, rtol=1e-10, atol=1e-14)


def test_gradients_are_those_of_finite_differences() -> None:
    """In float64, with gentle slopes: a slope of 100 is a step on the scale of the differences."""
    settings = LossSettings(refined_slope=5.0, soft_mask_slope=3.0)
    generator = torch.Generator().manual_seed(0)
    cam, abnormality, logits = (
        torch.rand(*shape, dtype=torch.float64, generator=generator).add(0.1).requires_grad_()
        for shape in ((2, 3, 3, 3), (2, 1, 3, 3), (2, 3))
    )
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    rows, columns = torch.tensor([0, 1]), torch.tensor([2, 1])
    masks = (torch.rand(2, 6, 6, generator=generator) > 0.5).double()
    known = Supervision(labels, rows, columns, masks)
    check = torch.autograd.gradcheck
    assert check(lambda x: classification_loss(x, labels), (logits,))
    assert check(lambda x: box_loss(x, known, settings), (cam,))
    assert check(lambda x, a: attention_bound_loss(x, a, labels, settings), (cam, abnormality))
    assert check(lambda x, a: attention_union_loss(x, a, labels, settings), (cam, abnormality))
    assert check(lambda x: soft_mask(x, settings), (cam,))


def test_losses_do_not_depend_on_a_mirror_image_of_maps_and_masks() -> None:
    leaves, known = case("a")
    output = rectified(leaves)
    mirrored = Output(*(value.flip(-1) if value.dim() == 4 else value for value in output))
    turned = known._replace(pair_mask=known.pair_mask.flip(-1))
    for before, after in zip(
        hierarchical_losses(output, known, LossSettings()),
        hierarchical_losses(mirrored, turned, LossSettings()),
        strict=True,
    ):
        torch.testing.assert_close(before, after, rtol=1e-9, atol=1e-12)


def test_losses_do_not_depend_on_the_order_of_the_batch() -> None:
    leaves, known = case("a")
    output = rectified(leaves)
    order = torch.tensor([3, 5, 0, 2, 1, 4])
    place = torch.argsort(order)
    shuffled = Supervision(known.labels[order], place[known.pair_image], known.pair_finding, known.pair_mask)
    moved = Output(*(value[order] for value in output))
    for before, after in zip(
        hierarchical_losses(output, known, LossSettings()),
        hierarchical_losses(moved, shuffled, LossSettings()),
        strict=True,
    ):
        torch.testing.assert_close(before, after)


NAN = float("nan")


def test_cross_entropy_is_the_mean_over_known_labels_and_gives_no_gradient_to_unknown_ones() -> None:
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.7]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, NAN], [NAN, 0.0]], dtype=torch.float64)
    loss = classification_loss(logits, labels)
    loss.backward()
    # -log sigmoid(0.3) and -log(1 - sigmoid(0.7)), over two
    assert float(loss.detach()) == pytest.approx((np.log1p(np.exp(-0.3)) + np.log1p(np.exp(0.7))) / 2, rel=1e-12)
    expected = [[(1 / (1 + np.exp(-0.3)) - 1) / 2, 0], [0, 1 / (1 + np.exp(-0.7)) / 2]]
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(24, 14), (7, 1), (64, 13)])
def test_where_every_label_is_known_masking_changes_no_bit(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(shape, generator=generator) * 5).requires_grad_()
    labels = (torch.rand(shape, generator=generator) < 0.2).float()
    found = classification_loss(logits, labels)
    (gradient,) = torch.autograd.grad(found, logits)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / labels.numel()
    (expected,) = torch.autograd.grad(plain, logits)
    assert torch.equal(found, plain)
    assert torch.equal(gradient, expected)


def test_cross_entropy_of_one_known_label_is_its_own() -> None:
    found = classification_loss(torch.zeros(2, 3), torch.tensor([[NAN, NAN, 1.0], [NAN, NAN, NAN]]))
    assert float(found) == pytest.approx(np.log(2))


def test_more_findings_than_rows_of_a_map_are_no_trouble() -> None:
    """A map of one pixel is constant, so that nothing is predicted: of a mask of 4 pixels all is missed."""
    one = torch.tensor([0])
    known = Supervision(torch.ones(1, 3), one, one + 2, torch.ones(1, 2, 2, dtype=torch.bool))
    assert float(box_loss(torch.ones(1, 3, 1, 1), known, LossSettings())) == pytest.approx(1.0)


def test_cross_entropy_without_a_known_label_is_zero_and_so_is_its_gradient() -> None:
    logits = torch.ones(2, 3, requires_grad=True)
    loss = classification_loss(logits, torch.full((2, 3), NAN))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()  # type: ignore[union-attr]


def test_an_image_is_abnormal_when_a_finding_is_present_and_unknown_when_only_an_unknown_one_could_be() -> None:
    labels = torch.tensor([[1.0, NAN], [0.0, NAN], [0.0, 0.0], [NAN, NAN], [1.0, 0.0]])
    expected = torch.tensor([[1.0], [NAN], [0.0], [NAN], [1.0]])
    torch.testing.assert_close(any_present(labels), expected, equal_nan=True)


def test_the_losses_of_maps_take_an_unknown_finding_as_absent() -> None:
    leaves, known = case("a")
    absent = known.labels == 0
    assert absent.any()
    assert (known.labels == 1).any()
    expected = hierarchical_losses(rectified(leaves), known, LossSettings())
    (expected.bound + expected.union + expected.box).backward()
    gradients = {key: value.grad for key, value in leaves.items()}

    leaves, known = case("a")
    unknown = known._replace(labels=known.labels.masked_fill(absent, NAN))
    losses = hierarchical_losses(rectified(leaves), unknown, LossSettings())
    (losses.bound + losses.union + losses.box).backward()
    for term in ("bound", "union", "box"):
        assert torch.equal(getattr(losses, term), getattr(expected, term)), term
    for key, value in leaves.items():
        torch.testing.assert_close(value.grad, gradients[key], rtol=0, atol=0)


def test_every_gradient_is_finite_with_unknown_labels_and_none_passes_through_an_unknown_logit() -> None:
    leaves, known = case("b")
    labels = known.labels.clone()
    labels[0] = NAN  # an image of which nothing is known
    labels[1, 0] = NAN
    losses = hierarchical_losses(rectified(leaves), known._replace(labels=labels), LossSettings())
    losses.total.backward()
    for key, value in leaves.items():
        assert value.grad is None or torch.isfinite(value.grad).all(), key
    logits = leaves["logit_class"].grad
    assert logits is not None
    assert torch.equal(logits == 0, labels.isnan())
    abnormal = leaves["logit_abnormality"].grad
    assert abnormal is not None
    assert torch.equal(abnormal == 0, any_present(labels).isnan())
