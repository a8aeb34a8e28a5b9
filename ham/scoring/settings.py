"""What scoring can be told. Light to import: the workflow reads it before the first job."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]


class ScoringSettings(BaseModel):
    """Thresholds of the published protocol (method, section 5)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    t_iou: tuple[Share, ...] = Field((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), min_length=1, description="of T(IoU)")
    t_ior: tuple[Share, ...] = Field((0.1, 0.25, 0.5, 0.75, 0.9), min_length=1, description="of T(IoR)")
    certainty: Share = Field(0.999, description="refined map from which on a pixel is predicted")
    probability: Share = Field(0.5, description="probability above which accuracy counts a finding as present")
    leave_out: str | None = Field(
        "Cardiomegaly",
        description="finding left out of a second mean: large and always in the same place, it carries the first",
    )
