"""A trained model as an object: images in, probabilities, maps, regions and boxes out. No data set is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import ndimage

from ham.boxes import Box
from ham.errors import EnvironmentProblem, WeightsError
from ham.images import network_input
from ham.inference.arrays import Picture, to_grey
from ham.inference.reading import Prepared
from ham.model.card import ABNORMALITY, Card, TypicalImage
from ham.model.decisions import calibrated
from ham.model.forward import autocast, set_arithmetic
from ham.model.maps import RegionRule, predicted_regions
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.weights import open_network
from ham.runtime.files import sha256

BATCH = 8
POINTS = ("youden", "target")
NEIGHBOURS = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner are of one box
SAME = ("image_size", "normalisation", "loss")  # settings that the models of an ensemble must share


@dataclass(frozen=True)
class Predictions:
    """What a model says of N images, C findings, maps of side h on a network input of side S.

    ``calibrated`` and thresholds are chosen on validation images; nan, and no decision, where the model has none.
    """

    findings: tuple[str, ...]
    probabilities: np.ndarray  # float32 [N, C]
    abnormality: np.ndarray  # float32 [N], probability of any
    calibrated: np.ndarray  # float32 [N, C]; nan: not calibrated
    maps: np.ndarray  # float32 [N, C + 1, h, h], >= 0; the last is abnormality's
    sizes: tuple[tuple[int, int], ...]  # width and height of the images, in pixels, upright
    doubts: tuple[tuple[str, ...], ...]  # of each image, what is unlike the training images
    rule: RegionRule
    thresholds: Mapping[str, float] = field(default_factory=dict)  # finding -> probability; absent: none

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def pathologies(self) -> tuple[str, ...]:
        """The findings, under the name that torchxrayvision gives them."""
        return self.findings

    @property
    def names(self) -> tuple[str, ...]:
        """The findings and abnormality, in the order of ``maps``."""
        return (*self.findings, ABNORMALITY)

    @cached_property
    def regions(self) -> np.ndarray:
        """Predicted regions, bool [N, C + 1, S, S]: where the refined map says so, whatever the probability."""
        return np.stack([predicted_regions(torch.from_numpy(maps), *self.rule).numpy() for maps in self.maps])

    def boxes(self, image: int, finding: str) -> list[Box]:
        """A box around each connected part of the region of a finding in image number ``image``, in pixels of the
        original image, the largest part first."""
        region = self.regions[image, self.names.index(finding)]
        return boxes_of(region, *self.sizes[image])

    def attention(self, image: int, finding: str) -> float:
        """The greatest value of the raw map of a finding: how strongly the strongest place speaks for it."""
        return float(self.maps[image, self.names.index(finding)].max())

    def decision(self, image: int, finding: str) -> bool | None:
        """Whether the probability reaches the finding's threshold; None where there is none."""
        if finding not in self.thresholds:
            return None
        return bool(self.probability(image, finding) >= self.thresholds[finding])

    def probability(self, image: int, finding: str) -> float:
        """Of a finding, or of abnormality."""
        if finding == ABNORMALITY and finding not in self.findings:
            return float(self.abnormality[image])
        return float(self.probabilities[image, self.findings.index(finding)])

    def table(self) -> pd.DataFrame:
        """A row an image and a column a finding, then abnormality: probabilities."""
        return pd.DataFrame(np.column_stack([self.probabilities, self.abnormality]), columns=list(self.names))


class Model:
    """One network or an ensemble of several, whose probabilities and raw maps are averaged."""

    def __init__(self, networks: Sequence[HierarchicalAttentionNetwork], cards: Sequence[Card], digest: str) -> None:
        self.networks = list(networks)
        self.cards = list(cards)
        self.digest = digest  # of the files, all together
        self.device = next(self.networks[0].parameters()).device

    @classmethod
    def open(cls, model: str | Path | Sequence[str | Path], device: str = "cpu") -> Model:
        """As :func:`ham.load`."""
        files = find_checkpoints([model] if isinstance(model, str | Path) else model)
        place = _device(device)
        opened = [open_network(file, place) for file in files]
        for file, (_, card) in zip(files, opened, strict=True):
            _refuse_another(file, card, files[0], opened[0].card)
        digest = hashlib.sha256("".join(sorted(sha256(file) for file in files)).encode()).hexdigest()
        return cls([network for network, _ in opened], [card for _, card in opened], digest)

    @property
    def card(self) -> Card:
        """The card of the first network; what all must share is in it."""
        return self.cards[0]

    @property
    def findings(self) -> tuple[str, ...]:
        """What the model looks for, in the order of its outputs."""
        return self.card.findings

    @property
    def pathologies(self) -> tuple[str, ...]:
        """The findings, under the name that torchxrayvision gives them."""
        return self.findings

    @property
    def rule(self) -> RegionRule:
        """How its maps become regions."""
        return RegionRule.of(self.card.model.image_size, self.card.model.loss)

    @property
    def typical(self) -> TypicalImage | None:
        """What the first network's training images look like."""
        return self.card.typical

    def thresholds(self, point: str = "youden") -> dict[str, float]:
        """Probability from which on a finding, or abnormality, is called present: the mean of the networks' thresholds;
        of those findings for which every network has one. ``point`` is youden or target (see the card)."""
        chosen = [getattr(card.decisions, point) if card.decisions else {} for card in self.cards]
        shared = [name for name in chosen[0] if all(name in of_network for of_network in chosen)]
        return {name: float(np.mean([of_network[name] for of_network in chosen])) for name in shared}

    def describe(self) -> str:
        """One line: how many networks, of what, and where thresholds come from."""
        settings, count = self.card.model, len(self.networks)
        whole = f"{settings.network.architecture} of {settings.image_size} pixels, {len(self.findings)} findings"
        many = f"ensemble of {count} networks (probabilities and maps are means), each " if count > 1 else ""
        chosen = [card.decisions for card in self.cards if card.decisions]
        points = "no threshold"
        if len(chosen) == count:
            lists = ", ".join(dict.fromkeys(of_network.chosen_on for of_network in chosen))
            means = "means of those " if count > 1 else ""
            points = f"thresholds {means}chosen on {sum(c.images for c in chosen)} images of {lists}"
        return f"{many}{whole}, trained on {self.card.dataset or 'unknown data'}; {points}"

    def predict(self, images: Any, batch_size: int = BATCH, point: str = "youden") -> Predictions:
        """What the model says of ``images``: one or an iterable of paths, PIL images or arrays
        (:func:`ham.inference.arrays.to_grey` says which). DataError where one cannot be used."""
        one = isinstance(images, str | Path | Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)
        found = list(self.stream([images] if one else images, batch_size, point))
        if not found:
            return self.forward([], point)
        return found[0] if len(found) == 1 else _joined(found)

    def stream(
        self, images: Iterable[Picture], batch_size: int = BATCH, point: str = "youden"
    ) -> Iterator[Predictions]:
        """The same, a batch at a time: memory does not grow with their number."""
        waiting = iter(images)
        while batch := list(islice(waiting, batch_size)):
            yield self.forward(
                [Prepared.of(to_grey(image), self.card.model.image_size, self.typical) for image in batch], point
            )

    def forward(self, batch: Sequence[Prepared], point: str = "youden") -> Predictions:
        """What the networks say of prepared images."""
        side = self.card.model.image_size
        pixels = np.stack([image.pixels for image in batch]) if batch else np.zeros((0, side, side), np.uint8)
        probabilities, lines, maps = self._averaged(torch.from_numpy(pixels).to(self.device))
        return Predictions(
            findings=self.findings,
            probabilities=probabilities[:, :-1],
            abnormality=probabilities[:, -1],
            calibrated=lines,
            maps=maps,
            sizes=tuple(image.size for image in batch),
            doubts=tuple(image.doubts for image in batch),
            rule=self.rule,
            thresholds=self.thresholds(point),
        )

    def _averaged(self, pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means over the networks: probabilities [B, C + 1], calibrated ones [B, C], raw maps [B, C + 1, h, h]."""
        sums: list[np.ndarray] = []
        for network, card in zip(self.networks, self.cards, strict=True):
            set_arithmetic(card.model)
            with torch.inference_mode(), autocast(self.device, card.model):
                output = network(network_input(pixels, card.model.normalisation))
            logits = torch.cat([output.logit_class, output.logit_abnormality], dim=1).float()
            raw = torch.cat([output.cam_class, output.cam_abnormality], dim=1).float()
            said = torch.sigmoid(logits).cpu().numpy()
            parts = (said, _calibrated(said[:, :-1], card), raw.cpu().numpy())
            sums = [total + part for total, part in zip(sums, parts, strict=True)] if sums else list(parts)
        means = [total / np.float32(len(self.networks)) for total in sums]
        return means[0], means[1], means[2]


def find_checkpoints(given: Iterable[str | Path]) -> list[Path]:
    """The ``.safetensors`` files among ``given`` files and folders; of a folder those in it, else the
    ``model.safetensors`` of the folders in it (the splits of a variant). WeightsError where there are none."""
    files: list[Path] = []
    for path in map(Path, given):
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(path.glob("*.safetensors")) or sorted(path.glob("*/model.safetensors"))
        if not inside:
            raise WeightsError(f"{path}: no .safetensors file is in this folder; name a trained model.")
        files += inside
    if not files:
        raise WeightsError("no model was named; give a model.safetensors or a folder of them.")
    return files


def boxes_of(region: np.ndarray, width: int, height: int) -> list[Box]:
    """A box around each connected part of a region bool [S, S], in pixels of an image of ``width`` x ``height``; the
    largest part first."""
    parts, count = ndimage.label(region, NEIGHBOURS)
    areas = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    down, across = height / region.shape[0], width / region.shape[1]
    found = [
        Box(columns.start * across, rows.start * down, columns.stop * across, rows.stop * down)
        for rows, columns in ndimage.find_objects(parts)
    ]
    return [found[place] for place in np.argsort(-areas, kind="stable")]


def _calibrated(said: np.ndarray, card: Card) -> np.ndarray:
    out = np.full_like(said, np.nan)
    lines = card.decisions.calibration if card.decisions else {}
    for column, name in enumerate(card.findings):
        if name in lines:
            out[:, column] = calibrated(said[:, column], lines[name])
    return out


def _joined(found: Sequence[Predictions]) -> Predictions:
    first = found[0]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in found])
        for name in ("probabilities", "abnormality", "calibrated", "maps")
    }
    sizes = tuple(size for part in found for size in part.sizes)
    doubts = tuple(of_image for part in found for of_image in part.doubts)
    return Predictions(
        first.findings, **arrays, sizes=sizes, doubts=doubts, rule=first.rule, thresholds=first.thresholds
    )


def _refuse_another(file: Path, card: Card, first: Path, wanted: Card) -> None:
    if card.findings != wanted.findings:
        raise WeightsError(f"{file}: other findings than those of {first}; an ensemble is of one list of findings.")
    for name in SAME:
        if getattr(card.model, name) != getattr(wanted.model, name):
            raise WeightsError(f"{file}: another {name} than that of {first}; an ensemble shares it.")


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EnvironmentProblem(f"device {name} cannot be used ({reason}); cpu always can.") from None
    return device
