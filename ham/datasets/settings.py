"""The configuration's ``data`` section: where files come from, what may be missing, how folds are cut.

Imports the standard library and pydantic only, because the Snakefile reads it too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ham.datasets.description import SPLIT_PARTS, Description, Positive, find_repeated, is_address, refuse
from ham.settings import Settings

Uncertain = Literal["ones", "zeros", "ignore", "paper"]


class PhantomSettings(Settings):
    """How many radiograph-like images ham draws, and with what."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Another seed draws other patients.")
    images: int = Field(default=600, ge=40, le=1_000_000, description="Images in all.")
    patients: int = Field(default=240, ge=20, description="Patients; each has one image at least.")
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


class FoldSettings(Settings):
    """Folds of whole patients, made by :mod:`ham.datasets.splits` for every data set."""

    count: int = Field(default=5, ge=2, le=50, description="Folds; their tests partition the patients.")
    seed: int = Field(default=0, ge=0, description="Another seed gives other folds.")
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
            for part in SPLIT_PARTS
            for folder in ("Main", "bbox")
        )


class DataSettings(Settings):
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
        description="Numbers of the description's archives to take, from 1; null: all, or, with partial, those that a "
        "mirror has which is a folder. Others' images are missing.",
    )
    keep_archives: bool = Field(default=True, description="False: an archive is deleted once its images are unpacked.")
    uncertain: Uncertain = Field(
        default="paper", description="What CheXpert's uncertain labels are read as; paper: best for each finding."
    )
    partial: bool = Field(default=False, description="Go on when images of the tables are missing, and count them.")
    folds: FoldSettings = Field(default=FoldSettings(), description="How folds by patient are made.")
    store: int | None = Field(
        default=None,
        ge=16,
        le=4096,
        description="Side in pixels of an image store, read in training and testing in place of files; null: none.",
    )
    phantom: PhantomSettings = Field(default=PhantomSettings(), description="Used by drawn data sets only.")

    @field_validator("archives")
    @classmethod
    def _each_once(cls, values: tuple[int, ...] | None) -> tuple[int, ...] | None:
        refuse([str(value) for value in find_repeated(values or ())], "given twice")
        return values

    def plain_for_conversion(self, description: Description) -> dict[str, Any]:
        """Plain values of what the conversion of a data set reads, and nothing else: a rule's params."""
        return self.model_dump(mode="json", include={"partial", "folds", *description.form.settings})

    def archives_of(self, description: Description, folder: Path) -> tuple[str, ...]:
        """The archives to fetch and unpack into the data set's ``folder``: none where ``data.folder`` has the images;
        those chosen; where images may be missing and the mirror is a folder, those in it or unpacked already."""
        names = description.archive_names
        if self.folder is not None:
            return ()
        if self.archives is not None:
            return tuple(names[number - 1] for number in sorted(self.archives))
        if not self.partial or self.mirror is None or is_address(self.mirror):
            return names
        mirror = Path(self.mirror).expanduser()
        records = {name: folder / f".unpacked/{name.split('.')[0]}.csv" for name in names}
        return tuple(name for name in names if (mirror / name).is_file() or records[name].is_file()) or names

    def refusals(self, description: Description) -> list[str]:
        """What cannot be done with this data set, each with the path of its key."""
        if description.images is not None:
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
                f"data.archives: with {len(self.archives)} of {number} archives, images will be missing: set "
                "data.partial: true as well, and every table will say how many were there"
            )
        return problems
