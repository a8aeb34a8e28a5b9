"""Maps of anyone's method: a folder of arrays or pictures with ``maps.yaml`` beside them (docs/benchmark.md).

::

    maps.yaml               what follows, by :class:`MapsDescription`
    <image>/<finding>.npy   or .png: [h, w]
    <image>.npy             [findings, h, w], in the order of maps.yaml
    <image>.npz             the same as one array, or an array [h, w] a finding
    maps.npz                all of them, keyed image/finding: the form of :mod:`ham.model.map_file`

<image> is the image's id or its id without the ending. Maps cover the whole image and may have any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from ham.datasets.dataset import pair_key, read_list
from ham.datasets.description import explain_unsafe
from ham.errors import DataError, list_some
from ham.runtime.yaml_text import read_settings
from ham.scoring.benchmark.arrays import KeyedArchive, read_npy, read_npz, read_png
from ham.settings import Settings

ENDINGS = (".npy", ".png")
DESCRIPTION, TOGETHER = "maps.yaml", "maps.npz"


def _checked_name(value: str) -> str:
    if (reason := explain_unsafe(value)) or "/" in value or value != value.strip():
        raise ValueError(f"a finding is the name of a file and {reason or 'holds no / and no space at its ends'}")
    return value


def _checked_file(value: str) -> str:
    if reason := explain_unsafe(value):
        raise ValueError(f"{value[:100]!r} {reason}: name a file below the folder of the maps")
    return value


Finding = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_checked_name)]
File = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_checked_file)]


class MapsDescription(Settings):
    """maps.yaml: whose maps these are, and how they are to be read."""

    method: str = Field(min_length=1, max_length=100, description="the method's name in tables")
    findings: tuple[Finding, ...] = Field(min_length=1, max_length=200, description="in the order of the arrays")
    names: dict[Finding, Finding | None] = Field(
        {}, description="a finding of these to its name in the data set or the truth; null: it is left out"
    )
    kind: Literal["maps", "boxes"] = Field("maps", description="maps, or boxes and regions with a score")
    frame: Literal["image", "square"] = Field(
        "image",
        description="what a map covers: the image in its own proportions, or the square it was resized to; both are "
        "resized to the square that is scored, and so read alike",
    )
    results: File | None = Field(None, description="of boxes: CSV, or JSON of COCO results")
    coco: File | None = Field(None, description="COCO file whose ids the results use; without it ids are names")
    probabilities: File | None = Field(None, description="CSV: image, then a column a finding")
    trained_on: tuple[str, ...] | File = Field((), description="images in training, or a file of them, one a line")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.findings)) < len(self.findings):
            raise ValueError("findings: each stands there once")
        if unknown := [name for name in self.names if name not in self.findings]:
            raise ValueError(f"names: {unknown[0]} is not among findings")
        ours = [name for name in self.ours.values() if name]
        if len(set(ours)) < len(ours):
            raise ValueError("names: two findings have the same name")
        if (self.kind == "boxes") != (self.results is not None):
            raise ValueError("kind: boxes needs results:, the file they stand in, and maps have none")
        return self

    @property
    def ours(self) -> dict[str, str | None]:
        """The name here of each finding there; None: left out."""
        return {name: self.names.get(name, name) for name in self.findings}

    @classmethod
    def read(cls, folder: Path) -> MapsDescription:
        """The description in ``folder``; SettingsError where there is none, or with all its mistakes."""
        return read_settings(
            cls, folder / DESCRIPTION, "there is no such file: docs/benchmark.md says what stands in it"
        )

    def require_known(self, folder: Path, known: Iterable[str]) -> None:
        """DataError where a finding is none of ``known``, those of the data set and the truths."""
        unknown = [name for name in self.ours.values() if name and name not in set(known)]
        if unknown:
            there = list_some(sorted(set(known)), 40)
            raise DataError(
                f"{folder / DESCRIPTION}: {list_some(unknown)} is no finding here ({there}): "
                "say under names: what it is called, or null to leave it out."
            )

    def trained_images(self, folder: Path) -> frozenset[str]:
        """Images that were in training, as they are written there: ids, with their ending or without."""
        listed: Any = self.trained_on
        return frozenset(read_list(folder / listed) if isinstance(listed, str) else listed)


class OutsideMaps:
    """Maps of a folder by image and finding (our name), one in memory at a time."""

    def __init__(self, folder: Path, description: MapsDescription) -> None:
        self.folder = folder
        self.description = description
        self._theirs: Mapping[str, str] = {ours: theirs for theirs, ours in description.ours.items() if ours}
        self._archive = KeyedArchive(folder / TOGETHER) if (folder / TOGETHER).is_file() else None

    @property
    def findings(self) -> frozenset[str]:
        """Findings that there are maps of, by our names."""
        return frozenset(self._theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._archive is not None:
            self._archive.close()

    def read(self, image: str, finding: str) -> np.ndarray | None:
        """The map float32 [h, w] of a finding in an image, None where it is missing; DataError for one that is none."""
        theirs = self._theirs[finding]
        raw = self._find(image, theirs) if self._archive is None else self._find_key(self._archive, image, theirs)
        if raw is not None and not np.isfinite(raw).all():
            raise DataError(
                f"{self.folder}: the map of {theirs} in {image} holds nan or numbers beyond float32: write it again."
            )
        return raw

    def _find_key(self, archive: KeyedArchive, image: str, theirs: str) -> np.ndarray | None:
        found = (archive.read(pair_key(name, theirs)) for name in names_of(image))
        return next((raw for raw in found if raw is not None), None)

    def _find(self, image: str, theirs: str) -> np.ndarray | None:
        names, plane = self.description.findings, self.description.findings.index(theirs)
        for name in names_of(image):
            folder = self.folder / name
            if folder.is_dir():
                self._check_folder(folder)
                found = [path for ending in ENDINGS if (path := folder / f"{theirs}{ending}").is_file()]
                if len(found) > 1:
                    raise DataError(f"{found[0]} and {found[1].name} are there: leave the one that is meant.")
                if found:
                    return read_npy(found[0], 0, 1) if found[0].suffix == ".npy" else read_png(found[0])
            if (path := folder.with_name(f"{folder.name}.npy")).is_file():
                return read_npy(path, plane, len(names))
            if (path := folder.with_name(f"{folder.name}.npz")).is_file():
                return read_npz(path, names, plane)
        return None

    def _check_folder(self, folder: Path) -> None:
        """DataError where a map in an image's folder is of a finding that maps.yaml does not have."""
        for path in folder.iterdir():
            if path.suffix in ENDINGS and path.stem not in self.description.findings:
                raise DataError(f"{path} is of a finding that {DESCRIPTION} does not list: add it, or take it away.")


def names_of(image: str) -> tuple[str, ...]:
    """What files of an image may be called: its id, and its id without the ending."""
    stem = str(PurePosixPath(image).with_suffix(""))
    return (image,) if stem == image else (image, stem)
