"""Descriptions of data sets (``config/datasets/*.yaml``) and the configuration's ``data`` section.

Imports the standard library, pydantic and PyYAML only, because the Snakefile reads descriptions too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from ham.datasets.columns import IMAGE_COLUMNS
from ham.datasets.own_files import BoxesFile, LabelsFile, Place, beside
from ham.errors import SettingsError
from ham.mistakes import described

PARTS = ("train", "val", "test")  # of a split of one's own
PUBLISHED = "published/"  # where the authors' lists and boxes lie in a mirror
# keys of a description by its source: without which it says too little, and which mean nothing there
OWN = ("images", "labels", "boxes")
NEEDED = {"nih": ("archives", "tables", "box_grid"), "chexpert": (), "table": ("images", "labels")}
MEANINGLESS = {
    "nih": OWN,
    "chexpert": ("archives", "lists", "box_grid", *OWN),
    "table": ("archives", "tables", "lists", "published_address", "box_grid", "drawn"),
}
RESERVED = frozenset((*IMAGE_COLUMNS, "abnormality", "mean", "sd", "pooled"))  # columns and rows of our own tables

Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Finding = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_ -]*$", max_length=60)]
Uncertain = Literal["ones", "zeros", "ignore", "paper"]
Positive = Annotated[int, Field(strict=True, gt=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def unsafe(name: str) -> str | None:
    """Why ``name`` may not be used as a path below a folder of ours, or None when it may."""
    if not name:
        return "is empty"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "holds a control character"
    if "\\" in name or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "is not a relative path with forward slashes"
    if len(name) > 1000 or any(part in ("", ".", "..") or len(part) > 200 for part in name.split("/")):
        return "has an empty, overlong, '.' or '..' part"
    return None


def is_address(place: str) -> bool:
    """Whether a mirror is an address, or else a folder."""
    return place.startswith(("http://", "https://"))


class FileEntry(_Settings):
    """One file of a distribution. In YAML a bare text is a name of which nothing else is known."""

    name: str = Field(description="Path relative to the root of the mirror.")
    address: Address | None = Field(default=None, description="Where the file is published (http or https).")
    bytes: Annotated[int, Field(strict=True, ge=0)] | None = Field(default=None, description="Size of the file.")
    md5: Md5 | None = Field(default=None, description="MD5 in hexadecimal; NIH publishes these for its archives.")
    sha256: tuple[Sha256, ...] = Field(
        default=(), description="Every digest that is accepted: publishers reissue tables."
    )
    images: Positive | None = Field(default=None, description="Number of images in an archive, for progress.")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("sha256", mode="before")
    @classmethod
    def _one_digest(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _safe(cls, value: str) -> str:
        reason = unsafe(value)
        if reason or not all(letter.isalnum() or letter in "._/-+" for letter in value):
            raise ValueError(f"file name {reason or 'may hold letters, digits and ._/-+ only'}")
        return value


class Description(_Settings):
    """What a data set is and what it is made from: files, their digests, findings, frame of the boxes."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="Folder below datasets/."
    )
    source: Literal["nih", "chexpert", "table"] = Field(
        description="The form of tables and images, and so the module of ham.datasets that converts them."
    )
    drawn: Literal["phantom", "chexpert_phantom"] | None = Field(
        default=None, description="Set when ham draws the distribution itself: the module of ham.datasets that does."
    )
    box_grid: int = Field(
        default=0,
        strict=True,
        ge=0,
        description="Side in pixels of the square images that the boxes refer to; 0: each image's own pixels.",
    )
    findings: tuple[Finding, ...] = Field(min_length=1, description="All findings, in the network's order.")
    boxed_findings: tuple[Finding, ...] = Field(default=(), description="The findings that have boxes.")
    licence: str = Field(description="Terms of use, in words.")
    attribution: str = Field(description="Whom to thank and cite.")
    archives: tuple[FileEntry, ...] = Field(default=(), description="Archives of images.")
    tables: tuple[FileEntry, ...] = Field(default=(), description="Labels, boxes and official lists.")
    lists: tuple[FileEntry, ...] = Field(default=(), description="The authors' lists and boxes, below published/.")
    published_address: Address | None = Field(
        default=None,
        description="Address of the folder published/: serves every entry of lists that has none of its own.",
    )
    images: Place | None = Field(default=None, description="Folder of images of one's own; relative: from here on.")
    labels: LabelsFile | None = Field(default=None, description="Table of images, patients and findings of one's own.")
    boxes: BoxesFile | None = Field(default=None, description="Boxes of one's own, if there are any.")

    @field_validator("findings", "boxed_findings")
    @classmethod
    def _distinct(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        _refuse(repeated(values), "named twice")
        _refuse([value for value in values if value in RESERVED], "a word that ham's own tables use")
        return values

    @field_validator("lists")
    @classmethod
    def _below_published(cls, values: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
        _refuse([entry.name for entry in values if not entry.name.startswith(PUBLISHED)], f"not below {PUBLISHED}")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        _refuse([f for f in self.boxed_findings if f not in self.findings], "in boxed_findings but not in findings")
        _refuse(repeated((*self.archive_names, *self.table_names, *self.list_names)), "given as a file twice")
        whose = f"where the source is {self.source}"
        _refuse([key for key in MEANINGLESS[self.source] if getattr(self, key)], f"mean nothing {whose}")
        _refuse([key for key in NEEDED[self.source] if not getattr(self, key)], f"needed {whose}")
        if self.source == "table" and bool(self.boxes) != bool(self.boxed_findings):
            raise ValueError("boxes and boxed_findings: give both, or neither")
        return self

    @classmethod
    def read(cls, path: Path) -> Description:
        """Read a description; ``like: other`` lays its keys over those of other.yaml in the same folder.

        Paths of files of one's own are absolute then: relative ones start in the description's folder. Raises
        SettingsError with every mistake and the path of its key.
        """
        path = Path(path)
        values = _layered(path, ())
        try:
            description = cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(f"{path}: " + "; ".join(described(error))) from None
        if description.images is None or description.labels is None:
            return description
        places = {
            "images": beside(path.parent, description.images),
            "labels": description.labels.beside(path.parent),
            "boxes": description.boxes and description.boxes.beside(path.parent),
        }
        return description.model_copy(update=places)

    @property
    def own_tables(self) -> tuple[str, ...]:
        """Paths of the tables of one's own: labels, then boxes where there are some."""
        return tuple(table.file for table in (self.labels, self.boxes) if table is not None)

    @property
    def archive_names(self) -> tuple[str, ...]:
        """Archives, relative to the mirror."""
        return tuple(entry.name for entry in self.archives)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Tables, relative to the mirror."""
        return tuple(entry.name for entry in self.tables)

    @property
    def list_names(self) -> tuple[str, ...]:
        """The authors' lists and boxes, relative to the mirror: ``published/ImageSets/Main/fold1/test_0_0.2.txt`` …"""
        return tuple(entry.name for entry in self.lists)

    @property
    def brought(self) -> tuple[str, ...]:
        """What must be in the folder that the user brings (``data.folder``); nothing where all files are fetched."""
        return ("train.csv", "valid.csv", "train", "valid") if self.source == "chexpert" else ()

    def lacks(self, folder: str | Path | None) -> str | None:
        """What of the files to bring is not in ``folder``, in one sentence; None where all of it is."""
        what = f"the folder that holds {', '.join(self.brought)} of {self.name}"
        if folder is None:
            return f"data.folder: give {what} (--config data='{{folder: /path/to/it}}'): it cannot be fetched"
        absent = [name for name in self.brought if not (Path(folder).expanduser() / name).exists()]
        return f"data.folder: {folder} has no {' and no '.join(absent)}: give {what}" if absent else None

    @property
    def made_lists(self) -> tuple[str, ...]:
        """Lists that conversion makes from the tables, beside the folds by patient."""
        parts: tuple[str, ...] = ("train", "valid") if self.source == "chexpert" else ()
        if self.labels is not None and self.labels.split is not None:
            parts = PARTS
        return tuple(f"{folder}/{part}" for folder in ("Main", "bbox") for part in parts)

    def file(self, name: str) -> FileEntry:
        """The entry of ``name``, with its address filled in; raises SettingsError when there is none."""
        for entry in (*self.archives, *self.tables, *self.lists):
            if entry.name == name:
                break
        else:
            raise SettingsError(f"{name} is no file of data set {self.name}: add it to archives, tables or lists")
        if entry.address is None and self.published_address and name.startswith(PUBLISHED):
            address = self.published_address.rstrip("/") + "/" + name.removeprefix(PUBLISHED)
            return entry.model_copy(update={"address": address})
        return entry


class PhantomSettings(_Settings):
    """How many radiograph-like images ham draws, and with what."""

    seed: int = Field(default=0, strict=True, ge=0, lt=2**32, description="Another seed draws other patients.")
    images: int = Field(default=600, strict=True, ge=40, le=1_000_000, description="Images in all.")
    patients: int = Field(default=240, strict=True, ge=20, description="Patients; each has one image at least.")
    normal: float = Field(default=0.1, ge=0, le=1, description="Share of images without a finding.")
    double: float = Field(default=0.5, ge=0, le=1, description="Share of images with two findings; the rest have one.")
    boxed: float = Field(default=0.5, gt=0, le=1, description="Share of the images with a finding that have boxes.")

    @model_validator(mode="after")
    def _possible(self) -> PhantomSettings:
        if self.patients > self.images:
            raise ValueError("patients may not exceed images: every patient has an image at least")
        if self.normal + self.double > 1:
            raise ValueError("normal and double are shares of all images: together at most 1")
        return self


class FoldSettings(_Settings):
    """Folds of whole patients, made by :mod:`ham.datasets.splits` for every data set."""

    count: int = Field(default=5, strict=True, ge=2, le=50, description="Folds; their tests partition the patients.")
    seed: int = Field(default=0, strict=True, ge=0, description="Another seed gives other folds.")
    validation: float = Field(
        default=0.1, ge=0.01, le=0.4, description="Share of all patients held out of each fold's training to validate."
    )

    @model_validator(mode="after")
    def _leaves_training(self) -> FoldSettings:
        if 1 / self.count + self.validation > 0.8:
            raise ValueError("test (1 / count) and validation leave less than a fifth of the patients to train on")
        return self

    @property
    def list_names(self) -> tuple[str, ...]:
        """Names of all lists below ImageSets/: ``Main/by-patient/fold1/train`` …"""
        return tuple(
            f"{folder}/by-patient/fold{fold}/{part}"
            for fold in range(1, self.count + 1)
            for part in ("train", "val", "test")
            for folder in ("Main", "bbox")
        )


class DataSettings(_Settings):
    """Where the files of the data set come from, and what may be missing."""

    mirror: str | None = Field(
        default=None,
        min_length=1,
        description="Folder or http(s) address that holds the distribution; null: the publishers.",
    )
    folder: str | None = Field(
        default=None,
        min_length=1,
        description="Folder that has the images already: they are linked, and no archive is fetched or unpacked.",
    )
    archives: tuple[Positive, ...] | None = Field(
        default=None,
        min_length=1,
        description="Numbers of the description's archives to take, from 1; null: all. Others' images are absent.",
    )
    keep_archives: bool = Field(
        default=True, strict=True, description="False: an archive is deleted once its images are unpacked."
    )
    uncertain: Uncertain = Field(
        default="paper", description="What CheXpert's uncertain labels are read as; paper: best for each finding."
    )
    partial: bool = Field(
        default=False, strict=True, description="Go on when images of the tables are absent, and count them."
    )
    folds: FoldSettings = Field(default=FoldSettings(), description="How folds by patient are made.")
    store: int | None = Field(
        default=None,
        strict=True,
        ge=16,
        le=4096,
        description="Side in pixels of an image store, read in training and testing in place of files; null: none.",
    )
    phantom: PhantomSettings = Field(default=PhantomSettings(), description="Used by drawn data sets only.")

    @field_validator("archives")
    @classmethod
    def _each_once(cls, values: tuple[int, ...] | None) -> tuple[int, ...] | None:
        _refuse([str(value) for value in repeated(values or ())], "given twice")
        return values

    def archives_of(self, description: Description) -> tuple[str, ...]:
        """The archives to fetch and unpack: those chosen, or none where a folder has the images."""
        names = description.archive_names
        if self.folder is not None:
            return ()
        return names if self.archives is None else tuple(names[number - 1] for number in sorted(self.archives))

    def refusals(self, description: Description) -> list[str]:
        """What cannot be done with this data set, each with the path of its key."""
        if description.source == "table":
            given = [key for key in ("mirror", "folder", "archives") if getattr(self, key) is not None]
            why = f"the description of {description.name} says where its files are: leave this null"
            return [f"data.{key}: {why}" for key in given]
        if self.archives is None:
            return []
        number = len(description.archives)
        problems = [
            f"data.archives: {description.name} has no archive {wanted}, it has {number}"
            for wanted in self.archives
            if wanted > number
        ]
        if self.folder is not None:
            problems.append("data.archives: data.folder has the images already, leave one of the two null")
        elif len(self.archives) < number and not self.partial:
            problems.append(
                f"data.archives: with {len(self.archives)} of {number} archives, images will be absent: set "
                "data.partial: true as well, and every table will say how many were there"
            )
        return problems


def repeated(values: Iterable[Any]) -> list[Any]:
    """The values that occur more than once, each once, in order."""
    return [value for value, times in Counter(values).items() if times > 1]


def _refuse(values: list[str], why: str) -> None:
    if values:
        raise ValueError(f"{', '.join(values)}: {why}")


def _layered(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The keys of ``path`` over those of the description it is like; ``above`` are the descriptions that led here."""
    if path in above:
        raise SettingsError(f"{path}: like: goes round in a circle ({' -> '.join(p.stem for p in (*above, path))})")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        needed = f", which {above[-1]} is like" if above else ""
        raise SettingsError(f"{path}: no such data set description{needed}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: a description is a map of keys (name, source, findings, …)")
    like = values.pop("like", None)
    if like is None:
        return values
    if not isinstance(like, str) or unsafe(like) or PurePosixPath(like).name != like:
        raise SettingsError(f"{path}: like: takes the name of a description in the same folder (given: {like!r})")
    return {**_layered(path.parent / f"{like}.yaml", (*above, path)), **values}
