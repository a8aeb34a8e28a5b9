"""Losses against the published numbers (tests/golden/losses.npz, float64) and against hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import reference_inputs
from golden.files import golden

from ham.losses import attention_bound_loss, box_loss, classification_loss, hierarchical_losses
from ham.network import Output
from ham.samples import Supervision
from ham.training.settings import LossSettings

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


def test_a_map_inside_the_abnormality_map_has_no_bound_loss() -> None:
    labels = torch.ones(1, 1, dtype=torch.float64)
    finding = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    finding[0, 0, 1, 1] = 2
    assert float(attention_bound_loss(finding, 3 * finding, labels, LossSettings())) == pytest.approx(0, abs=1e-12)
    assert float(attention_bound_loss(finding, 0 * finding, labels, LossSettings())) == pytest.approx(1)


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
