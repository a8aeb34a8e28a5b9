"""What box refinement can be told. Light to import: the workflow reads it before the first job."""

from __future__ import annotations

from pydantic import Field, field_validator

from ham.settings import Settings


class Kernel(Settings):
    """Reach of the bilateral kernel for boxes up to a size."""

    below: float | None = Field(gt=0, description="for boxes whose smaller mean side is below this, pixels; null: any")
    position: float = Field(gt=0, description="reach in pixels of the image")
    intensity: float = Field(gt=0, description="reach in grey levels, 0 to 255")


class RefinementSettings(Settings):
    """Dense CRF of the training boxes (method, section 3)."""

    confidence: float = Field(0.7, gt=0.5, lt=1, description="probability that a pixel's box label is right")
    iterations: int = Field(5, ge=1, le=100, description="mean field steps")
    compat: float = Field(10.0, ge=0, description="Potts weight of the bilateral term")
    kernels: tuple[Kernel, ...] = Field(
        (
            Kernel(below=45, position=5, intensity=2),
            Kernel(below=70, position=12, intensity=5),
            Kernel(below=140, position=15, intensity=6),
            Kernel(below=210, position=25, intensity=11),
            Kernel(below=380, position=50, intensity=13),
            Kernel(below=None, position=110, intensity=26),
        ),
        min_length=1,
        description="the first whose limit lies above the boxes' size is taken; the last has no limit",
    )

    @field_validator("kernels")
    @classmethod
    def _ascending(cls, kernels: tuple[Kernel, ...]) -> tuple[Kernel, ...]:
        limits = [float("inf") if kernel.below is None else kernel.below for kernel in kernels]
        if limits != sorted(set(limits)) or limits[-1] != float("inf"):
            raise ValueError("'below' must grow from kernel to kernel, and the last one's must be null")
        return kernels
