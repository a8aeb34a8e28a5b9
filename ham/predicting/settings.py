"""What testing can be told. Light to import: the workflow reads it before the first job."""

from __future__ import annotations

from pydantic import Field

from ham.settings import Settings


class PredictionSettings(Settings):
    """How a trained network is run over the test images."""

    batch_size: int = Field(24, ge=1, description="images at once; only memory and speed depend on it")
