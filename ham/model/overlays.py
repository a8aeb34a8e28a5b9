"""Attention maps and boxes drawn over an image: in galleries, and while a network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ham.boxes import Box
from ham.model.maps import normalised_maps

HEAT = "plasma"
BOX_COLOUR = "#56B4E9"


def draw_map(raw: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    """A raw map [h, w] stretched to [0, 1] at ``side`` pixels, as scoring sees it, then resized to a thumbnail of
    ``size`` (width, height) pixels (bilinear): float32 [height, width]."""
    normalised = normalised_maps(torch.from_numpy(raw)[None], side)[0].numpy()
    return np.asarray(Image.fromarray(normalised).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)


def with_map(base: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The colours of ``heat`` [h, w] over a grey image, clear where it is low; [h, w, 3] in 0..255."""
    colours = matplotlib.colormaps[HEAT](heat)[:, :, :3] * 255
    alpha = (0.75 * heat**0.8)[:, :, None]
    return base * (1 - alpha) + colours * alpha


def with_boxes(base: np.ndarray, boxes: Sequence[Box], scale: tuple[float, float]) -> Image.Image:
    """The truth's boxes over a thumbnail [h, w, 3] in 0..255; ``scale``: its pixels to one of the original, x, y."""
    out = rgb(base)
    draw = ImageDraw.Draw(out)
    across, down = scale
    for box in boxes:
        left, right = round(box.x0 * across), round(box.x1 * across)
        top, bottom = round(box.y0 * down), round(box.y1 * down)
        right, bottom = max(min(right, out.width - 1), left + 1), max(min(bottom, out.height - 1), top + 1)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="#10202A", width=1)
        draw.rectangle((left, top, right, bottom), outline=BOX_COLOUR, width=2)
    return out


def rgb(pixels: np.ndarray) -> Image.Image:
    """An image of [h, w, 3] in 0..255."""
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as Matplotlib ships it, so that pictures look the same on machines with no fonts."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
