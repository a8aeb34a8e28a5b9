"""A user's own file to a grey, upright image of 8 bits. What it is, its content says, not its name."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ham.errors import DataError
from ham.images import FORMATS, decode, open_image
from ham.inference.dicom import is_dicom, read_dicom

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"})


def is_candidate(path: Path) -> bool:
    """Whether a file found in a folder is taken for an image: by its name, or, where that has no ending, as DICOM from
    an archive has none, by its first bytes."""
    return path.suffix.lower() in SUFFIXES or (not path.suffix and is_dicom(path))


def read_radiograph(path: Path) -> Image.Image:
    """A radiograph as one 8-bit channel, upright, of its own size; DataError where it cannot be read as one."""
    try:
        if is_dicom(path):
            return read_dicom(path)
        with open(path, "rb") as file:
            image = open_image(file)
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                raise ValueError(f"{frames} frames, and nothing says which one to look at")
            grey = decode(image)
            return grey if grey.mode == "L" else grey.convert("L")
    except UnidentifiedImageError:
        raise DataError(f"{path}: is no image that can be read: {', '.join(FORMATS)} and DICOM can.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); get it anew.") from None
