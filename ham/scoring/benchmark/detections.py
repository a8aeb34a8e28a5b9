"""Detections in all images of a truth, and their average precision as COCO defines it (pycocotools).

A map is one detection: the box around its region as cut without boxes, with the finding's probability. A detector has
its own boxes. Unlike T(IoU), AP also counts what is predicted where nobody drew anything.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ham.boxes import Box

AP_LEVELS = (0.3, 0.5)  # of IoU, beside the mean over .5 to .95 that COCO calls AP
COCO_LEVELS = np.linspace(0.5, 0.95, 10)
MOST = 100  # detections of an image and finding that count, as COCO has it
BoxesOf = Mapping[tuple[str, str], Sequence[Box]]


class Detection(NamedTuple):
    """A box in pixels of the square, of a finding in an image, with its score."""

    image: str
    finding: str
    box: Box
    score: float


def hull(region: np.ndarray) -> Box | None:
    """The box around a region bool [S, S]; None where it has no pixel."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return None
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def average_precisions(
    images: Sequence[str], findings: Sequence[str], truth: BoxesOf, found: Sequence[Detection]
) -> dict[float | None, dict[str, float]]:
    """AP of each finding that has a box, at each of ``AP_LEVELS``, and under None the mean over COCO's ten levels."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    number = {image: place for place, image in enumerate(images, 1)}
    category = {finding: place for place, finding in enumerate(findings, 1)}
    drawn = [(image, finding, box) for (image, finding), boxes in truth.items() for box in boxes]
    with contextlib.redirect_stdout(io.StringIO()):  # what pycocotools says of its steps
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": place} for place in number.values()],
            "categories": [{"id": place, "name": name} for name, place in category.items()],
            "annotations": [
                {"id": place, "image_id": number[image], "category_id": category[finding], "iscrowd": 0}
                | {"bbox": box.xywh(), "area": box.xywh()[2] * box.xywh()[3]}
                for place, (image, finding, box) in enumerate(drawn, 1)
            ],
        }
        coco.createIndex()
        given = [
            {"image_id": number[one.image], "category_id": category[one.finding]}
            | {"bbox": one.box.xywh(), "score": one.score}
            for one in found
        ]
        evaluation = COCOeval(coco, coco.loadRes(given) if given else COCO(), "bbox")
        evaluation.params.iouThrs = np.unique(np.round([*AP_LEVELS, *COCO_LEVELS], 2))
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [MOST]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # [T, R, K], -1 where a finding has no box
    levels = evaluation.params.iouThrs
    out: dict[float | None, dict[str, float]] = {}
    for level in (*AP_LEVELS, None):
        at = np.isin(levels, np.round(COCO_LEVELS, 2)) if level is None else np.isclose(levels, level)
        values = precision[at].mean(axis=(0, 1))
        out[level] = {name: float(value) for name, value in zip(findings, values, strict=True) if value >= 0}
    return out
