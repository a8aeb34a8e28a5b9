"""The one way of an image: file -> upright grey array -> square of a side -> network input.

Samples, image store, checks, galleries and a user's own images all pass here, so that what is drawn is what was seen.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ham.errors import DataError
from ham.settings import NormalisationSettings

if TYPE_CHECKING:
    import torch


FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
ORIENTATION = 0x0112  # the tag of EXIF and of TIFF that says how a picture is turned to be seen
SIDEWAYS = (5, 6, 7, 8)  # its values that exchange width and height
TIFF_BITS, TIFF_BLACK = 258, 262  # tags: bits of a sample; 0: the greatest number is black
WORD = 65535  # the greatest number of 16 bits


def open_image(file: IO[bytes]) -> Image.Image:
    """An image of one of the ``FORMATS``, its pixels not decoded yet.

    Not by its path: Pillow would map a plain TIFF into memory, and garble it where it lies sideways.
    """
    return Image.open(file, formats=FORMATS)


def is_turned(image: Image.Image) -> bool:
    """Whether an opened image says that it is to be seen turned or mirrored; ask before it is decoded."""
    return image.getexif().get(ORIENTATION, 1) in range(2, 9)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened image as people see it; ask before it is decoded."""
    width, height = image.size
    sideways = image.format != "TIFF" and image.getexif().get(ORIENTATION) in SIDEWAYS  # a TIFF says it as it is seen
    return (height, width) if sideways else (width, height)


def decode(image: Image.Image) -> Image.Image:
    """An opened image decoded, 8 bit a channel and turned as its orientation says: as people see it.

    Grey of more than 8 bits keeps the full range of the stored bits: of 16 bits, 65535 becomes 255 and v becomes
    v / 257, rounded. Whole numbers of 32 bits, or signed ones, are read as 16 bits where all lie in 0 to 65535;
    ValueError where they do not, and for fractions: nobody says which of them is white. Colour of 16 bits is reduced by
    Pillow to the upper eight.
    """
    image.load()
    ImageOps.exif_transpose(image, in_place=True)  # does nothing to a TIFF, which Pillow has turned already
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > WORD:
        raise ValueError("fractions, negative or 32 bit numbers: save it as grey of 8 or 16 bit")
    tags = getattr(image, "tag_v2", {})
    top = 4095 if tags.get(TIFF_BITS, (16,))[0] == 12 else WORD
    grey = (values.astype(np.uint32) * 255 + top // 2) // top
    return Image.fromarray((255 - grey if tags.get(TIFF_BLACK) == 0 else grey).astype(np.uint8))


def read_grey(path: Path) -> Image.Image:
    """A radiograph as one 8-bit channel, upright; RGBA copies of grey images lose nothing.

    DataError names a damaged file.
    """
    try:
        with open(path, "rb") as file:
            image = decode(open_image(file))
            return image if image.mode == "L" else image.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as an image ({error}); get the file anew and run `datasets` again."
        ) from None


def resized(image: Image.Image, side: int) -> Image.Image:
    """``image`` as a square of ``side`` pixels, bilinear with Pillow's antialiasing (docs/method.md, section 3)."""
    return image.resize((side, side), Image.Resampling.BILINEAR)


def network_input(image: torch.Tensor, settings: NormalisationSettings) -> torch.Tensor:
    """Grey uint8 [B, S, S] -> network input float32 [B, 3, S, S] on its device, (x / 255 - mean) / std a channel."""
    import torch  # here, so that processes that only read images need not load it

    mean, std = _constants(settings.mean, settings.std, image.device)
    return (image.to(torch.float32)[:, None] / 255 - mean) / std


@lru_cache(maxsize=8)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation on a device, [1, 3, 1, 1]; once, because a GPU waits while numbers travel to it."""
    import torch

    first, second = (torch.tensor(values, device=device)[None, :, None, None] for values in (mean, std))
    return first, second
