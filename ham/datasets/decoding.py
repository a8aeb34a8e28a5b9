"""The one way a radiograph is read from its file."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ham.errors import DataError


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
