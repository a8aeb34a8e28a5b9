"""Every test pair on one page: image with its boxes, attention of the finding and of abnormality, region as scored.

index.html and a folder of pictures beside it, which hold no name from elsewhere; no network, and no script to see them
all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
import torch
from PIL import Image, ImageColor

from ham.datasets.dataset import Dataset
from ham.images import read_grey
from ham.model.map_file import MapReader, read_maps
from ham.model.maps import RegionRule, predicted_regions
from ham.model.overlays import HEAT, draw_map
from ham.reporting.gallery import edge_of, region_rule
from ham.reporting.results import SplitResult, read_results
from ham.reporting.style import REGION_COLOUR
from ham.runtime.files import write_text, written
from ham.runtime.progress import track

TEMPLATES = Path(__file__).parent / "templates"
SIDE = 512  # pixels of a picture's longer side at most
MAP_SIDE = 128  # of an attention map, which has no detail of its own beyond
PICTURES = "pictures"
QUALITY = 85
INSIDE = 110  # alpha of a region, whose edge is opaque


@dataclass(frozen=True)
class PairPictures:
    """A pair on the page: what it is called and scored, and its files below ``PICTURES``; sizes in pixels."""

    image: str
    finding: str
    split: str
    iou: float
    ior: float
    score: float
    boxes: list[tuple[float, float, float, float]]  # x, y, w, h in pixels of the original
    width: int  # of the original
    height: int
    shown: tuple[int, int]  # of the picture
    radiograph: str
    attention: str
    abnormality: str
    region: str


def write_gallery_page(dataset_folder: Path, splits: Sequence[Path], output: Path) -> None:
    """Write ``output``, an index.html, of all pairs of the splits of one variant, and the pictures beside it.

    Splits in their order, then images and findings as scored. DataError where an image or its map is missing.
    """
    results = read_results(splits)
    dataset = Dataset.open(Path(dataset_folder))
    output = Path(output)
    pairs = list(_write_pictures(dataset, results, output.parent / PICTURES))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("gallery.html.j2").render(
        title=f"{results[0].variant}, {results[0].experiment} on {results[0].dataset}" if results else "no split",
        pairs=pairs,
        images=len({(pair.split, pair.image) for pair in pairs}),
        findings=list(dict.fromkeys(name for result in results for name in result.boxed_findings)),
        splits=[result.split for result in results],
        drawn=dataset.info.get("drawn"),
        attribution=dataset.info.get("attribution", ""),
        pictures=PICTURES,
    )
    write_text(output, page)


def _write_pictures(dataset: Dataset, results: Sequence[SplitResult], folder: Path) -> Iterator[PairPictures]:
    """Write the pictures of each image, one image in memory at a time, and tell its pairs."""
    number = 0
    for result in results:
        rule, rows = region_rule(result), result.localization
        with read_maps(result.folder / "maps.npz") as maps:
            groups = rows.groupby("image", sort=False)
            for image, own in track(groups, f"drawing {result.split}", len(groups)):
                number += 1
                shown = _write_radiograph(dataset, str(image), folder / f"{number}.jpg")
                write_map(maps.read(str(image), "abnormality"), rule, folder / f"{number}-abnormality.png")
                for place, row in enumerate(own.to_dict("records"), 1):
                    yield _pair(dataset, maps, result, row, (number, place, shown), folder)


def _pair(
    dataset: Dataset,
    maps: MapReader,
    result: SplitResult,
    row: dict[Any, Any],
    place: tuple[int, int, tuple[int, int]],
    folder: Path,
) -> PairPictures:
    """Write the two pictures of a pair; ``place`` is the number of its image, its own there, and the picture's size."""
    number, own, shown = place
    image, finding, rule = str(row["image"]), str(row["finding"]), region_rule(result)
    raw = maps.read(image, finding)
    write_map(raw, rule, folder / f"{number}-{own}-attention.png")
    write_region(raw, rule, folder / f"{number}-{own}-region.png")
    width, height = dataset.size(image)
    return PairPictures(
        image=image,
        finding=finding,
        split=result.split,
        iou=float(row["iou"]),
        ior=float(row["ior"]),
        score=float(row["score"]),
        boxes=[box.xywh() for box in dataset.boxes.get(image, {}).get(finding, [])],  # type: ignore[misc]
        width=width,
        height=height,
        shown=shown,
        radiograph=f"{number}.jpg",
        attention=f"{number}-{own}-attention.png",
        abnormality=f"{number}-abnormality.png",
        region=f"{number}-{own}-region.png",
    )


def _write_radiograph(dataset: Dataset, image: str, path: Path) -> tuple[int, int]:
    """Write an image as JPEG, its longer side at most ``SIDE``; returns width and height."""
    grey = read_grey(dataset.path(image))
    scale = min(SIDE / max(grey.size), 1)
    size = max(round(grey.width * scale), 1), max(round(grey.height * scale), 1)
    with written(path) as temporary:
        grey.resize(size, Image.Resampling.BOX).save(temporary, "JPEG", quality=QUALITY)
    return size


def write_map(raw: np.ndarray, rule: RegionRule, path: Path) -> None:
    """Write a raw map [h, w] as scoring sees it, in colour, clear where it is low."""
    write_heat(draw_map(raw, rule.size, (MAP_SIDE, MAP_SIDE)), path)


def write_heat(heat: np.ndarray, path: Path) -> None:
    """Write numbers [h, w] of 0 to 1 in colour, clear where they are low."""
    steps = np.arange(256) / 255
    colours = (matplotlib.colormaps[HEAT](steps)[:, :3] * 255).round().astype(np.uint8)
    alphas = (255 * 0.75 * steps**0.8).round().astype(np.uint8)
    _write_palette((heat * 255).round().astype(np.uint8), colours, alphas, path)


def write_region(raw: np.ndarray, rule: RegionRule, path: Path) -> None:
    """Write the region that scoring compared with the truth, a pixel a pixel."""
    write_mask(predicted_regions(torch.from_numpy(raw)[None], *rule)[0].numpy(), path)


def write_mask(region: np.ndarray, path: Path) -> None:
    """Write a region bool [h, w]: 0 outside (clear), 1 inside, 2 its edge."""
    colour = ImageColor.getrgb(REGION_COLOUR)
    colours = np.array([(0, 0, 0), colour, colour], dtype=np.uint8)
    alphas = np.array([0, INSIDE, 255], dtype=np.uint8)
    _write_palette(region.astype(np.uint8) + edge_of(region), colours, alphas, path)


def _write_palette(places: np.ndarray, colours: np.ndarray, alphas: np.ndarray, path: Path) -> None:
    """Write uint8 [h, w] of places in a palette of ``colours`` [K, 3] and ``alphas`` [K] as PNG."""
    picture = Image.fromarray(places)
    picture.putpalette(colours.tobytes())
    with written(path) as temporary:
        picture.save(temporary, "PNG", transparency=alphas.tobytes(), optimize=False)
