"""A training step, validation and testing over their floors: what the bare network takes for the same images.

    python benchmarks/network.py [resnet18 192 16] [resnet50 256 4] …

Floor of a step: forward and backward pass of the network, without batch norm in groups, and the optimizer. Of
validation and testing: the forward pass. Floor and measured take turns, and the medians of processor time are compared,
so that other work on the machine counts little. One thread.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from samples import machine

from ham.images import network_input
from ham.model.forward import outputs
from ham.model.network import HierarchicalAttentionNetwork, Output
from ham.predicting.run import probabilities
from ham.samples import Batch
from ham.settings import NetworkSettings
from ham.training.settings import TrainingSettings
from ham.training.step import make_learner, make_optimizer, train_step
from ham.training.validation import validate

FINDINGS, ROUNDS = 14, 5
CPU = torch.device("cpu")


@dataclass
class Case:
    """A network and a batch for it, of whose images a third have one box."""

    architecture: str
    size: int
    images: int

    @property
    def settings(self) -> TrainingSettings:
        network = {"architecture": self.architecture, "pretrained": None, "batch_norm_images": self.images // 2}
        return TrainingSettings.of({"image_size": self.size, "batch_size": self.images, "network": network})

    def batch(self) -> Batch:
        draw = torch.Generator().manual_seed(0)
        boxed = torch.arange(0, self.images, 3)
        return Batch(
            torch.randint(0, 256, (self.images, self.size, self.size), dtype=torch.uint8, generator=draw),
            (torch.rand(self.images, FINDINGS, generator=draw) > 0.8).float(),
            boxed,
            boxed % FINDINGS,
            torch.rand(len(boxed), self.size, self.size, generator=draw) > 0.7,
            torch.arange(self.images),
        )


def ratio(name: str, floor: Callable[[], object], measured: Callable[[], object]) -> str:
    """Medians of both in milliseconds, and one over the other."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for work, taken in zip((floor, measured), times, strict=True):
            start = time.process_time()
            work()
            if turn:  # the first sets up
                taken.append(time.process_time() - start)
    low, high = (statistics.median(taken) for taken in times)
    return f"{name} {high * 1e3:.0f} ms, floor {low * 1e3:.0f} ms: {high / low:.3f} x"


def measure(case: Case) -> None:
    """Print the three ratios of a case."""
    settings, batch = case.settings, case.batch()
    plain = settings.network.model_copy(update={"batch_norm_images": None})
    bare = HierarchicalAttentionNetwork(FINDINGS, NetworkSettings.of(plain.plain()))
    optimizer = make_optimizer(bare, settings.optimizer)
    learner = make_learner(FINDINGS, settings, CPU)
    learner.network.train()
    images = network_input(batch.image, settings.normalisation)

    def bare_step() -> None:
        optimizer.zero_grad(set_to_none=True)
        output: Output = bare.train()(images)
        (output.logit_class.sum() + output.logit_abnormality.sum() + output.cam_class.sum()).backward()
        optimizer.step()

    def bare_forward() -> None:
        with torch.inference_mode():
            bare.eval()(images)

    def test() -> None:
        for _, output in outputs(learner.network, [batch], settings, CPU):
            probabilities(output)

    def step() -> None:
        learner.network.train()
        train_step(learner, batch, settings)

    what = f"{case.architecture}, {case.images} images of {case.size}:"
    print(what, ratio("training step", bare_step, step), flush=True)
    print(
        what, ratio("validation", bare_forward, lambda: validate(learner.network, [batch], settings, CPU)), flush=True
    )
    print(what, ratio("testing", bare_forward, test), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print(machine())
    words = sys.argv[1:] or ["resnet18", "192", "16", "resnet50", "256", "4"]
    for architecture, size, images in zip(*[iter(words)] * 3, strict=True):
        measure(Case(architecture, int(size), int(images)))


if __name__ == "__main__":
    main()
