"""Images a second and memory of a training step on a GPU, by precision, and how many processes feed it.

    python benchmarks/gpu.py [--size 512] [--batch 24] [--architecture resnet50] [--steps 30]

Step: ``train_step`` on batches that are there, in float32, TF32, bfloat16 and compiled bfloat16; beside it a dense
reference, written from docs/method.md, which refines the maps of all findings to the size of the images as the release
does. Each with its share of the card's own rate of bfloat16 products, measured first. Feeding: the same step on batches
from image files and from an image store, by loader processes. Without a GPU it says so, and does the same on the CPU if
``--cpu`` is given: to see that it works, not how fast.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from samples import dataset_of, draw, store_of
from torch.nn import functional as F

from ham.images import network_input
from ham.model.forward import autocast
from ham.model.losses import attention_bound_loss, attention_union_loss, classification_loss
from ham.model.maps import refined_maps
from ham.samples import Batch, Epochs, RandomChanges, Samples, training_loader
from ham.training.settings import TrainingSettings
from ham.training.step import Learner, draw_channels, make_learner, train_step

FINDINGS = 14
FLOPS_OF_STEP = 1.18e12  # of one image of 512 pixels in resnet50, forward and backward pass
WARM_UP = 5


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def rate(work: Callable[[Batch], object], batches: Iterable[Batch], steps: int, device: torch.device) -> float:
    """Images a second of ``steps`` steps, after some to warm up."""
    images, start = 0, 0.0
    for number, batch in enumerate(batches):
        if number == WARM_UP:
            synchronise(device)
            images, start = 0, time.perf_counter()
        if number == WARM_UP + steps:
            break
        work(batch)
        images += len(batch.labels)
    synchronise(device)
    return images / (time.perf_counter() - start)


def matrix_rate(device: torch.device) -> float:
    """bfloat16 products of large matrices, in operations a second."""
    side = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for turn in range(12):
        if turn == 2:
            synchronise(device)
            start = time.perf_counter()
        a @ b
    synchronise(device)
    return 10 * 2 * side**3 / (time.perf_counter() - start)


def synthetic(size: int, images: int, device: torch.device) -> Batch:
    """A batch on the device; one image in twelve has a box."""
    boxed = torch.arange(0, images, 12)
    batch = Batch(
        torch.randint(0, 256, (images, size, size), dtype=torch.uint8),
        (torch.rand(images, FINDINGS) > 0.9).float(),
        boxed,
        boxed % FINDINGS,
        torch.rand(len(boxed), size, size) > 0.7,
        torch.arange(images),
    )
    return batch.to(device)


def forever(batch: Batch) -> Iterator[Batch]:
    while True:
        yield batch


def dense_step(learner: Learner, batch: Batch, settings: TrainingSettings) -> None:
    """A step whose box loss refines the maps of all findings of all images to full size."""
    with autocast(learner.device, settings):
        output = learner.network(network_input(batch.image, settings.normalisation), draw_channels_of(batch, settings))
    images, findings = batch.labels.shape
    masks = torch.zeros(images, findings, *batch.pair_mask.shape[1:], device=learner.device)
    masks[batch.pair_image, batch.pair_finding] = batch.pair_mask.float()
    has = torch.zeros(images, findings, 1, 1, device=learner.device)
    has[batch.pair_image, batch.pair_finding] = 1
    refined = refined_maps(output.cam_class.flatten(0, 1), settings.image_size).view_as(masks)
    missed = ((refined - masks).square() * has).sum(dim=(0, 2, 3))
    whole = ((refined + masks) * has).sum(dim=(0, 2, 3)).clamp(min=1e-5)
    box = (missed / whole).sum() / (has.sum(dim=(0, 2, 3)) > 0).sum().clamp(min=1)
    maps = (output.cam_class, output.cam_abnormality, batch.labels, settings.loss)
    weights = settings.loss.weights
    total = (
        weights.abnormality * F.binary_cross_entropy_with_logits(
            output.logit_abnormality, batch.labels.amax(dim=1, keepdim=True)
        )
        + weights.classification * classification_loss(output.logit_class, batch.labels)
        + weights.box * box
        + weights.bound * attention_bound_loss(*maps)
        + weights.union * attention_union_loss(*maps)
    )  # fmt: skip
    learner.optimizer.zero_grad(set_to_none=True)
    total.backward()
    learner.optimizer.step()


def draw_channels_of(batch: Batch, settings: TrainingSettings) -> torch.Tensor | None:
    channels = draw_channels(settings, 1, batch.places)
    return None if channels is None else channels.to(batch.image.device)


def measure_steps(given: argparse.Namespace, device: torch.device) -> None:
    """Print a line for each way of computing a step."""
    peak = matrix_rate(device)
    print(f"bfloat16 products of matrices: {peak / 1e12:.2f} TFLOP/s", flush=True)
    flops = FLOPS_OF_STEP * (given.size / 512) ** 2 if given.architecture == "resnet50" else None
    batch = synthetic(given.size, given.batch, device)
    for name, precision in (
        ("float32", "float32"),
        ("tf32", "tf32"),
        ("bfloat16", "bfloat16"),
        ("bfloat16, compiled", "bfloat16"),
        ("dense reference, float32", "float32"),
        ("dense reference, bfloat16", "bfloat16"),
    ):
        settings = settings_of(given, precision)
        learner = make_learner(FINDINGS, settings, device)
        learner.network.train()
        if "compiled" in name:
            learner.network.compile()

        def work(batch: Batch, learner: Learner = learner, settings: TrainingSettings = settings) -> None:
            if "dense" in name:  # noqa: B023 (called before the next name)
                dense_step(learner, batch, settings)
            else:
                train_step(learner, batch, settings)

        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        found = rate(work, forever(batch), given.steps, device)
        memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
        share = f", {100 * found * flops / peak:.0f} % of the products' rate" if flops else ""
        print(f"step, {name}: {found:.1f} images/s, {memory:.1f} GiB at most{share}", flush=True)


def measure_feeding(given: argparse.Namespace, device: torch.device) -> None:
    """Print images a second of a training fed from files and from a store, by number of loader processes."""
    settings = settings_of(given, "bfloat16")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [path.name for path in draw(folder / "images")]
        dataset = dataset_of(folder, files)
        images = [files[number % len(files)] for number in range(given.batch * (given.steps + WARM_UP + 1))]
        store = store_of(dataset, files, given.size)
        for name, source in (("files of 1024 x 1024", None), (f"a store of {given.size}", store)):
            for workers in given.workers:
                learner = make_learner(FINDINGS, settings, device)
                learner.network.train()
                changes = RandomChanges(settings.augmentation)
                samples = Samples(dataset, images, images, given.size, changes, store=source)
                epochs = Epochs(len(images), given.batch, seed=0)
                loader = training_loader(samples, epochs, workers, device.type == "cuda")

                def work(batch: Batch, learner: Learner = learner) -> None:
                    train_step(learner, batch.to(device), settings)

                found = rate(work, loader, given.steps, device)
                print(f"bfloat16 fed from {name} by {workers} processes: {found:.1f} images/s", flush=True)


def settings_of(given: argparse.Namespace, precision: str) -> TrainingSettings:
    network = {"architecture": given.architecture, "pretrained": None, "batch_norm_images": max(given.batch // 2, 1)}
    return TrainingSettings.of(
        {"image_size": given.size, "batch_size": given.batch, "precision": precision, "network": network}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--batch", type=int, default=24, help="images")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--cpu", action="store_true", help="also without a GPU")
    given = parser.parse_args()
    if not torch.cuda.is_available() and not given.cpu:
        print("no GPU here: nothing measured")
        sys.exit()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}; {given.architecture}, {given.batch} images of {given.size} a step")
    measure_steps(given, device)
    measure_feeding(given, device)


if __name__ == "__main__":
    main()
