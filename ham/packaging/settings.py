"""The configuration's ``restore`` section. Light: the workflow reads it too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ham.datasets.description import Sha256, is_address
from ham.settings import Settings


class RestoreSettings(Settings):
    """A package of results to take in place of training, testing and scoring. In YAML a bare text is its source."""

    source: str = Field(min_length=1, description="the .zip of a package, its folder once unpacked, or an address")
    sha256: Sha256 | None = Field(
        None, description="of the .zip; of a folder that of its SHA256SUMS; an address is not taken without"
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_source(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known_content(self) -> RestoreSettings:
        if is_address(self.source) and self.sha256 is None:
            raise ValueError("an address is taken with the sha256 of its .zip only: {source: https://…, sha256: …}")
        return self

    @property
    def address(self) -> str | None:
        """The address to fetch the package from; None: it is at hand."""
        return self.source if is_address(self.source) else None

    @property
    def file(self) -> Path:
        """The .zip at hand, or the SHA256SUMS of the folder."""
        path = Path(self.source).expanduser()
        return path / "SHA256SUMS" if path.is_dir() else path
