"""What a data set was made from, as the page says it: dataset.json, and config/datasets/versions.csv beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ham.errors import DataError

VERSIONS = Path(__file__).parents[2] / "config" / "datasets" / "versions.csv"
COLUMNS = ("dataset", "file", "version", "date", "address", "bytes", "checksum", "licence", "attribution")
QUOTED = ("version", "date", "licence", "attribution")


def read_info(dataset_folder: Path) -> dict[str, Any]:
    """dataset.json of a data set; DataError where it is absent or no JSON."""
    path = Path(dataset_folder) / "dataset.json"
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read ({problem}); make the data set again.") from None
    return info


def group_sources(info: Mapping[str, Any], versions: Path = VERSIONS) -> list[dict[str, Any]]:
    """Groups of sources of one version, date, licence and attribution, each with its ``files``.

    ``info`` is dataset.json. A file has its name, address, bytes and checksum (``sha256:…``, ``md5:…``), images (their
    number) where it is a folder or archive of them; what nobody has said is blank. A row of versions.csv is quoted of
    the file that was used, not of one with another checksum; a source without a row has the data set's own licence and
    attribution.
    """
    rows = _read(versions)
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for source in info.get("sources", []):
        checksum = next((f"{kind}:{source[kind]}" for kind in ("sha256", "md5") if source.get(kind)), "")
        row = _row(rows, str(info.get("key", "")), source["file"], checksum)
        about = row or {"licence": info.get("licence", ""), "attribution": info.get("attribution", "")}
        said = {name: about.get(name, "") for name in QUOTED}
        group = groups.setdefault(tuple(said.values()), {**said, "files": []})
        group["files"].append(
            {
                "file": source["file"],
                "address": row["address"] if row else "",
                "bytes": source["bytes"] if source.get("bytes") is not None else "",
                "images": source.get("images", ""),
                "checksum": "none known" if source.get("verified") is False else checksum,
            }
        )
    return list(groups.values())


def _row(rows: Sequence[Mapping[str, str]], key: str, file: str, checksum: str) -> Mapping[str, str] | None:
    for row in rows:
        same = row["checksum"] == checksum if row["checksum"] else row["dataset"] == key
        if row["file"] == file and same:
            return row
    return None


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}): take it from the checkout.") from None
    for line, row in enumerate(rows, 2):
        if tuple(row) != COLUMNS or None in row.values():
            raise DataError(f"{path}, row {line}: {', '.join(COLUMNS)} are expected, no more and no fewer.")
    return rows
