"""What every converter says of a data set in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ham.datasets.description import Description
from ham.datasets.layout import Content
from ham.runtime.files import sha256


def content_of(description: Description, **rest: Any) -> Content:
    """Content of the data set that ``description`` is of; ``rest``: the fields that it does not say."""
    return Content(
        name=description.name,
        source=description.source,
        findings=description.findings,
        boxed_findings=description.boxed_findings,
        box_grid=description.box_grid,
        licence=description.licence,
        attribution=description.attribution,
        **rest,
    )


def given_file(path: Path, name: str) -> dict[str, Any]:
    """An entry of the content's ``sources``: the file at ``path``, called ``name``."""
    return {"file": name, "bytes": path.stat().st_size, "sha256": sha256(path)}
