"""What people hold in their hands as an image, to one grey 8-bit image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ham.errors import DataError
from ham.images import decode

Picture = str | Path | Image.Image | np.ndarray
XRV = 1024.0  # torchxrayvision's images are of -1024 (black) to 1024 (white)


def to_grey(image: Picture) -> Image.Image:
    """A path to an image or DICOM file, a PIL image, or an array, as one grey channel of 8 bits, bones light.

    Arrays: uint8 or uint16 [h, w] in their full range, uint8 [h, w, 3 or 4] of colour, or fractions [h, w] of 0 to 1;
    of torchxrayvision see :func:`from_torchxrayvision`. DataError names what is wrong.
    """
    if isinstance(image, str | Path):
        from ham.inference.reader import read_radiograph

        return read_radiograph(Path(image))
    try:
        found = image.copy() if isinstance(image, Image.Image) else _of_array(np.asarray(image))
        upright = decode(found)
    except (OSError, ValueError) as error:
        raise DataError(f"an image cannot be used ({error}); see the documentation of ham.load for what can.") from None
    return upright if upright.mode == "L" else upright.convert("L")


def from_torchxrayvision(samples: Iterable[Mapping[str, Any]] | np.ndarray) -> Iterator[Image.Image]:
    """Images of a torchxrayvision data set (its samples, ``{"img": [1, h, w], …}``) or arrays of its range, -1024 to
    1024, for :meth:`ham.inference.model.Model.predict`."""
    for sample in samples:
        pixels = np.asarray(sample["img"] if isinstance(sample, Mapping) else sample, dtype=np.float64)
        pixels = pixels[0] if pixels.ndim == 3 and len(pixels) == 1 else pixels
        if pixels.ndim != 2 or not np.isfinite(pixels).all() or np.abs(pixels).max(initial=0) > XRV:
            raise DataError(
                f"an image of shape {pixels.shape} is not one of torchxrayvision's, [1, h, w] of -1024 to 1024; give "
                "arrays of another range to predict as they are."
            )
        yield _of_array((pixels + XRV) / (2 * XRV))


def _of_array(values: np.ndarray) -> Image.Image:
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8 and values.size:
        return Image.fromarray(values)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"an array of shape {values.shape} and {values.dtype} is no image [h, w] or uint8 [h, w, 3]")
    if values.dtype in (np.uint8, np.uint16):
        return Image.fromarray(values)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ValueError("fractions of an array must lie in 0 to 1; scale them, or give uint8 or uint16")
        return Image.fromarray((values * 255).round().astype(np.uint8))
    raise ValueError(f"numbers of type {values.dtype}: give uint8, uint16 or fractions of 0 to 1")
