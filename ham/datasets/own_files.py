"""The files of a data set of one's own, as its description names them (``source: table``).

Imports the standard library and pydantic only, because the Snakefile reads descriptions too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Place = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
FourColumns = tuple[Column, Column, Column, Column]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Place = Field(description="Path; a relative one from the folder of the description on.")

    def beside(self, folder: Path) -> Self:
        """With the file's path made absolute."""
        return self.model_copy(update={"file": beside(folder, self.file)})


class LabelsFile(_File):
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


class BoxesFile(_File):
    """A CSV table with a row a box, or COCO's JSON where the name ends in .json; boxes in pixels of their own image."""

    image: Column = Field(default="image", description="Column of the image, as in the table of labels.")
    finding: Column = Field(default="finding", description="Column of the finding.")
    xywh: FourColumns | None = Field(default=None, description="Columns of left, top, width, height.")
    corners: FourColumns | None = Field(default=None, description="Columns of left, top, right, bottom.")

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
        return self


def beside(folder: Path, place: str) -> str:
    """``place`` as an absolute path; a relative one starts in ``folder``."""
    return os.path.normpath(folder.absolute() / Path(place).expanduser())
