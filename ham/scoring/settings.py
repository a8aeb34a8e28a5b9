"""What scoring can be told. Light to import: the workflow reads it before the first job."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ham.protocol import CERTAINTY, T_IOR, T_IOU
from ham.settings import Settings, ascending

Share = Annotated[float, Field(gt=0, lt=1)]
Shares = Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(ascending)]


class ScoringSettings(Settings):
    """Thresholds of the published protocol (method, section 5)."""

    t_iou: Shares = Field(T_IOU, description="of T(IoU), ascending")
    t_ior: Shares = Field(T_IOR, description="of T(IoR), ascending")
    certainty: Share = Field(CERTAINTY, description="refined map from which on a pixel is predicted")
    probability: Share = Field(0.5, description="probability above which accuracy counts a finding as present")
    sensitivity: Share = Field(0.9, description="that the second operating point reaches on the validation images")
    leave_out: str | None = Field(
        "Cardiomegaly",
        description="finding left out of a second mean: large and always in the same place, it carries the first",
    )
    resamples: int = Field(1000, ge=100, description="of the tested patients, from which the 95 % intervals come")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the resamples")
