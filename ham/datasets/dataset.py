"""The reader of a data set's folder, whatever the data came from; :mod:`ham.datasets.writer` writes it.

::

    datasets/<Name>/images/<image>          image ids are paths below images/ and may hold "/"
                    Annotations/{Tags,BBoxes}.json   {image: [finding]}, {image: {finding: [[x, y, w, h], …]}}
                    ImageSets/…             lists of images, whole also when partial; those of others byte-identical
                    images.csv              image, patient, width, height, view, sex, age, then a column a finding:
                                            1, 0, blank = unknown
                    missing.csv             image: one row an image of images.csv that is not in images/
                    present.csv             list, finding, listed, present …: of the lists that miss images
                    validation.csv          image, problem, repair: what was found and what was done about it
                    dataset.json            findings, counts and digests of all the above; no times, no places
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.boxes import Box
from ham.datasets.description import IMAGE_COLUMNS
from ham.errors import DataError
from ham.runtime.files import sha256

LISTS_FOLDER = "ImageSets"
BOXES_FILE = "Annotations/BBoxes.json"
# Files whose digest dataset.json holds, under the name it has there.
DIGESTED = {"images.csv": "images.csv", "BBoxes.json": BOXES_FILE, "missing.csv": "missing.csv"}

BoxesByImage = dict[str, dict[str, list[list[float]]]]  # {image: {finding: [[x, y, w, h], …]}}, original pixels


def pair_key(image: str, finding: str) -> str:
    """image/finding, the name of a map or mask in its file, one for each pair.

    Image ids hold "/". That of a finding is %2F, its % is %25, and a finding that ends in .npy hides its dot from
    numpy, which takes such endings off.
    """
    safe = finding.replace("%", "%25").replace("/", "%2F").replace("\\", "%5C")
    return f"{image}/{safe.removesuffix('.npy')}%2Enpy" if safe.endswith(".npy") else f"{image}/{safe}"


def read_list(path: Path) -> list[str]:
    """The image ids of a list: one a line, with any line end, a final one or not, a byte order mark or not."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of images: {error}") from None
    return [image for image in map(str.strip, text.split("\n")) if image]  # not at all that Unicode calls a line end


class Dataset:
    """A data set folder, read. Images are named by their id, boxes are in original pixels.

    ``table``: images.csv, indexed by image, all images of the source. ``missing``: those of them without a file.
    ``boxes``: {image: {finding: [Box]}}, non-empty ones only. ``info``: dataset.json.
    """

    def __init__(
        self, folder: Path, info: dict[str, Any], table: pd.DataFrame, boxes: BoxesByImage, missing: Iterable[str]
    ):
        self.folder = folder
        self.info = info
        self.name: str = info["name"]
        self.findings: tuple[str, ...] = tuple(info["findings"])
        self.boxed_findings: tuple[str, ...] = tuple(info["boxed_findings"])
        self.box_grid: int = info["box_grid"]
        self.table = table
        self.missing = frozenset(missing)
        self.boxes: dict[str, dict[str, list[Box]]] = {
            image: {finding: [Box.from_xywh(box) for box in found] for finding, found in boxed.items() if found}
            for image, boxed in boxes.items()
            if any(boxed.values())
        }
        self._lists: dict[str, tuple[str, ...]] = {}

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Read ``folder``; raises DataError when it is not whole, or was changed since it was written."""
        folder = Path(folder)
        try:
            info = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
            for name, path in DIGESTED.items():
                if sha256(folder / path) != info["digests"][name]:
                    raise DataError(
                        f"{folder / path} was changed since it was made: remove it and run `datasets` again"
                    )
            table = _read_table(folder / "images.csv", info["findings"])
            boxes = json.loads((folder / BOXES_FILE).read_text(encoding="utf-8"))
            with open(folder / "missing.csv", newline="", encoding="utf-8") as file:
                missing = [row["image"] for row in csv.DictReader(file)]
        except FileNotFoundError as error:
            raise DataError(f"{folder} is not a whole data set, {error.filename} is missing: run `datasets`") from None
        except (json.JSONDecodeError, KeyError) as error:
            raise DataError(f"{folder} was not written by this version of ham ({error!r}): run `datasets`") from None
        return cls(folder, info, table, boxes, missing)

    def listed(self, name: str, include_missing: bool = False) -> list[str]:
        """Images of a list (``Main/fold1/test_0_0.2``) in its order: those whose file is present, or with
        ``include_missing`` all."""
        if name not in self._lists:
            if name not in self.info["lists"]:
                known = ", ".join(self.info["lists"]) or "none"
                raise DataError(f"data set {self.name} has no list {name}; its lists are: {known}")
            path = self.folder / LISTS_FOLDER / f"{name}.txt"
            if not path.is_file() or sha256(path) != self.info["lists"][name]["sha256"]:
                raise DataError(f"{path} is missing or was changed since the data set was made: run `datasets` again")
            self._lists[name] = tuple(read_list(path))
        return [image for image in self._lists[name] if include_missing or image not in self.missing]

    def held_out(self, validation: str | None, tested: Iterable[str]) -> list[str]:
        """Images of the list ``validation`` that are there and not ``tested``: what is chosen on them looks at no test
        image; none where there is no such list."""
        known = frozenset(tested)
        return [image for image in self.listed(validation) if image not in known] if validation else []

    def labels(self, images: Sequence[str]) -> np.ndarray:
        """float32 [N, C]: 1, 0, or nan where unknown, for ``images`` in their order and all findings in theirs."""
        return self._labels[self._rows(images)]

    def patient(self, image: str) -> str:
        """The patient that ``image`` is of."""
        return self._patients[self._row(image)]

    def size(self, image: str) -> tuple[int, int]:
        """Width and height of the original image, the frame of its boxes, in pixels."""
        width, height = self._sizes[self._row(image)]
        return int(width), int(height)

    def path(self, image: str) -> Path:
        """Where the file of ``image`` is (or would be, when it is missing)."""
        return self.folder / "images" / image

    @cached_property
    def _labels(self) -> np.ndarray:
        return self.table[list(self.findings)].to_numpy(dtype=np.float32)

    @cached_property
    def _patients(self) -> list[str]:
        return self.table["patient"].tolist()

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self.table[["width", "height"]].to_numpy()

    def _row(self, image: str) -> int:
        try:
            return int(self.table.index.get_loc(image))  # type: ignore[arg-type]  # unique, so never a slice
        except KeyError:
            raise DataError(f"{image} is no image of data set {self.name}") from None

    def _rows(self, images: Sequence[str]) -> np.ndarray:
        rows = self.table.index.get_indexer(pd.Index(list(images), dtype=self.table.index.dtype))
        if (rows < 0).any():
            unknown = [image for image, row in zip(images, rows, strict=True) if row < 0]
            raise DataError(
                f"{unknown[0]} is no image of data set {self.name} ({len(unknown)} of {len(images)} are not)"
            )
        return rows


def _read_table(path: Path, findings: Sequence[str]) -> pd.DataFrame:
    dtypes: dict[str, Any] = dict.fromkeys(IMAGE_COLUMNS, str) | {"width": "int32", "height": "int32"}
    try:
        table = pd.read_csv(
            path,
            dtype=dtypes | dict.fromkeys(findings, "float32"),
            keep_default_na=False,  # a patient may be called NA
            na_values={finding: [""] for finding in findings},
        )
        return table.set_index("image")[[*IMAGE_COLUMNS[1:], *findings]]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path} is not a table as ham writes it ({error}): run `datasets` again") from None
