"""A trained network as a program for other runtimes: torch.export or ONNX, with all that it needs inside.

What is written is read back, run and compared with the original before it stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ham.errors import EnvironmentProblem, SettingsError, WeightsError
from ham.model.card import KEY, Card
from ham.model.maps import RegionRule, normalised_maps, predicted_regions
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.weights import open_network
from ham.runtime.files import written

TOLERANCE = 1e-4  # of probabilities and, relative to their largest value, of maps
NAMES = ("probabilities", "maps", "regions")
BATCHES = (1, 3)  # that are compared: the batch is of any size
OPSET = 18
Program = Callable[[Tensor], tuple[Tensor, ...]]


class Exported(nn.Module):
    """What is written. uint8 [B, S, S], grey and resized -> probabilities [B, C + 1], raw maps [B, C + 1, h, h] and
    regions uint8 [B, C + 1, S, S] of 0 and 1: of the card's findings in their order, then of abnormality."""

    mean: Tensor  # [1, 3, 1, 1]
    deviation: Tensor

    def __init__(self, network: HierarchicalAttentionNetwork, card: Card) -> None:
        super().__init__()
        self.network = network
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(card.model.normalisation.mean).reshape(shape))
        self.register_buffer("deviation", torch.tensor(card.model.normalisation.std).reshape(shape))
        self.rule = RegionRule.of(card.model.image_size, card.model.loss)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        grey = images.to(torch.float32)[:, None] / 255  # as ham.images.network_input, whose numbers a trace cannot hold
        output = self.network((grey - self.mean) / self.deviation)
        logits = torch.cat([output.logit_class, output.logit_abnormality], dim=1)
        maps = torch.cat([output.cam_class, output.cam_abnormality], dim=1)
        regions = predicted_regions(maps.flatten(0, 1), *self.rule)
        regions = regions.unflatten(0, (-1, maps.shape[1])).to(torch.uint8)
        return torch.sigmoid(logits), maps, regions


class Format(NamedTuple):
    """A format: how it is written, and how it is read back."""

    write: Callable[[Exported, Card, Path], None]
    read: Callable[[Path], Program]


def export_model(source: Path, target: Path, form: str) -> None:
    """Write the checkpoint ``source`` as ``target`` in the format ``form``: ``torch-export`` or ``onnx``.

    WeightsError where the program does not say what the network says; nothing stands then. EnvironmentProblem where a
    package is missing.
    """
    if form not in FORMATS:
        raise SettingsError(f"there is no format {form}: {' or '.join(FORMATS)}.")
    network, card = open_network(source)
    module = Exported(network, card).eval()
    with written(target) as temporary, torch.no_grad(), _flags_that_export_can_read():
        FORMATS[form].write(module, card, temporary)
        difference = compare(module, FORMATS[form].read(temporary), card.model.image_size)
        if not difference <= TOLERANCE:
            raise WeightsError(
                f"{source}: as {form} it differs by {difference:.2g} from the network; keep the .safetensors file, and "
                "report the versions of torch and onnx."
            )
    logging.getLogger("ham").info("%s: equal to the network within %.1g", target, max(difference, 1e-9))


def compare(module: Exported, program: Program, side: int) -> float:
    """The largest difference between a network and its program on random images, of probabilities and of maps
    relative to their largest; infinite where regions differ that are not at the edge of their cut."""
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for count in BATCHES:
        images = torch.randint(0, 256, (count, side, side), dtype=torch.uint8, generator=generator)
        wanted, found = module(images), program(images)
        scale = max(float(wanted[1].max()), 1e-6)
        largest = max(
            largest,
            float((wanted[0] - found[0]).abs().max()),
            float((wanted[1] - found[1]).abs().max()) / scale,
        )
        if (wanted[2] != found[2])[~_at_the_cut(wanted[1], module.rule)].any():
            return float("inf")
    return largest


def _at_the_cut(maps: Tensor, rule: RegionRule) -> Tensor:
    """Pixels whose region a difference of ``TOLERANCE`` may change, bool [B, C + 1, S, S]."""
    flat = maps.flatten(0, 1)
    low = rule._replace(threshold=rule.threshold - 10 * TOLERANCE)
    high = rule._replace(threshold=rule.threshold + 10 * TOLERANCE)
    unsure = predicted_regions(flat, *low) & ~predicted_regions(flat, *high)
    flat_map = normalised_maps(flat, rule.size).amax(dim=(1, 2)) == 0
    return (unsure | flat_map[:, None, None]).unflatten(0, maps.shape[:2])


@contextmanager
def _flags_that_export_can_read() -> Iterator[None]:
    """torch's own precision of GPU convolutions for a while: torch.export asks for it by its older name, which fails
    after :func:`ham.model.forward.set_arithmetic`. Nothing here computes on a GPU."""
    found: list[Any] = [getattr(torch.backends.cudnn, name, None) for name in ("conv", "rnn")]
    places = [place for place in found if hasattr(place, "fp32_precision")]
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "tf32"
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def _example(side: int) -> Tensor:
    return torch.zeros(2, side, side, dtype=torch.uint8)


def _write_torch(module: Exported, card: Card, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(module, (_example(card.model.image_size),), dynamic_shapes=({0: batch},))
    with open(path, "wb") as file:
        torch.export.save(program, file, extra_files={KEY: card.text()})


def _read_torch(path: Path) -> Program:
    with open(path, "rb") as file:
        program = torch.export.load(file).module()
    return lambda images: tuple(program(images))


def _write_onnx(module: Exported, card: Card, path: Path) -> None:
    onnx = _import_onnx()
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.onnx.export(
        module,
        (_example(card.model.image_size),),
        input_names=["images"],
        output_names=list(NAMES),
        dynamic_shapes=({0: batch},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    model.metadata_props.append(onnx.StringStringEntryProto(key=KEY, value=card.text()))
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def _read_onnx(path: Path) -> Program:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda images: tuple(map(torch.from_numpy, session.run(None, {"images": images.numpy()})))


def _import_onnx():  # type: ignore[no-untyped-def]
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401

        _ = onnxruntime
    except ImportError as error:
        raise EnvironmentProblem(f"ONNX needs {error.name}, which is not installed: pip install 'ham[onnx]'.") from None
    return onnx


FORMATS = {"torch-export": Format(_write_torch, _read_torch), "onnx": Format(_write_onnx, _read_onnx)}
