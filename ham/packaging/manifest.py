"""What a package says of itself (``package.json``), and what stands beside results that came from one
(``restored.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ham.errors import DataError
from ham.settings import Settings, described

VERSION = 1  # of a package's form
MANIFEST, SUMS, CRATE, README = "package.json", "SHA256SUMS", "ro-crate-metadata.json", "README.md"
CONFIGURATION = "configuration.yaml"
CARD = "card.json"  # of a split: what the header of its weights says
RECORD = "restored.json"  # in results/<dataset>/
DATASET_FOLDER = ".restored"  # in results/<dataset>/: what a package has of the data set; no experiment is called so


class Maker(Settings):
    """Source and versions that trained some of the results."""

    commit: str = Field("", description="of the source; blank: unknown")
    changed: bool = Field(False, description="whether files differed from that commit")
    versions: dict[str, str] = Field(default_factory=dict, description="of Python and the packages that decide numbers")


class Split(Settings):
    """What a split's results were made with."""

    plan: str | None = Field(description="digest of settings and code, as its metrics.json bears it")
    settings: dict[str, Any] = Field(description="training, lists, weights and scoring")


class Manifest(Settings):
    """package.json."""

    version: int = Field(VERSION, ge=1, description="of the package's form")
    dataset: str = Field(description="what results/ calls the data set")
    name: str = Field(description="the data set's name")
    ham: str = Field(description="version of ham that made the package")
    made_by: tuple[Maker, ...] = ()
    data: dict[str, Any] = Field(description="settings of the data that decide what is trained and tested on")
    splits: dict[str, Split] = Field(description="by folder: results/<dataset>/<experiment>/<variant>/<split>")

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """DataError where it is none, or of a newer form."""
        values = _read_object(path)
        version = values.get("version")
        if isinstance(version, int) and version > VERSION:
            raise DataError(f"the package is of form {version}, and this ham reads up to {VERSION}: update ham.")
        try:
            return cls.of(values)
        except ValidationError as error:
            raise DataError(f"{MANIFEST} of the package cannot be used: {'; '.join(described(error)[:3])}.") from None


class Record(Settings):
    """restored.json: what was restored, and every file of it."""

    source: str = Field(description="file, folder or address of the package")
    sha256: str = Field(description="of the .zip, or of the folder's SHA256SUMS")
    ham: str = Field(description="version of ham that made the package")
    made_by: tuple[Maker, ...] = ()
    files: dict[str, str] = Field(description="path to sha256 of every file that was restored")

    @classmethod
    def read(cls, path: Path) -> Record:
        """DataError where it is not there or is none."""
        try:
            return cls.of(_read_object(path))
        except ValidationError as error:
            raise DataError(f"{path} cannot be used ({described(error)[0]}): restore the results again.") from None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}): restore the results again.") from None
    if not isinstance(values, dict):
        raise DataError(f"{path} should hold an object: restore the results again.")
    return values
