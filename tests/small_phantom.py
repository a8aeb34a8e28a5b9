"""A small phantom data set."""

from __future__ import annotations

from pathlib import Path

from ham.datasets.acquire.check import check_images
from ham.datasets.acquire.download import fetch
from ham.datasets.acquire.unpack import unpack
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings, PhantomSettings
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.phantom.nih_distribution import write_distribution

ROOT = Path(__file__).resolve().parents[1]


def make_phantom(base: Path) -> Path:
    """Folder, below ``base``, of a data set of 40 drawn radiographs of 20 patients."""
    write_distribution(base / "mirror", PhantomSettings(images=40, patients=20))
    description = Description.read(ROOT / "config/datasets/phantom.yaml")
    folder, sources = base / "Phantom", base / "Phantom/.sources"
    for name in (*description.archive_names, *description.table_names, *description.list_names):
        fetch(description.file(name), sources / name, str(base / "mirror"))
    checks = []
    for name in description.archive_names:
        record = f"{name.split('.')[0]}.csv"
        checks.append(folder / ".checked" / record)
        unpack(sources / name, folder / "images", folder / ".unpacked" / record)
        check_images(folder / "images", folder / ".unpacked" / record, checks[-1])
    convert(ConversionRequest(folder, "phantom", description, DataSettings(), sources, tuple(checks)))
    return folder
