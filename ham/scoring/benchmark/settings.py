"""What ``ham evaluate`` can be told beside its options."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ham.runtime.yaml_text import read_settings
from ham.scoring.settings import ScoringSettings
from ham.settings import Settings


class Protocol(Settings):
    """On which images, on what square, and how it is scored."""

    images: str | None = Field(
        None, description="list of the data set; null: its official test, or all images where it has none"
    )
    size: int = Field(512, ge=16, le=2048, description="side in pixels of the square that is scored, as published")
    truth_files: str | None = Field(
        None, description="folder of the files that truths name; null: truths/ beside the data set"
    )
    scoring: ScoringSettings = Field(ScoringSettings(), description="thresholds, resamples, seed")

    @classmethod
    def read(cls, path: Path | None) -> Protocol:
        """The protocol in ``path``, the default one without; SettingsError with all its mistakes."""
        return cls() if path is None else read_settings(cls, path)
