"""The one way of an image: file -> grey array -> square of a side -> network input.

Samples, image store, checks, galleries and a user's own images all pass here, so that what is drawn is what was seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from ham.errors import DataError
from ham.settings import NormalisationSettings

if TYPE_CHECKING:
    import torch


def read_grey(path: Path) -> Image.Image:
    """A radiograph as one 8-bit channel; RGBA copies of grey images lose nothing. DataError names a damaged file."""
    try:
        with Image.open(path) as file:
            file.load()  # what is read stays when the file is closed: a copy of it is not needed
            return file if file.mode == "L" else file.convert("L")
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as an image ({error}); get the file anew and run `datasets` again."
        ) from None


def resized(image: Image.Image, side: int) -> Image.Image:
    """``image`` as a square of ``side`` pixels, bilinear with Pillow's antialiasing (docs/method.md, section 3)."""
    return image.resize((side, side), Image.Resampling.BILINEAR)


def network_input(image: torch.Tensor, settings: NormalisationSettings, device: torch.device) -> torch.Tensor:
    """Grey uint8 [B, S, S] -> network input float32 [B, 3, S, S], (x / 255 - mean) / std a channel."""
    import torch  # here, so that processes that only read images need not load it

    grey = image.to(device, torch.float32)[:, None] / 255
    mean, std = (torch.tensor(values, device=device)[None, :, None, None] for values in (settings.mean, settings.std))
    return (grey - mean) / std
