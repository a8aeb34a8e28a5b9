"""Pictures as data URIs, small enough that a report of several experiments is one file of a few megabytes."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from ham.errors import DataError

FIGURE_COLOURS = 64
FIGURE_SHOWN = 0.65  # of its pixels, across: letters are as large as those of the page, and sharp
GALLERY_BYTES = 2_100_000  # of all galleries of a page together, before base64 adds a third
GALLERY_STEPS = ((1300, 80), (1300, 65), (1100, 65), (1100, 50), (950, 45))  # width in pixels, JPEG quality


def figure_uri(path: Path) -> tuple[str, int, int]:
    """Data URI of a figure's PNG (of the file of that name beside an svg), the width and height that it is shown at."""
    picture = _opened(path.with_name(f"{path.name.removesuffix('.svg').removesuffix('.png')}.png"))
    buffer = io.BytesIO()
    reduced = picture.quantize(FIGURE_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    reduced.save(buffer, format="PNG", optimize=True)
    width, height = (round(FIGURE_SHOWN * side) for side in picture.size)
    return _uri("image/png", buffer.getvalue()), width, height


def gallery_uri(path: Path, galleries: int) -> tuple[str, int, int]:
    """Data URI of a contact sheet as JPEG, as large as its share of the page allows, its width and height in pixels."""
    picture = _opened(path)
    data, size = b"", picture.size
    for width, quality in GALLERY_STEPS:
        width = min(width, picture.width)
        size = width, max(round(picture.height * width / picture.width), 1)
        buffer = io.BytesIO()
        picture.resize(size, Image.Resampling.LANCZOS).save(buffer, format="JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) * galleries <= GALLERY_BYTES:
            break
    return _uri("image/jpeg", data), *size


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as problem:
        raise DataError(f"{path} cannot be read ({problem}); make it again.") from None


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
