"""Descriptions of data sets (``config/datasets/*.yaml``): what a data set is, and the files that it is made from.

Imports the standard library, pydantic and PyYAML only, because the Snakefile reads descriptions too.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from ham.datasets.sources import SOURCES, Source, meaningless_keys
from ham.datasets.sources.brought import Brought
from ham.errors import SettingsError
from ham.runtime.yaml_text import read_yaml
from ham.settings import Settings, described, known_keys

SPLIT_PARTS = ("train", "val", "test")  # names of the lists of a split of one's own
PUBLISHED = "published/"  # where the authors' lists and boxes lie in a mirror
PUBLISHED_LISTS = f"{PUBLISHED}ImageSets/"
ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp")  # of image files, in capitals as well
IMAGE_COLUMNS = ("image", "patient", "width", "height", "view", "sex", "age")  # of images.csv, that are no findings
SUMMARIES = frozenset({"abnormality", "mean", "sd", "pooled"})  # rows of our own tables, in capitals or not
NO_FINDING = "No Finding"  # in tables that join findings: none of them
WITHOUT = "mean_without_"  # how others of them begin

Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Positive = Annotated[int, Field(gt=0)]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


def explain_unsafe(name: str) -> str | None:
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


def normalised(text: str) -> str:
    """``text`` with every letter in one spelling: macOS writes ü in file names as two signs (NFD), tables as one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_address(mirror: str) -> bool:
    """Whether ``mirror`` is an address, or else a folder."""
    return mirror.startswith(("http://", "https://"))


def _check_finding(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("a finding is printable text without a space at either end")
    if "|" in value:
        raise ValueError("a finding holds no |, which stands between findings in tables")
    return normalised(value)


Column = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(normalised)]
FourColumns = tuple[Column, Column, Column, Column]
Finding = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(_check_finding)]


class FileEntry(Settings):
    """One file of a distribution. In YAML a bare text is a name of which nothing else is known."""

    name: str = Field(description="Path relative to the root of the mirror.")
    address: Address | None = Field(default=None, description="Where the file is published (http or https).")
    bytes: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Size of the file.")
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
        if isinstance(value, list):
            return tuple(value)
        return (value,) if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _safe(cls, value: str) -> str:
        reason = explain_unsafe(value)
        if reason or not all(letter.isalnum() or letter in "._/-+" for letter in value):
            raise ValueError(f"file name {reason or 'may hold letters, digits and ._/-+ only'}")
        return value


class OwnFile(Settings):
    """A file of a data set of one's own."""

    file: PathText = Field(description="Path; a relative one from the folder of the description on.")

    def beside(self, folder: Path) -> Self:
        """With the file's path made absolute."""
        return self.model_copy(update={"file": resolve_beside(folder, self.file)})


class LabelsFile(OwnFile):
    """A CSV table with a row an image; the other keys are names of its columns."""

    image: Column = Field(default="image", description="Path of the image below the folder of images.")
    patient: Column = Field(default="patient", description="Whose image it is; any text.")
    findings: Column | None = Field(
        default=None,
        description="Findings joined by |, blank or No Finding for none; null: a column a finding, under its name.",
    )
    split: Column | None = Field(
        default=None, description="train, validation, test or blank: lists Main/{train,val,test}; null: no such lists."
    )
    view: Column | None = Field(default=None, description="PA, AP or lateral; null: unknown of all images.")
    sex: Column | None = Field(default=None, description="F or M, or a word that begins so; null: unknown.")
    age: Column | None = Field(default=None, description="Of the patient, in years; null: unknown.")


class BoxesFile(OwnFile):
    """A CSV table with a row a box, or COCO's JSON where the name ends in .json."""

    image: Column = Field(default="image", description="Column of the image, as in the table of labels.")
    finding: Column = Field(default="finding", description="Column of the finding.")
    xywh: FourColumns | None = Field(default=None, description="Columns of left, top, width, height.")
    corners: FourColumns | None = Field(default=None, description="Columns of left, top, right, bottom.")
    frame: Literal["pixels", "shares"] = Field(
        default="pixels", description="pixels of each box's own image, or shares of its width and height (0 to 1)."
    )

    @property
    def coco(self) -> bool:
        """Whether the file is COCO's JSON, which says itself where what stands."""
        return self.file.lower().endswith(".json")

    @model_validator(mode="after")
    def _one_order(self) -> BoxesFile:
        given = (self.xywh is not None) + (self.corners is not None)
        if given != (0 if self.coco else 1):
            raise ValueError(
                "COCO's JSON takes neither xywh nor corners"
                if self.coco
                else "name the columns as xywh: [left, top, width, height] or corners: [left, top, right, bottom]"
            )
        refuse(find_repeated(self.xywh or self.corners or ()), "the four columns are four: named twice")
        return self


class Description(Settings):
    """What a data set is and what it is made from: files, their digests, findings, frame of the boxes."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="Folder below datasets/."
    )
    source: str = Field(
        description="The form of tables and images (nih, chexpert, table), and so the module of ham.datasets.sources "
        "that converts them."
    )
    drawn: Literal["phantom", "chexpert_phantom"] | None = Field(
        default=None, description="Set when ham draws the distribution itself: the module of ham.phantom that does."
    )
    published: Literal["nih"] | None = Field(
        default=None,
        description="Whose published numbers may stand beside results: nih where images and labels are NIH's, whatever "
        "the data set is called; null: nobody's.",
    )
    box_grid: int = Field(
        default=0,
        ge=0,
        description="Side in pixels of the square images that the boxes refer to; 0: each image's own pixels.",
    )
    findings: tuple[Finding, ...] = Field(min_length=1, description="All findings, in the network's order.")
    boxed_findings: tuple[Finding, ...] = Field(default=(), description="The findings that have boxes.")
    licence: str = Field(description="Terms of use, in words.")
    redistributable: bool = Field(
        default=False,
        exclude=True,  # no conversion reads it
        description="Whether the licence lets labels, boxes and some images be passed on; else a package has none.",
    )
    attribution: str = Field(description="Whom to thank and cite.")
    archives: tuple[FileEntry, ...] = Field(default=(), description="Archives of images.")
    tables: tuple[FileEntry, ...] = Field(default=(), description="Labels, boxes and official lists.")
    lists: tuple[FileEntry, ...] = Field(default=(), description="The authors' lists and boxes, below published/.")
    published_address: Address | None = Field(
        default=None,
        description="Address of the folder published/: serves every entry of lists that has none of its own.",
    )
    images: PathText | None = Field(default=None, description="Folder of images of one's own; relative: from here on.")
    labels: LabelsFile | None = Field(default=None, description="Table of images, patients and findings of one's own.")
    boxes: BoxesFile | None = Field(default=None, description="Boxes of one's own, if there are any.")

    @field_validator("findings", "boxed_findings")
    @classmethod
    def _distinct(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        refuse(find_repeated(values), "named twice")
        taken = [value for value in values if value in IMAGE_COLUMNS or value.casefold() in SUMMARIES]
        taken += [value for value in values if value.casefold().startswith(WITHOUT)]
        refuse(taken, "a word that ham's own tables use for a row or column: call the finding otherwise")
        return values

    @field_validator("source")
    @classmethod
    def _registered(cls, value: str) -> str:
        if value not in SOURCES:
            raise ValueError(f"no source of that name, there are {', '.join(SOURCES)}")
        return value

    @field_validator("lists")
    @classmethod
    def _below_published(cls, values: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
        refuse([entry.name for entry in values if not entry.name.startswith(PUBLISHED)], f"not below {PUBLISHED}")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        refuse([f for f in self.boxed_findings if f not in self.findings], "in boxed_findings but not in findings")
        refuse(find_repeated((*self.archive_names, *self.table_names, *self.list_names)), "given as a file twice")
        if self.drawn and self.published:
            raise ValueError("published: nobody has published numbers of drawn images; say null")
        whose = f"where the source is {self.source}"
        refuse([key for key in meaningless_keys(self.source) if getattr(self, key)], f"mean nothing {whose}")
        refuse([key for key in self.form.needs if not getattr(self, key)], f"needed {whose}")
        if self.source == "chexpert":
            spoken = [finding.replace("_", " ") for finding in self.findings]
            refuse(find_repeated(spoken), "named twice, with spaces and with underscores")
        if NO_FINDING in self.findings and (self.source == "nih" or (self.labels and self.labels.findings)):
            raise ValueError(
                f"findings: {NO_FINDING} means none of the others where they are joined by |: leave it out"
            )
        if "boxes" in self.form.keys and bool(self.boxes) != bool(self.boxed_findings):
            raise ValueError("boxes and boxed_findings: give both, or neither")
        return self

    @classmethod
    def read(cls, path: Path) -> Description:
        """Read a description; ``like: other`` lays its keys over those of other.yaml in the same folder.

        Paths of files of one's own are absolute then: relative ones start in the description's folder. Raises
        SettingsError with every mistake and the path of its key.
        """
        path = Path(path)
        values = _read_layers(path, ())
        try:
            description = cls.of(values)
        except ValidationError as error:
            raise SettingsError(f"{path}: " + "; ".join(described(error, [*known_keys(Description)]))) from None
        if description.images is None or description.labels is None:
            return description
        absolute = {
            "images": resolve_beside(path.parent, description.images),
            "labels": description.labels.beside(path.parent),
            "boxes": description.boxes and description.boxes.beside(path.parent),
        }
        return description.model_copy(update=absolute)

    @property
    def form(self) -> Source:
        """What its source is registered as."""
        return SOURCES[self.source]

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
    def published_lists(self) -> dict[str, str]:
        """The authors' lists by what ham calls them: ``Main/fold1/test_0_0.2`` to the name relative to the mirror."""
        return {
            name.removeprefix(PUBLISHED_LISTS).removesuffix(".txt"): name
            for name in self.list_names
            if name.startswith(PUBLISHED_LISTS)
        }

    @property
    def brought(self) -> tuple[str, ...]:
        """What must be in the folder that the user brings (``data.folder``); nothing where all files are fetched."""
        return self.form.brought

    def lacks(self, folder: str | Path | None) -> str | None:
        """What of the files to bring is not in ``folder``, in one sentence; None where all of it is."""
        what = f"the folder that holds {', '.join(self.brought)} of {self.name}, or its batches as they are handed out"
        if folder is None:
            return f"data.folder: give {what} (--config data='{{folder: /path/to/it}}'): it cannot be fetched"
        lack = Brought(folder, self.brought).explain_lack()
        return f"data.folder: {folder} {lack}: give {what}" if lack else None

    @property
    def made_lists(self) -> tuple[str, ...]:
        """Lists that conversion makes from the tables, beside the folds by patient."""
        parts = self.form.lists
        if self.labels is not None and self.labels.split is not None:
            parts = SPLIT_PARTS
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


def resolve_beside(folder: Path, path: str) -> str:
    """``path`` as an absolute path; a relative one starts in ``folder``."""
    return os.path.normpath(folder.absolute() / Path(path).expanduser())


def find_repeated(values: Iterable[Any]) -> list[Any]:
    """The values that occur more than once, each once, in order."""
    return [value for value, times in Counter(values).items() if times > 1]


def refuse(values: list[str], why: str) -> None:
    """Raise ValueError where there are any ``values``, with the reason ``why``."""
    if values:
        raise ValueError(f"{', '.join(values)}: {why}")


def _read_layers(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The keys of ``path`` over those of the description it is like; ``above`` are the descriptions that led here."""
    if path in above:
        raise SettingsError(f"{path}: like: goes round in a circle ({' -> '.join(p.stem for p in (*above, path))})")
    needed = f", which {above[-1]} is like" if above else ""
    values = read_yaml(path, f"no such data set description{needed}")
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: a description is a map of keys (name, source, findings, …)")
    like = values.pop("like", None)
    if like is None:
        return values
    if not isinstance(like, str) or explain_unsafe(like) or PurePosixPath(like).name != like:
        raise SettingsError(f"{path}: like: takes the name of a description in the same folder (given: {like!r})")
    return {**_read_layers(path.parent / f"{like}.yaml", (*above, path)), **values}
