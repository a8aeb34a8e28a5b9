"""The page of a user's own images, of the same make as the pipeline's gallery; it needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from ham.inference.pictures import OVERLAYS, PICTURES
from ham.inference.record import Record
from ham.reporting import gallery_page
from ham.runtime.files import written

TEMPLATES = Path(__file__).parent / "templates"


def write_page(record: Record, folder: Path, names: Sequence[str], unreadable: Sequence[tuple[str, str]]) -> None:
    """Write index.html of all images of ``record`` into ``folder``, one of them in memory at a time."""
    loader = jinja2.FileSystemLoader([TEMPLATES, gallery_page.TEMPLATES])
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    stream = environment.get_template("own_images.html.j2").stream(
        rows=record.rows(),
        count=len(record),
        names=names,
        about=record.about,
        unreadable=unreadable,
        pictures=PICTURES,
        overlays=OVERLAYS,
        percent=_percent,
    )
    with written(folder / "index.html") as path, open(path, "w", encoding="utf-8") as file:
        stream.enable_buffering(50)
        file.writelines(stream)


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
