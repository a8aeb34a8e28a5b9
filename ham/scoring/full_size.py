"""Test images in the frame of their files: what was drawn in them and what was predicted, for programs of other people.

Regions are made and scored on a square of the network's side (docs/method.md, section 5). Here the very region that was
scored is resized to the image by nearest; nothing is cut anew. A mask is kept as COCO's run lengths (pycocotools): of
an image of 3000 x 2500 pixels it takes some kilobytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch.nn import functional as F

from ham.boxes import Box, mask, nearest
from ham.datasets.dataset import Dataset
from ham.errors import DataError
from ham.model.map_file import MapReader, read_maps
from ham.model.maps import RegionRule, predicted_regions
from ham.runtime.progress import track
from ham.scoring.predictions import read_predictions

Rle = dict[str, Any]  # {"size": [height, width], "counts": compressed run lengths as text}, as COCO's JSON has them


@dataclass(frozen=True)
class FullSizeImage:
    """An image whose maps were kept; by finding, of all that have boxes somewhere in the data set.

    ``boxes`` are as drawn and ``drawn`` their union, both of findings that have some here; ``regions`` are predicted
    and may be empty; ``points`` are column and row of the map's maximum; ``scores`` are the findings' probabilities.
    All in pixels of the original, width x height.
    """

    split: str
    image: str
    patient: str
    width: int
    height: int
    boxes: Mapping[str, Sequence[Box]]
    drawn: Mapping[str, Rle]
    regions: Mapping[str, Rle]
    points: Mapping[str, tuple[int, int]]
    scores: Mapping[str, float]


def read_split(dataset: Dataset, folder: Path) -> tuple[dict[str, Any], Iterator[FullSizeImage]]:
    """metrics.json of a scored split, and its test images with boxes in the order of their list.

    DataError where a file of the split is absent or does not say how its regions were made.
    """
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        rule, listed, split = RegionRule(**metrics["region"]), metrics["lists"]["test_boxes"], str(metrics["split"])
    except FileNotFoundError:
        raise DataError(f"{path} is not there: score this split.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not as ham writes it ({error!r}): score this split again.") from None
    images = dataset.listed(listed) if listed and dataset.boxed_findings else []
    return metrics, _read_images(dataset, folder, split, rule, images)


def _read_images(
    dataset: Dataset, folder: Path, split: str, rule: RegionRule, images: Sequence[str]
) -> Iterator[FullSizeImage]:
    predicted = read_predictions(folder / "predictions.csv", images, dataset.boxed_findings)
    with read_maps(folder / "maps.npz") as maps:
        maps.require((image, finding) for image in images for finding in dataset.boxed_findings)
        for image in track(images, f"regions of {split}", len(images)):
            yield _read_image(dataset, image, split, rule, maps, predicted.loc[image].to_dict())


def _read_image(
    dataset: Dataset, image: str, split: str, rule: RegionRule, maps: MapReader, scores: dict[Any, float]
) -> FullSizeImage:
    findings = dataset.boxed_findings
    width, height = dataset.size(image)
    raw = np.stack([maps.read(image, finding) for finding in findings])
    regions = predicted_regions(torch.from_numpy(raw), *rule).numpy()
    boxes = dataset.boxes.get(image, {})
    return FullSizeImage(
        split=split,
        image=image,
        patient=dataset.patient(image),
        width=width,
        height=height,
        boxes=boxes,
        drawn={finding: encode(mask(of_finding, width, height)) for finding, of_finding in boxes.items()},
        regions={f: encode(resize(region, width, height)) for f, region in zip(findings, regions, strict=True)},
        points={f: find_maximum(of_finding, width, height) for f, of_finding in zip(findings, raw, strict=True)},
        scores={f: float(scores[f]) for f in findings},
    )


def resize(region: np.ndarray, width: int, height: int) -> np.ndarray:
    """A region bool [S, S] at the size of its image, bool [height, width], each pixel from the nearest."""
    side = len(region)
    columns = region.T[:, nearest(side, height)]
    return columns[nearest(side, width)].T  # column by column, as run lengths are counted


def find_maximum(raw: np.ndarray, width: int, height: int) -> tuple[int, int]:
    """Column and row of the maximum of a raw map [h, w], resized to the image as CheXlocalize resizes it (bilinear,
    corners not aligned); the first in the order of reading where several are equal."""
    resized = F.interpolate(torch.from_numpy(raw)[None, None], (height, width), mode="bilinear", align_corners=False)
    row, column = divmod(int(resized.numpy().argmax()), width)
    return column, row


def encode(region: np.ndarray) -> Rle:
    """Run lengths of a mask bool [height, width]."""
    found = run_lengths.encode(np.asfortranarray(region, dtype=np.uint8))
    return {"size": [int(side) for side in found["size"]], "counts": found["counts"].decode("ascii")}


def count_pixels(region: Rle) -> int:
    """Pixels of a mask."""
    return int(run_lengths.area(region))


def hull(region: Rle) -> list[int]:
    """The smallest box x, y, w, h around a mask that has pixels, in whole pixels."""
    return [int(number) for number in run_lengths.toBbox(region)]


def iou(region: Rle, truth: Rle) -> float:
    """IoU of two masks of one image, of which at least one has pixels."""
    return float(run_lengths.iou([region], [truth], [False])[0, 0])


def contains(region: Rle, point: tuple[int, int]) -> bool:
    """Whether a mask has the pixel at column and row ``point``."""
    height, width = region["size"]
    pixel = np.zeros((height, width), dtype=bool)
    pixel[point[1], point[0]] = True
    return bool(run_lengths.area(run_lengths.merge([region, encode(pixel)], intersect=True)))
