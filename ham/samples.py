"""From a data set to batches: decoding, augmentation, box masks and collation (docs/method.md, section 3).

A sample carries only the masks it has. Every random draw is a function of (seed, epoch, place in the list), so neither
the number of loader processes nor a resumed run changes a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from ham.boxes import mask as box_mask
from ham.boxes import nearest, resized_mask
from ham.datasets.dataset import Dataset
from ham.datasets.image_store import Store, ids
from ham.images import read_grey, resized
from ham.refinement.masks import RefinedMasks
from ham.runtime.loader import Loader
from ham.settings import AugmentationSettings

FILLER = -1  # place p of a list stands as FILLER - p where it only fills a batch


class Draw(NamedTuple):
    """One random resize, crop and mirror image, in pixels of the resized image."""

    side: int
    left: int
    top: int
    flip: bool


class RandomChanges(NamedTuple):
    """How training images are changed at random, and the seed of it."""

    settings: AugmentationSettings
    seed: int = 0


class Supervision(NamedTuple):
    """What is known of a batch. P supervised pairs: those (image, finding) whose box mask may be used."""

    labels: Tensor  # [B, C] in {0, 1, nan}, nan: unknown
    pair_image: Tensor  # [P] int64, row of the batch
    pair_finding: Tensor  # [P] int64, column of the findings
    pair_mask: Tensor  # [P, S, S] in {0, 1}


class Batch(NamedTuple):
    """B samples with P box masks among them."""

    image: Tensor  # [B, S, S] uint8, grey
    labels: Tensor  # [B, C] float32, 1, 0 or nan (unknown)
    pair_image: Tensor  # [P] int64, row of the batch
    pair_finding: Tensor  # [P] int64, column of the findings
    pair_mask: Tensor  # [P, S, S] bool
    places: Tensor  # [B] int64, place in the list of images

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``, from pinned memory without waiting for it; places stay, for the host to read."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))._replace(places=self.places)

    @property
    def supervision(self) -> Supervision:
        """The batch's labels and masks, as the losses take them."""
        return Supervision(self.labels, self.pair_image, self.pair_finding, self.pair_mask)


def dynamic_side(percent: int, size: int) -> int:
    """Side of an image enlarged by ``percent``; floating point as in the release (1.13 x 100 would give 112)."""
    return int((1.0 + percent / 100.0) * size)


def draw_augmentation(rng: np.random.Generator, size: int, settings: AugmentationSettings) -> Draw:
    """One random change for an image of side ``size``."""
    percent = int(rng.integers(0, settings.max_percent + 1)) if settings.resize == "dynamic" else 0
    side = dynamic_side(percent, size)
    left, top = (int(value) for value in rng.integers(0, side - size + 1, 2))
    return Draw(side, left, top, bool(rng.random() < settings.flip))


def augment(image: Image.Image, size: int, draw: Draw) -> np.ndarray:
    """Resized (bilinear, Pillow's antialiasing), cut and mirrored image: uint8 [size, size]."""
    side, left, top, flip = draw
    pixels = np.asarray(resized(image, side))[top : top + size, left : left + size]
    return pixels[:, ::-1] if flip else pixels


@dataclass(frozen=True)
class Masks:
    """Box masks of a data set, or their dense CRF refinement where ``refined`` is given."""

    dataset: Dataset
    refined: RefinedMasks | None = None

    def findings(self, image: str) -> list[tuple[int, str]]:
        """Column and name of every finding that has a box in ``image``."""
        boxed = self.dataset.boxes.get(image, {})
        return [(column, finding) for column, finding in enumerate(self.dataset.findings) if finding in boxed]

    def __call__(self, image: str, finding: str, size: int, draw: Draw) -> np.ndarray:
        """Mask of a finding under the same draw as its image, bool [size, size]."""
        width, height = self.dataset.size(image)
        boxes = self.dataset.boxes[image][finding]
        refined = self.refined.get(image, finding) if self.refined else None
        if refined is None:
            out = resized_mask(boxes, width, height, draw.side, draw.left, draw.top, size)
        else:
            full = box_mask([], width, height)
            cut, top, left = refined
            full[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
            rows = nearest(height, draw.side)[draw.top : draw.top + size]
            columns = nearest(width, draw.side)[draw.left : draw.left + size]
            out = full[np.ix_(rows, columns)]
        return out[:, ::-1] if draw.flip else out


class Samples(TorchDataset[dict[str, Any]]):
    """Samples of a list of images. An index is a place in the list, or (epoch, place) to draw random changes.

    ``supervised``: the images whose boxes may be used. ``store``: where pixels come from in place of the image files.
    """

    def __init__(
        self,
        dataset: Dataset,
        images: Sequence[str],
        supervised: Sequence[str],
        size: int,
        changes: RandomChanges | None = None,
        refined: RefinedMasks | None = None,
        store: Store | None = None,
    ) -> None:
        self.dataset = dataset
        self.images = ids(images)  # one buffer: loader processes would copy a list of names page by page
        self.labels = dataset.labels(images)
        allowed = set(supervised)
        self.supervised = np.array([image in allowed for image in images], dtype=bool)
        self.size = size
        self.changes = changes
        self.masks = Masks(dataset, refined)
        self.store = store

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        epoch, place = index if isinstance(index, tuple) else (0, index)
        if place < 0:
            return self._filler(FILLER - place)
        image = self.images[place].decode()
        chosen = Draw(self.size, 0, 0, False)
        if self.changes is not None:
            rng = np.random.default_rng((self.changes.seed, epoch, place))
            chosen = draw_augmentation(rng, self.size, self.changes.settings)
        pairs = self.masks.findings(image) if self.supervised[place] else []
        return {
            "image": augment(self.pixels(image), self.size, chosen),
            "labels": self.labels[place],
            "findings": [column for column, _ in pairs],
            "masks": [self.masks(image, finding, self.size, chosen) for _, finding in pairs],
            "index": place,
        }

    def _filler(self, place: int) -> dict[str, Any]:
        """A sample that counts nowhere: its labels are unknown and it has no boxes."""
        pixels = augment(self.pixels(self.images[place].decode()), self.size, Draw(self.size, 0, 0, False))
        unknown = np.full_like(self.labels[place], np.nan)
        return {"image": pixels, "labels": unknown, "findings": [], "masks": [], "index": FILLER - place}

    def pixels(self, image: str) -> Image.Image:
        """An image, grey, decoded from its file or as the store has it."""
        return read_grey(self.dataset.path(image)) if self.store is None else Image.fromarray(self.store[image])


def collate(samples: Sequence[dict[str, Any]]) -> Batch:
    """Samples to one :class:`Batch`."""
    size = samples[0]["image"].shape[0]
    masks = [mask for sample in samples for mask in sample["masks"]]
    return Batch(
        torch.from_numpy(np.stack([sample["image"] for sample in samples])),
        torch.from_numpy(np.stack([sample["labels"] for sample in samples])),
        torch.tensor([row for row, sample in enumerate(samples) for _ in sample["findings"]], dtype=torch.int64),
        torch.tensor([column for sample in samples for column in sample["findings"]], dtype=torch.int64),
        torch.from_numpy(np.stack(masks) if masks else np.zeros((0, size, size), dtype=bool)),
        torch.tensor([sample["index"] for sample in samples], dtype=torch.int64),
    )


class Share(NamedTuple):
    """The part of every batch that one of several processes takes; by default there is one."""

    rank: int = 0
    of: int = 1


WHOLE = Share()


class Epochs(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, place) in an order that depends on seed and epoch only; set ``epoch`` before each, and
    ``done``, the steps of it that are done already.

    A last batch of one image is left out: batch norm has no variance there. Of several processes each takes whole
    groups of ``group`` images (those that share batch norm statistics); one that a short batch leaves without gets a
    place below 0, which counts nowhere.
    """

    def __init__(self, length: int, batch_size: int, seed: int, share: Share = WHOLE, group: int | None = None) -> None:
        self.length, self.batch_size, self.seed, self.share = length, batch_size, seed, share
        self.group = group or batch_size
        self.epoch, self.done = 1, 0

    def __len__(self) -> int:
        full, rest = divmod(self.length, self.batch_size)
        return full + (rest > 1)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        for step in range(self.done, len(self)):
            batch = order[step * self.batch_size :][: self.batch_size]
            own = self._own(batch) if self.share.of > 1 else batch
            yield [(self.epoch, int(place)) for place in own] or [(self.epoch, FILLER - int(batch[0]))]

    def _own(self, batch: np.ndarray) -> np.ndarray:
        """This process's groups of a batch."""
        each = math.ceil(self.batch_size / self.group) // self.share.of
        groups = np.array_split(batch, math.ceil(len(batch) / self.group))
        return np.concatenate([*groups[self.share.rank * each :][:each], batch[:0]])


def training_loader(samples: Samples, epochs: Epochs, workers: int, pinned: bool = False) -> Loader:
    """Batches of one epoch; ``workers`` processes decode ahead, 0 decodes between steps; ``pinned`` for a GPU."""
    return Loader(
        samples,
        collate,
        batch_sampler=epochs,
        num_workers=workers,
        pin_memory=pinned,
        persistent_workers=workers > 0,
        generator=torch.Generator(),  # its own: a loader draws a seed for its processes, also where nothing uses it
    )


def evaluation_loader(
    samples: Samples, batch_size: int, workers: int, share: Share = WHOLE, pinned: bool = False
) -> Loader:
    """All samples in the list's order, without random changes; several processes take whole batches in turn."""
    places = list(range(len(samples)))
    batches = [places[start : start + batch_size] for start in range(0, len(samples), batch_size)]
    return Loader(
        samples,
        collate,
        batch_sampler=batches[share.rank :: share.of],
        num_workers=workers,
        pin_memory=pinned,
        generator=torch.Generator(),
    )
