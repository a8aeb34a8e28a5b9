"""The file of refined masks: bits packed, each cut to the extent of its boxes.

Five arrays in one .npz: ``keys`` ("image/finding"), ``extents`` int32 [N, 4] (top, left, height, width in pixels of the
original image), ``starts`` int64 [N + 1] and ``bits`` uint8, in which mask n is bits[starts[n] : starts[n + 1]], row by
row; ``unrefined`` bool [N] where no pixel was left, so that the box itself stands there. Equal masks give equal bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ham.datasets.dataset import pair_key
from ham.errors import DataError
from ham.runtime.files import written


@dataclass(frozen=True)
class Cut:
    """One mask inside its extent: ``mask`` bool [h, w], whose first pixel is (``top``, ``left``) of the image."""

    key: str
    mask: np.ndarray
    top: int
    left: int
    unrefined: bool = False


def cut_mask(image: str, finding: str, mask: np.ndarray, extent: np.ndarray) -> Cut:
    """``mask`` bool [H, W] of a finding, cut to the rows and columns where ``extent`` bool [H, W] is set."""
    rows, columns = (np.flatnonzero(extent.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return Cut(pair_key(image, finding), np.zeros((0, 0), dtype=bool), 0, 0)
    top, left = int(rows[0]), int(columns[0])
    return Cut(pair_key(image, finding), mask[top : rows[-1] + 1, left : columns[-1] + 1], top, left)


def write_masks(path: Path, cuts: Iterable[Cut]) -> None:
    """Write ``cuts`` in their order."""
    cuts = list(cuts)
    packed = [np.packbits(one.mask) for one in cuts]
    extents = [(one.top, one.left, *one.mask.shape) for one in cuts]
    with written(path) as temporary:
        np.savez_compressed(
            temporary,
            keys=np.array([one.key for one in cuts], dtype=np.str_),
            extents=np.array(extents, dtype=np.int32).reshape(-1, 4),
            starts=np.cumsum([0, *(part.size for part in packed)], dtype=np.int64),
            bits=np.concatenate([np.zeros(0, dtype=np.uint8), *packed]),
            unrefined=np.array([one.unrefined for one in cuts], dtype=bool),
        )


class RefinedMasks:
    """Refined masks by image and finding.

    ``digest``: SHA-256 of the masks themselves, the same whatever compressed the file. ``unrefined``: the
    "image/finding" whose mask is the box, because no pixel of it was left.
    """

    def __init__(
        self, keys: np.ndarray, extents: np.ndarray, starts: np.ndarray, bits: np.ndarray, unrefined: np.ndarray
    ):
        names = keys.tolist()
        self.unrefined = frozenset(keys[unrefined].tolist())
        self._rows = {key: row for row, key in enumerate(names)}
        self._extents = extents
        self._starts = starts
        self._bits = bits
        content = hashlib.sha256("\n".join(names).encode())
        for array in (extents, starts, bits):
            content.update(np.ascontiguousarray(array).tobytes())
        self.digest = content.hexdigest()

    @classmethod
    def open(cls, path: Path) -> RefinedMasks:
        """Read ``path``; DataError when it is no file of refined masks."""
        try:
            with np.load(path) as file:
                return cls(*(file[name] for name in ("keys", "extents", "starts", "bits", "unrefined")))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
            raise DataError(f"{path} cannot be read as refined masks ({problem}): delete it and run again") from problem

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self) -> list[str]:
        """All "image/finding", in the file's order."""
        return list(self._rows)

    def get(self, image: str, finding: str) -> tuple[np.ndarray, int, int] | None:
        """(mask bool [h, w], top, left) in pixels of the original image, or None where the finding has no boxes."""
        row = self._rows.get(pair_key(image, finding))
        if row is None:
            return None
        top, left, height, width = (int(value) for value in self._extents[row])
        bits = self._bits[self._starts[row] : self._starts[row + 1]]
        return np.unpackbits(bits, count=height * width).astype(bool).reshape(height, width), top, left
