"""What a source is asked for, and the one way of asking: the same for all sources."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ham.datasets.description import Description
from ham.datasets.settings import DataSettings
from ham.errors import list_some

log = logging.getLogger("ham")


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
    only where ``data.partial`` says so. What stands in the end is said in one line.
    """
    import_module(f"ham.datasets.sources.{request.description.source}").convert(request)
    info = json.loads((request.folder / "dataset.json").read_text(encoding="utf-8"))
    log.info("%s: %s", request.folder, describe_counts(info["counts"]))
    unverified = [source["file"] for source in info["sources"] if source.get("verified") is False]
    if unverified:
        log.warning(
            "no checksum is known of %s: taken as they are (a SHA256SUMS in the mirror would tell)",
            list_some(unverified, 3),
        )


def describe_counts(counts: Mapping[str, Any]) -> str:
    """``1,441 of 112,120 images, 352 of 30,805 patients, 3 of 984 boxes on 3 of 880 images``, of dataset.json's counts;
    ``of`` only where not all are there."""

    def share(present: str, whole: str, noun: str) -> str:
        has, known = counts[present], counts[whole]
        return f"{has:,} {noun}" if has == known else f"{has:,} of {known:,} {noun}"

    boxes = share("present_boxes", "boxes", "boxes")
    on = share("present_boxed_images", "boxed_images", "images")
    return ", ".join(
        [
            share("present", "images", "images"),
            share("present_patients", "patients", "patients"),
            f"{boxes} on {on}" if counts["boxes"] else "no boxes",
        ]
    )
