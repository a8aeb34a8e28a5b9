"""Pictures of an image of a user's own: the layers of the page, and one overlay that any viewer shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw

from ham.boxes import nearest
from ham.inference.model import Predictions
from ham.inference.reading import fitted
from ham.model.card import ABNORMALITY
from ham.model.maps import normalised_maps
from ham.model.overlays import font
from ham.reporting.gallery import edge_of
from ham.reporting.gallery_page import MAP_SIDE, QUALITY, SIDE, write_heat, write_mask
from ham.reporting.style import SERIES
from ham.runtime.files import written

PICTURES, OVERLAYS = "pictures", "overlays"
COLOURS = tuple(colour for colour in SERIES if colour not in ("#0072B2", "#222222"))  # those that show on an image
MOST = 4  # findings drawn in an image, where more are present
UNSURE = 3  # findings drawn where there is no threshold: the most probable


class Seen(NamedTuple):
    """Of an image, by finding and for abnormality: maps stretched to 0 to 1, float32 [S, S], and regions, bool alike;
    both from the raw maps at once, because that is what takes the time."""

    normalised: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]

    @classmethod
    def of(cls, found: Predictions, image: int) -> Seen:
        """Of image number ``image``."""
        normalised = normalised_maps(torch.from_numpy(found.maps[image]), found.rule.size).numpy()
        return cls(
            dict(zip(found.names, normalised, strict=True)),
            dict(zip(found.names, normalised >= found.rule.cut, strict=True)),
        )


def choose_shown(found: Predictions, image: int) -> list[str]:
    """Findings to draw: those called present, the most probable where there are no thresholds, in the order of their
    probabilities; none where all are absent."""
    said = sorted(found.findings, key=lambda name: -found.probability(image, name))
    if not found.thresholds:
        return said[:UNSURE]
    return [name for name in said if found.decision(image, name)][:MOST]


def write_layers(seen: Seen, shown: Sequence[str], grey: Image.Image, stem: Path) -> None:
    """Write ``<stem>.jpg``, the radiograph of at most ``SIDE`` pixels; ``<stem>-abnormality.png``; and of each finding
    shown, by number from 1, ``<stem>-1-attention.png`` and ``<stem>-1-region.png``."""
    with written(_beside(stem, ".jpg")) as path:
        fitted(grey, SIDE).save(path, "JPEG", quality=QUALITY)
    write_heat(_thumbnail(seen.normalised[ABNORMALITY]), _beside(stem, "-abnormality.png"))
    for number, name in enumerate(shown, 1):
        write_heat(_thumbnail(seen.normalised[name]), _beside(stem, f"-{number}-attention.png"))
        write_mask(seen.regions[name], _beside(stem, f"-{number}-region.png"))


def _thumbnail(normalised: np.ndarray) -> np.ndarray:
    small = Image.fromarray(normalised).resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small).clip(0, 1)


def write_overlay(overlay: Image.Image, path: Path) -> None:
    """Write an overlay as JPEG."""
    with written(path) as temporary:
        overlay.save(temporary, "JPEG", quality=QUALITY)


def draw_overlay(grey: Image.Image, regions: Mapping[str, np.ndarray], lines: Sequence[str]) -> Image.Image:
    """A grey image with the edges of ``regions``, bool [S, S] by finding, and beneath it a line of text for each of
    them in its colour (``lines``, in their order, then others in grey) and that it is for research."""
    base = np.asarray(grey.convert("RGB")).copy()
    height, width = base.shape[:2]
    for (_, region), colour in zip(regions.items(), COLOURS, strict=False):
        large = region[np.ix_(nearest(len(region), height), nearest(region.shape[1], width))]
        edge = edge_of(large)
        for axis in (0, 1):
            edge = edge | (np.roll(edge, 1, axis) & large)
        base[edge] = ImageColor.getrgb(colour)
    size = max(round(width / 45), 11)
    texts = [*lines, "For research. Not for diagnosis."]
    out = Image.new("RGB", (width, height + round(size * 1.5) * len(texts) + size // 2), "#111111")
    out.paste(Image.fromarray(base))
    draw = ImageDraw.Draw(out)
    for place, text in enumerate(texts):
        colour = COLOURS[place] if place < len(regions) else "#BBBBBB"
        draw.text((size // 2, height + size // 4 + round(size * 1.5) * place), text, fill=colour, font=font(size))
    return out


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)
