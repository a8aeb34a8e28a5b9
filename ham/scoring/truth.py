"""What predictions are compared with: labels of images, and masks of pairs of image and finding.

The data set's own labels and boxes are one source of it; another expert's are another constructor beside
``Truth.of_dataset``, and nothing that scores need know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ham.boxes import resized_mask
from ham.datasets.dataset import Dataset

UNKNOWN = "unknown"
BAND = 20  # years of patients who are one group


@dataclass(frozen=True)
class Pair:
    """An image and a finding that somebody drew in it, with ``boxes`` boxes.

    ``mask(side)`` is bool [side, side]: what was drawn, never refined, the whole image resized by nearest.
    """

    image: str
    finding: str
    patient: str
    boxes: int
    mask: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Truth:
    """Labels of ``images`` [N] for classification, ``pairs`` for localization; ``name`` is whose they are.

    ``labels`` float32 [N, C], C findings in their order: 1 present, 0 absent, nan unknown. What is unknown counts in no
    metric; what a source's silence means, absent or unknown, is for its constructor to say. ``boxed_findings`` are
    those that are localized, also where none of them has a pair. A finding in an image that makes no pair says nothing.
    """

    name: str
    findings: tuple[str, ...]
    boxed_findings: tuple[str, ...]
    images: tuple[str, ...]
    patients: tuple[str, ...]  # of ``images``
    labels: np.ndarray
    pairs: tuple[Pair, ...]
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # grouping, such as view: image to its value

    @classmethod
    def of_dataset(cls, dataset: Dataset, test: str | None, test_boxes: str | None) -> Truth:
        """The data set's own: labels of the list ``test``, boxes of the list ``test_boxes``, of images that are there.

        A blank of images.csv is unknown. Pairs come in the order of the list and of the findings. DataError where the
        data set has no such list.
        """
        images = dataset.listed(test) if test else []
        boxed = dataset.listed(test_boxes) if test_boxes else []
        return cls(
            name=dataset.info["key"],
            findings=dataset.findings,
            boxed_findings=dataset.boxed_findings,
            images=tuple(images),
            patients=tuple(dataset.patient(image) for image in images),
            labels=dataset.labels(images),
            pairs=tuple(find_pairs(dataset, boxed)),
            groups=groups_of(dataset, list(dict.fromkeys([*images, *boxed]))),
        )

    def only(self, images: Sequence[str]) -> Truth:
        """The labels of ``images`` alone, which are among its own; without pairs."""
        wanted = frozenset(images)
        places = [place for place, image in enumerate(self.images) if image in wanted]
        return replace(
            self,
            images=tuple(self.images[place] for place in places),
            patients=tuple(self.patients[place] for place in places),
            labels=self.labels[places],
            pairs=(),
        )


def groups_of(dataset: Dataset, images: Sequence[str]) -> dict[str, dict[str, str]]:
    """view, sex and age band of each image; what images.csv leaves blank is ``unknown``."""
    told = dataset.table.loc[list(images)]
    return {
        "view": _known(images, told["view"]),
        "sex": _known(images, told["sex"]),
        "age": _known(images, map(age_band, told["age"])),
    }


def _known(images: Sequence[str], values: Iterable[str]) -> dict[str, str]:
    return {image: value or UNKNOWN for image, value in zip(images, values, strict=True)}


def age_band(age: str) -> str:
    """``40-59`` of ``58``; blank of blank."""
    if not age:
        return ""
    first = int(age) // BAND * BAND
    return f"{first}-{first + BAND - 1}"


def find_pairs(dataset: Dataset, images: Sequence[str]) -> list[Pair]:
    """Every image and finding with boxes, in the order of ``images`` and of the data set's findings."""
    return [
        Pair(
            image,
            finding,
            patient=dataset.patient(image),
            boxes=len(boxes),
            mask=partial(resized_mask, boxes, *dataset.size(image)),
        )
        for image in images
        for finding in dataset.findings
        if (boxes := dataset.boxes.get(image, {}).get(finding))
    ]


def masks_of(pairs: Sequence[Pair], size: int) -> np.ndarray:
    """The masks of pairs as one array: bool [P, size, size]."""
    out = np.zeros((len(pairs), size, size), dtype=bool)
    for row, pair in enumerate(pairs):
        out[row] = pair.mask(size)
    return out
