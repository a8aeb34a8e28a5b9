"""What ``ham evaluate`` can be told beside its options."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from ham.errors import SettingsError
from ham.runtime.yaml_text import read_yaml
from ham.scoring.settings import ScoringSettings
from ham.settings import Settings, described, known_keys, sentence


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
        values = {} if path is None else read_yaml(path)
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: a map of keys is expected (images, size, truth_files, scoring)")
        try:
            return cls.of(values)
        except ValidationError as error:
            raise SettingsError(sentence(str(path), described(error, tuple(known_keys(cls))))) from None
