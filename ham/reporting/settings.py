"""What the report shows. None of these options changes a number: only reports run again when one changes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ham.protocol import T_IOR
from ham.settings import Settings, ascending

Threshold = Annotated[float, Field(gt=0, lt=1)]
Thresholds = Annotated[tuple[Threshold, ...], Field(min_length=1), AfterValidator(ascending)]


class ReportingSettings(Settings):
    """Options of tables, figures, galleries and the report page."""

    t_iou_thresholds: Thresholds = Field(
        default=(0.1, 0.3, 0.5, 0.7),
        description="Thresholds of T(IoU) that md, tex and page show; the csv files hold all that were scored.",
    )
    t_ior_thresholds: Thresholds = Field(
        default=T_IOR,
        description="The same for T(IoR).",
    )
    gallery_examples: int = Field(
        default=4,
        ge=1,
        le=16,
        description="Pairs of image and finding a gallery shows for each finding with boxes.",
    )
    published: bool = Field(
        default=True,
        description="Whether the numbers of config/published.csv stand beside ours where the description of the data "
        "set says published: nih.",
    )
    subgroup_minimum: int = Field(
        default=20,
        ge=1,
        description="Images or pairs of a subgroup below which its number is not shown; the csv files hold all.",
    )
