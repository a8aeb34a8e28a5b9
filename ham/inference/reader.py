"""A user's own file to a grey, upright image of 8 bits. What it is, its content says, not its name."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ham.errors import DataError
from ham.images import FORMATS, decode, open_image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"})


def is_candidate(path: Path) -> bool:
    """Whether a file found in a folder is taken for an image, by its name."""
    return path.suffix.lower() in SUFFIXES


def read_radiograph(path: Path) -> Image.Image:
    """A radiograph as one 8-bit channel, upright, of its own size; DataError where it cannot be read as one."""
    try:
        with open(path, "rb") as file:
            image = open_image(file)
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError(f"{image.n_frames} frames, and nothing says which one to look at")
            grey = decode(image)
            return grey if grey.mode == "L" else grey.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); one of {', '.join(FORMATS)} can.") from None
