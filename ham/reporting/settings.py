"""What the report shows. None of these options changes a number: only reports run again when one changes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Threshold = Annotated[float, Field(gt=0, lt=1, strict=True)]


class ReportingSettings(BaseModel):
    """Options of tables, figures, galleries and the report page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    t_iou_thresholds: tuple[Threshold, ...] = Field(
        default=(0.1, 0.3, 0.5, 0.7),
        min_length=1,
        description="Thresholds of T(IoU) that md, tex and page show; the csv files hold all that were scored.",
    )
    t_ior_thresholds: tuple[Threshold, ...] = Field(
        default=(0.1, 0.25, 0.5, 0.75, 0.9),
        min_length=1,
        description="The same for T(IoR).",
    )
    gallery_examples: int = Field(
        default=4,
        ge=1,
        le=16,
        strict=True,
        description="Pairs of image and finding a gallery shows for each finding with boxes.",
    )
    published: bool = Field(
        default=True,
        strict=True,
        description="Whether the numbers of config/published.csv stand beside ours where the data set is NIH's.",
    )
