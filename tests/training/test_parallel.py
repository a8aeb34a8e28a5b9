"""Two processes with half of a batch each compute what one process with the whole batch computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden import reference_inputs
from torch import distributed, nn
from torch.multiprocessing import get_context
from torch.nn.parallel import DistributedDataParallel

from ham.model.losses import alone, hierarchical_losses
from ham.model.network import HierarchicalAttentionNetwork
from ham.samples import Supervision
from ham.settings import LossSettings, LossWeights, NetworkSettings
from ham.training.parallel import total
from ham.training.settings import OptimizerSettings
from ham.training.step import make_optimizer

STEPS, HALF = 3, 3  # six images a batch
# All terms of about one size: the published 0.001 would hide a wrong map loss behind a tolerance.
LOSS = LossSettings(weights=LossWeights(abnormality=1, classification=1, box=1, bound=1, union=1))


def steps(
    wrap: Callable[[nn.Module], nn.Module], rows: slice, summed: Callable[..., torch.Tensor], count: int = STEPS
) -> dict[str, torch.Tensor]:
    """Losses and gradients of each of ``count`` steps on ``rows`` of the batches, and the weights after them."""
    torch.set_num_threads(1)
    settings = NetworkSettings(architecture="resnet18", pretrained=None, dropout=0.0, batch_norm_images=None)
    network = HierarchicalAttentionNetwork(14, settings).double()
    weights = {
        key: torch.as_tensor(reference_inputs.weight(key, tuple(value.shape)))
        for key, value in network.state_dict().items()
    }
    network.load_state_dict(weights)
    network.eval()  # synchronised batch norm runs on GPUs only
    optimizer = make_optimizer(network, OptimizerSettings(learning_rate=1e-3))
    wrapped = wrap(network)
    record: dict[str, torch.Tensor] = {}
    for step in range(count):
        batch = {key: torch.from_numpy(value[rows]) for key, value in reference_inputs.batch(f"step-{step}").items()}
        image, finding = (batch["pairs"] * batch["supervised"][:, None]).nonzero(as_tuple=True)
        known = Supervision(batch["labels"], image, finding, batch["masks"][image, finding])
        losses = hierarchical_losses(wrapped(batch["images"]), known, LOSS, summed)
        optimizer.zero_grad()
        losses.total.backward()
        record[f"losses {step}"] = torch.stack(losses).detach()
        for name, parameter in network.named_parameters():
            record[f"gradient {step} {name}"] = parameter.grad.clone()
        optimizer.step()
    return record | {f"weight {name}": value for name, value in network.state_dict().items()}


def half(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = steps(DistributedDataParallel, slice(rank * HALF, (rank + 1) * HALF), total)
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def whole() -> dict[str, torch.Tensor]:
    """What one process with the whole batch computes."""
    return steps(lambda network: network, slice(None), alone)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, torch.Tensor]]:
    """What the two processes recorded."""
    folder = tmp_path_factory.mktemp("parallel")
    children = [get_context("spawn").Process(target=half, args=(rank, folder)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(300)
        assert child.exitcode == 0
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_losses_gradients_and_weights_are_those_of_the_whole_batch(
    whole: dict[str, torch.Tensor], both: list[dict[str, torch.Tensor]]
) -> None:
    for found in both:
        assert found.keys() == whole.keys()
        for name, value in found.items():
            torch.testing.assert_close(
                value, whole[name], rtol=1e-5, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )


def test_the_halves_alone_would_not_give_the_whole(whole: dict[str, torch.Tensor]) -> None:
    """The batches are such that a ratio of each half, averaged, differs: the test above can fail."""
    parts = [
        steps(lambda network: network, rows, alone, count=1)["losses 0"] for rows in (slice(HALF), slice(HALF, None))
    ]
    averaged = (parts[0] + parts[1]) / 2
    for term in (2, 3):  # box, bound
        assert abs(float(averaged[term] - whole["losses 0"][term])) > 1e-3
