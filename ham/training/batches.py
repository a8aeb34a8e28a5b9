"""What a training sees: its images, boxes and masks as batches, and those of its validation."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ham.datasets.dataset import Dataset, pair_key
from ham.datasets.image_store import Store
from ham.errors import DataError
from ham.model.card import TypicalImage
from ham.model.typical import describe_images
from ham.refinement.masks import RefinedMasks
from ham.samples import WHOLE, Batch, Epochs, RandomChanges, Samples, Share, evaluation_loader, training_loader
from ham.training.settings import TrainingSettings

LOOKED_AT = 256  # training images, to say what they look like: some seconds


@dataclass(frozen=True)
class Lists:
    """Lists of the data set (``Main/fold1/train_0.5_0.8``) that one split uses; None: no boxes."""

    train: str
    train_boxes: str | None
    validation: str
    validation_boxes: str | None

    def names(self) -> list[str]:
        """Those that are given."""
        return [name for name in (self.train, self.train_boxes, self.validation, self.validation_boxes) if name]


@dataclass(frozen=True)
class Sources:
    """Where a training takes images, labels and masks from: a data set's folder, the lists of a split, the file of
    refined masks (None: boxes as they are) and the header of an image store (None: the image files)."""

    dataset: Path
    lists: Lists
    refined: Path | None = None
    store: Path | None = None


@dataclass(frozen=True)
class TrainingBatches:
    """Batches of a training on a list of ``images``; ``facts`` are numbers of images and lists, for run.json."""

    dataset: Dataset
    images: list[str]
    epochs: Epochs
    training: Iterable[Batch]
    validation: Iterable[Batch]
    validated: Samples
    facts: dict[str, Any]
    samples: Samples  # of ``images``

    def describe_images(self) -> TypicalImage:
        """What training images look like: ``LOOKED_AT`` of them, evenly spread over the list."""
        step = max(len(self.images) // LOOKED_AT, 1)
        return describe_images(self.samples.pixels(image) for image in self.images[::step][:LOOKED_AT])


def prepare_batches(
    sources: Sources, settings: TrainingSettings, workers: int, share: Share = WHOLE, pinned: bool = False
) -> TrainingBatches:
    """Open what a training uses; ``workers`` processes decode ahead, ``pinned`` for a GPU. DataError where a list is
    empty."""
    dataset, lists = Dataset.open(sources.dataset), sources.lists
    store = Store.open(sources.store, dataset) if sources.store else None
    masks = RefinedMasks.open(sources.refined) if sources.refined else None
    images, boxed = dataset.listed(lists.train), _listed(dataset, lists.train_boxes)
    seen, seen_boxes = dataset.listed(lists.validation), _listed(dataset, lists.validation_boxes)
    _refuse_empty(dataset, lists, settings, (len(images), len(seen), len(seen_boxes)))
    size = settings.image_size
    changes = RandomChanges(settings.augmentation, settings.seed)
    samples = Samples(dataset, images, boxed, size, changes, masks, store)
    epochs = Epochs(len(images), settings.batch_size, settings.seed, share, settings.batch_norm_group)
    validated = Samples(dataset, list(dict.fromkeys([*seen, *seen_boxes])), seen_boxes, size, store=store)
    facts = {
        "train_images": len(images),
        "train_boxed_images": len(set(boxed) & set(images)),
        "unrefined_boxes": _count_unrefined(dataset, set(boxed) & set(images), masks) if masks else None,
        "validation_images": len(validated),
        "validation_boxed_images": len(seen_boxes),
        "lists": asdict(lists),
        "store": store and store.side,  # pixels; None: decoded from the image files
    }
    return TrainingBatches(
        dataset,
        images,
        epochs,
        training_loader(samples, epochs, workers, pinned),
        evaluation_loader(validated, settings.batch_size, workers, share, pinned),
        validated,
        facts,
        samples,
    )


def _listed(dataset: Dataset, name: str | None) -> list[str]:
    return dataset.listed(name) if name else []


def _count_unrefined(dataset: Dataset, images: Collection[str], masks: RefinedMasks) -> int:
    """Pairs of ``images`` and findings that are trained on the box, because refinement left no pixel of it."""
    return sum(
        pair_key(image, finding) in masks.unrefined for image in images for finding in dataset.boxes.get(image, ())
    )


def _refuse_empty(dataset: Dataset, lists: Lists, settings: TrainingSettings, present: tuple[int, int, int]) -> None:
    train, validation, boxed = present
    if train < 2:
        raise DataError(f"{dataset.folder}: list {lists.train} has {train} images present; a training needs two.")
    if not validation:
        raise DataError(f"{dataset.folder}: no image of list {lists.validation} is present; validation needs some.")
    if settings.checkpoint.startswith("best-t-") and not boxed:
        raise DataError(
            f"{dataset.folder}: checkpoint {settings.checkpoint} is chosen on validation boxes, and no image of "
            f"{lists.validation_boxes or 'validation_boxes: null'} is present; take last or best-auc."
        )
