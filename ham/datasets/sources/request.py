"""What a source is asked for: one object, the same for all sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ham.datasets.description import Description
from ham.datasets.settings import DataSettings


@dataclass(frozen=True)
class ConversionRequest:
    """A data set to be made.

    ``folder`` is the data set's own, with images/ in it where images were unpacked or linked; ``key`` is what results/
    calls it. ``fetched`` is the folder of the fetched tables and lists, under their names in the description.
    ``checks`` are the records that the check of the images wrote, none where the source looks at the images itself. Of
    ``data`` a source reads ``partial``, ``folds`` and what its :class:`ham.datasets.sources.Source` names.
    """

    folder: Path
    key: str
    description: Description
    data: DataSettings
    fetched: Path
    checks: tuple[Path, ...] = ()

    @property
    def images(self) -> Path:
        """Where the data set's images are, under their ids."""
        return self.folder / "images"
