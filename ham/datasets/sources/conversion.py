"""What a source is asked for, and the one way of asking: the same for all sources."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
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


def convert(request: ConversionRequest) -> None:
    """Write the data set of ``request`` by the module of its source.

    Everything that makes labels, boxes, lists or images doubtful is a mistake, named with file and line or image; all
    are collected in validation.csv, above what was repaired, and then DataError is raised. Missing images are allowed
    only where ``data.partial`` says so.
    """
    import_module(f"ham.datasets.sources.{request.description.source}").convert(request)
