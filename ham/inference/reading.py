"""Files read ahead by other processes, as the network and as people are to see them. Light: each process imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ham.errors import HamError
from ham.images import resized
from ham.inference.reader import read_radiograph
from ham.model.card import TypicalImage
from ham.model.typical import doubts_of
from ham.runtime.files import sha256

DRAWN_SIDE = 1024  # pixels of the longer side at most of what is drawn on


@dataclass(frozen=True)
class Prepared:
    """An image as a network is shown it; picklable, so that other processes can make it."""

    pixels: np.ndarray  # uint8 [S, S]
    size: tuple[int, int]  # width and height of the original
    doubts: tuple[str, ...]

    @classmethod
    def of(cls, grey: Image.Image, side: int, typical: TypicalImage | None) -> Prepared:
        """A grey, upright image for networks of input ``side``, compared with what is ``typical``."""
        doubts = tuple(doubts_of(grey, typical)) if typical else ()
        return cls(np.asarray(resized(grey, side)), grey.size, doubts)


class ReadImage:
    """An image read in another process: as the network and as people see it; or why it cannot be; or nothing new."""

    def __init__(self, name: str, digest: str = "", problem: str = "") -> None:
        self.name, self.digest, self.problem = name, digest, problem
        self.prepared: Prepared | None = None
        self.shown: np.ndarray | None = None


@dataclass(frozen=True)
class ImageFiles:
    """Files to read; ``known``: digests of those that were predicted already."""

    paths: Sequence[Path]
    known: Mapping[str, str]
    side: int
    typical: TypicalImage | None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> ReadImage:
        path = self.paths[place]
        name = str(path)
        try:
            read = ReadImage(name, sha256(path))
            if self.known.get(name) == read.digest:
                return read
            grey = read_radiograph(path)
        except HamError as error:  # also where what one file needs is not installed
            return ReadImage(name, problem=str(error))
        except OSError as error:
            return ReadImage(name, problem=f"{name}: cannot be read ({error.strerror}).")
        read.prepared = Prepared.of(grey, self.side, self.typical)
        read.shown = np.asarray(fitted(grey, DRAWN_SIDE))
        return read


def fitted(grey: Image.Image, side: int) -> Image.Image:
    """An image whose longer side is at most ``side`` pixels."""
    scale = min(side / max(grey.size), 1)
    if scale == 1:
        return grey
    return grey.resize((max(round(grey.width * scale), 1), max(round(grey.height * scale), 1)), Image.Resampling.BOX)
