"""What was drawn and what was predicted, in the forms that other people's programs read: COCO's and CheXlocalize's.

All splits of a variant stand in one file; every image of the COCO file names its ``split``. An image that several
splits test is there once for each, with its boxes and its regions, as in the tables that pool splits.

Other people's maps have their readers in :mod:`ham.scoring.benchmark.maps` and its neighbours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ham.datasets.dataset import Dataset
from ham.errors import DataError
from ham.runtime.files import write_text, written
from ham.scoring import chexlocalize
from ham.scoring.full_size import FullSizeImage, count_pixels, hull, read_split
from ham.scoring.intervals import Resampling, strata_of
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

log = logging.getLogger("ham")
DECIMALS = 6  # of a box's numbers: x + w - x is not w


def write_exchange(dataset_folder: Path, splits: Sequence[Path], output: Path, settings: ScoringSettings) -> None:
    """Write coco-truth.json, coco-results.json, chexlocalize-{truth,results,points}.json and chexlocalize.csv of the
    splits of one variant into ``output``.

    DataError where a file of a split is absent or lacks something.
    """
    dataset = Dataset.open(dataset_folder)
    findings = dataset.boxed_findings
    images: list[FullSizeImage] = []
    strata: dict[str, str] = {}
    scored: list[pd.DataFrame] = []
    about: dict[str, Any] = {}
    for folder in splits:
        metrics, of_split = read_split(dataset, folder)
        images += of_split
        listed = metrics["lists"]["test_boxes"]
        truth = Truth.of_dataset(dataset, listed, listed)
        name = metrics["split"]
        strata |= {f"{name}/{patient}": f"{name} {stratum}" for patient, stratum in strata_of(truth).items()}
        scored.append(_read_scored(folder / "localization.csv", name))
        about = {key: metrics[key] for key in ("dataset_name", "experiment", "variant")}
    _write_lines(output / "coco-truth.json", coco_truth(images, findings, _describe(dataset, about)))
    results = coco_results(images, findings)
    _write_lines(output / "coco-results.json", results)
    drawn = chexlocalize.segmentations(images, findings, [image.drawn for image in images])
    predicted = chexlocalize.segmentations(images, findings, [image.regions for image in images])
    _write_lines(output / "chexlocalize-truth.json", drawn)
    _write_lines(output / "chexlocalize-results.json", predicted)
    _write_lines(output / "chexlocalize-points.json", chexlocalize.points(images, findings))
    resampling = Resampling.of_strata(strata, settings.resamples, settings.seed)
    measured = chexlocalize.measure(images, findings)
    with written(output / "chexlocalize.csv") as path:
        table = chexlocalize.summarize(measured, pd.concat(scored), findings, resampling)
        table.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")
    log.info("%d images, %d predicted regions", len(images), len(results))
    if images and not results:
        log.warning("no region was predicted: coco-results.json is an empty list, which pycocotools refuses to load")


def _read_scored(path: Path, split: str) -> pd.DataFrame:
    """split, patient, finding and IoU of each pair of localization.csv; DataError where it cannot be read."""
    texts = {"image": str, "patient": str, "finding": str}
    try:
        table = pd.read_csv(path, dtype=texts, keep_default_na=False)
        return table[["patient", "finding"]].assign(split=split, mean_iou=table["iou"].astype(float))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error}); score this split again.") from None


def _describe(dataset: Dataset, about: Mapping[str, Any]) -> dict[str, Any]:
    """COCO's ``info``."""
    what = f"Boxes of {about['dataset_name']} in the test images of {about['experiment']}" if about else "No boxes"
    return {"description": what, "attribution": dataset.info.get("attribution", "")}


def coco_truth(images: Sequence[FullSizeImage], findings: Sequence[str], info: Mapping[str, Any]) -> dict[str, Any]:
    """Boxes as COCO's ground truth: x, y, w, h in pixels of the original, as drawn; ids from 1.

    Categories are the ``findings`` that have boxes somewhere. A box is its own segmentation.
    """
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        for category, finding in enumerate(findings, 1):
            for box in image.boxes.get(finding, ()):
                x, y, w, h = (round(value, DECIMALS) for value in box.xywh())
                right, bottom = round(x + w, DECIMALS), round(y + h, DECIMALS)
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": number, "category_id": category, "bbox": [x, y, w, h]}
                    | {"area": round(w * h, DECIMALS), "iscrowd": 0}
                    | {"segmentation": [[x, y, right, y, right, bottom, x, bottom]]}
                )
    return {
        "info": dict(info),
        "licenses": [],
        "images": [
            {"id": number, "file_name": image.image, "width": image.width, "height": image.height, "split": image.split}
            for number, image in enumerate(images, 1)
        ],
        "categories": [{"id": category, "name": finding} for category, finding in enumerate(findings, 1)],
        "annotations": annotations,
    }


def coco_results(images: Sequence[FullSizeImage], findings: Sequence[str]) -> list[dict[str, Any]]:
    """Every predicted region that has pixels as a COCO detection: the finding's probability, the box around the whole
    region, and the region; of all findings, whether somebody drew them in the image or not."""
    return [
        {"image_id": number, "category_id": category, "score": image.scores[finding]}
        | {"bbox": hull(image.regions[finding]), "segmentation": image.regions[finding]}
        for number, image in enumerate(images, 1)
        for category, finding in enumerate(findings, 1)
        if count_pixels(image.regions[finding])
    ]


def _write_lines(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """JSON with an entry a line, of lists within a map too: short for programs, and people can compare two files."""

    def text(entry: Any) -> str:
        return json.dumps(entry, ensure_ascii=False, allow_nan=False)

    def listed(entries: Sequence[Any]) -> str:
        return "[\n" + ",\n".join(map(text, entries)) + "\n]" if entries else "[]"

    if isinstance(value, Mapping):
        parts = [f"{text(key)}: {listed(of) if isinstance(of, list) else text(of)}" for key, of in value.items()]
        write_text(path, "{\n" + ",\n".join(parts) + "\n}\n")
    else:
        write_text(path, listed(value) + "\n")
