"""Contact sheets: image with its boxes, attention map over it, region that the map predicts, for chosen test pairs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageColor, ImageDraw

from ham.datasets.dataset import Dataset
from ham.errors import DataError
from ham.images import read_grey
from ham.model.map_file import read_maps
from ham.model.maps import RegionRule, predicted_regions
from ham.model.overlays import BOX_COLOUR, draw_map, font, rgb, with_boxes, with_map
from ham.reporting.results import SplitResult, read_results
from ham.reporting.settings import ReportingSettings
from ham.reporting.style import FAINT, INK, REGION_COLOUR
from ham.runtime.files import written

SIDE = 256  # pixels of a thumbnail
GAP, BETWEEN, MARGIN, LINE = 3, 18, 20, 20
CAPTION = 2 * LINE + 6
PNG_BYTES = 3_000_000


@dataclass(frozen=True)
class Example:
    """A pair of image and finding to show; ``rank`` counts from 1, the best IoU of the finding, to ``pairs``."""

    result: SplitResult
    image: str
    finding: str
    iou: float
    ior: float
    score: float
    rank: int
    pairs: int


def write_gallery(dataset_folder: Path, splits: Sequence[Path], output: Path, settings: ReportingSettings) -> None:
    """Write one PNG contact sheet, below 3 MB, of the splits of one variant.

    For each finding with boxes, pairs at evenly spaced ranks of IoU, best first, whatever they look like; the
    region drawn is the region scored. DataError where an image or its map is missing.
    """
    results = read_results(splits)
    examples = {finding: choose_examples(results, finding, settings.gallery_examples) for finding in _findings(results)}
    examples = {finding: chosen for finding, chosen in examples.items() if chosen}
    dataset = Dataset.open(Path(dataset_folder))
    sheet = _sheet(dataset, results, examples, settings)
    with written(Path(output)) as path:
        path.write_bytes(_png(sheet))


def choose_examples(results: Sequence[SplitResult], finding: str, count: int) -> list[Example]:
    """Examples of a finding among the pairs of all splits: the middles of ``count`` equal parts of the ranking by IoU.

    With four: the pairs an eighth, three, five and seven eighths down the list from the best IoU to the worst. Equal
    IoU are ordered by split and image, so that the choice is the same each time.
    """
    tables = [
        result.localization[result.localization["finding"] == finding].assign(place=place)
        for place, result in enumerate(results)
    ]
    filled = [table for table in tables if len(table)]
    if not filled:
        return []
    pairs = pd.concat(filled, ignore_index=True)
    pairs = pairs.sort_values(
        ["iou", "place", "image"], ascending=[False, True, True], kind="stable", ignore_index=True
    )
    ranks = sorted({int((2 * part + 1) * len(pairs) / (2 * count)) for part in range(count)})
    return [_example(results, finding, pairs.iloc[rank], rank, len(pairs)) for rank in ranks]


def _example(results: Sequence[SplitResult], finding: str, row: pd.Series, rank: int, pairs: int) -> Example:
    iou, ior, score = (float(row[name]) for name in ("iou", "ior", "score"))
    return Example(results[int(row["place"])], str(row["image"]), finding, iou, ior, score, rank + 1, pairs)


def _findings(results: Sequence[SplitResult]) -> list[str]:
    return list(dict.fromkeys(name for result in results for name in result.boxed_findings))


def region_rule(result: SplitResult) -> RegionRule:
    """How scoring made regions of this split's maps, from metrics.json; DataError where it does not say."""
    try:
        return RegionRule(**result.metrics["region"])
    except (KeyError, TypeError):
        raise DataError(f"{result.folder / 'metrics.json'} has no rule of regions: score this split again.") from None


def draw_region(raw: np.ndarray, rule: RegionRule, size: tuple[int, int]) -> np.ndarray:
    """The region that scoring compared with the truth, resized to a thumbnail of ``size`` (width, height) pixels
    (nearest): bool [height, width]."""
    region = predicted_regions(torch.from_numpy(raw)[None], *rule)[0].numpy()
    return np.asarray(Image.fromarray(region).resize(size, Image.Resampling.NEAREST))


def _sheet(
    dataset: Dataset, results: Sequence[SplitResult], examples: dict[str, list[Example]], settings: ReportingSettings
) -> Image.Image:
    across = 2 if settings.gallery_examples > 1 else 1
    cell_width, cell_height = 3 * SIDE + 2 * GAP, SIDE + CAPTION
    shown = sum(len(chosen) for chosen in examples.values())
    pairs = sum(chosen[0].pairs for chosen in examples.values())
    lines = _title(results, shown, pairs)
    top = MARGIN + 28 + LINE * len(lines[1:]) + 12
    heights = [LINE + 12 + -(-len(chosen) // across) * cell_height for chosen in examples.values()]
    width = 2 * MARGIN + across * cell_width + (across - 1) * BETWEEN
    sheet = Image.new("RGB", (width, top + sum(heights) + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), lines[0], fill=INK, font=font(20))
    for index, line in enumerate(lines[1:]):
        draw.text((MARGIN, MARGIN + 28 + index * LINE), line, fill=FAINT, font=font(14))
    if examples:
        _legend(draw, width - MARGIN, MARGIN + 4)
    for (finding, chosen), height in zip(examples.items(), heights, strict=True):
        _heading(draw, finding, chosen[0].pairs, top, width)
        for index, example in enumerate(chosen):
            row, column = divmod(index, across)
            corner = (MARGIN + column * (cell_width + BETWEEN), top + LINE + 8 + row * cell_height)
            _paste(sheet, draw, dataset, example, corner)
        top += height
    return sheet


def _title(results: Sequence[SplitResult], shown: int, pairs: int) -> list[str]:
    if not results or not shown:
        return ["No test image of these splits has boxes: there is no attention map to compare."]
    first = results[0]
    images = [result.images(boxes=True) for result in results]
    present, listed = (sum(image[i] for image in images) for i in (0, 1))
    where = f"split {first.split}" if len(results) == 1 else f"{len(results)} splits"
    return [
        f"Attention maps of {first.variant}, {first.experiment} on {first.dataset}",
        f"{shown} of {pairs:,} pairs of image and finding, {where}; "
        f"{present:,} of {listed:,} test images with boxes present.",
        "Chosen by rank, not by looks: for each finding at even steps from the best IoU to the worst.",
        "Each: image with the radiologist's boxes | attention map | predicted region as scored.",
    ]


def _legend(draw: ImageDraw.ImageDraw, right: int, y: int) -> None:
    for text, colour in (("predicted region", REGION_COLOUR), ("true box", BOX_COLOUR)):
        right -= int(draw.textlength(text, font=font(14)))
        draw.text((right, y), text, fill=INK, font=font(14))
        right -= 22
        draw.rectangle((right, y + 2, right + 14, y + 14), outline=colour, width=3)
        right -= 16


def _heading(draw: ImageDraw.ImageDraw, finding: str, pairs: int, y: int, width: int) -> None:
    draw.line((MARGIN, y - 3, width - MARGIN, y - 3), fill="#CCCCCC")
    draw.text((MARGIN, y + 1), _short(f"{finding}  ({pairs:,} pairs)", 60), fill=INK, font=font(16))


def _paste(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, dataset: Dataset, example: Example, corner: tuple[int, int]
) -> None:
    for index, panel in enumerate(panels(dataset, example)):
        sheet.paste(panel, (corner[0] + index * (SIDE + GAP), corner[1]))
    y = corner[1] + SIDE + 2
    scores = f"IoU {example.iou:.2f}   IoR {example.ior:.2f}   score {example.score:.2f}"
    scores += f"   rank {example.rank} of {example.pairs}"
    draw.text((corner[0], y), scores, fill=INK, font=font(14))
    draw.text((corner[0], y + LINE), _short(f"{example.image}, {example.result.split}", 90), fill=FAINT, font=font(12))


def panels(dataset: Dataset, example: Example) -> list[Image.Image]:
    """Three RGB thumbnails of ``SIDE`` x ``SIDE``: image with boxes, map over the image, region with boxes."""
    grey = read_grey(dataset.path(example.image))
    scale = SIDE / max(grey.size)
    size = max(round(grey.width * scale), 1), max(round(grey.height * scale), 1)
    small = grey.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    base = np.repeat(np.asarray(small, dtype=np.float64)[:, :, None], 3, axis=2)
    rule = region_rule(example.result)
    with read_maps(example.result.folder / "maps.npz") as maps:
        raw = maps.read(example.image, example.finding)
    heated, tinted = with_map(base, draw_map(raw, rule.size, size)), _with_region(base, draw_region(raw, rule, size))
    boxes = dataset.boxes.get(example.image, {}).get(example.finding, [])
    drawn = with_boxes(base, boxes, (scale, scale)), rgb(heated), with_boxes(tinted, boxes, (scale, scale))
    return [_on_square(thumbnail) for thumbnail in drawn]


def _with_region(base: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The region tinted, its edge drawn; [h, w, 3] in 0..255."""
    colour = np.array(ImageColor.getrgb(REGION_COLOUR), dtype=np.float64)
    tinted = np.where(region[:, :, None], base * 0.72 + colour * 0.28, base)
    return np.where(edge_of(region)[:, :, None], colour, tinted)


def edge_of(region: np.ndarray) -> np.ndarray:
    """The pixels of a region, bool [h, w], that have a neighbour outside it or lie at the image's edge."""
    inner = region.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            inner &= np.roll(region, shift, axis)
    inner[[0, -1], :] = inner[:, [0, -1]] = False
    return region & ~inner


def _on_square(thumbnail: Image.Image) -> Image.Image:
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(thumbnail, ((SIDE - thumbnail.width) // 2, (SIDE - thumbnail.height) // 2))
    return square


def _short(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _png(sheet: Image.Image) -> bytes:
    """The sheet as PNG, its tones rounded just as coarsely as it takes to stay below ``PNG_BYTES``."""
    pixels = np.asarray(sheet, dtype=np.int32)
    data = b""
    for step in (1, 2, 4, 6, 8, 16):
        rounded = ((pixels + step // 2) // step * step).clip(max=255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(rounded).save(buffer, format="PNG", compress_level=6)
        data = buffer.getvalue()
        if len(data) < PNG_BYTES:
            break
    return data
