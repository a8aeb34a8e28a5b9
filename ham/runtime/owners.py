"""Whose files stand in a folder of datasets/ or results/: two data sets never share one.

``results/<key>/`` is called after the file of a description, ``datasets/<name>/`` after its ``name:``. Light: the
workflow looks before the first job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LARGEST_HEADER = 100_000_000  # bytes of a safetensors file; what the format allows


def explain_other_owner(root: Path, key: str, name: str) -> str | None:
    """Why the data set ``name``, described in a file called ``key``, cannot be worked on below ``root``; None: it can.

    Files that cannot be read, or that do not say whose they are, are nobody's.
    """
    for path, owner in _names(root / "results" / key):
        if owner != name:
            return (
                f"{path.parent} is of the data set {owner}, and the description {key} is now of {name}: give one of "
                f"the two descriptions another file name, or move results/{key} away"
            )
    maker = _text(_json(root / "datasets" / name / "dataset.json"), "key")
    if maker in (None, key):
        return None
    return (
        f"datasets/{name} was made from the description {maker}, and {key} has the same name: {name}: give one of the "
        f"two another name, or move datasets/{name} away"
    )


def _names(results: Path) -> Iterator[tuple[Path, str]]:
    """Files of ``results`` that say of which data set they are: scores, and weights that were trained there."""
    for path in sorted(results.glob("*/*/*/metrics.json")):
        if name := _text(_json(path), "dataset_name"):
            yield path, name
    for path in sorted(results.glob("*/*/*/run.json")):  # beside weights from elsewhere there is none
        if name := _text(_card(path.with_name("model.safetensors")), "dataset"):
            yield path, name


def _text(values: Any, key: str) -> str | None:
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, str) else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _card(path: Path) -> Any:
    """The card in the header of weights, read without what opens them."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return json.loads(json.loads(file.read(min(length, LARGEST_HEADER)))["__metadata__"]["card"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
