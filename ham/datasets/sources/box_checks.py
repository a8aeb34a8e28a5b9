"""Boxes as sources give them: whose they are, whether they are numbers, whether they stand there once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ham.datasets.dataset import BoxesByImage
from ham.datasets.description import Description
from ham.errors import DataError

LARGEST = 1e6  # pixels; no image is as wide


def check_owner(
    where: str, image: str, finding: str, description: Description, labels: pd.DataFrame, table: str
) -> None:
    """Raise DataError unless ``image`` stands in ``labels`` (called ``table``) with ``finding``, one that has boxes."""
    if finding not in description.boxed_findings:
        raise DataError(f"{where}: a box of {finding[:200]!r}, which is not among the description's boxed_findings")
    if image not in labels.index:
        raise DataError(f"{where}: a box for {image[:200]}, an image that {table} does not have")
    if labels.at[image, finding] != 1:
        raise DataError(f"{where}: a box of {finding} in {image}, which does not have that finding in {table}")


def four_numbers(where: str, fields: Sequence[str], order: str) -> list[float]:
    """The numbers of a box, in the ``order`` that the message names; DataError where they are none."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        numbers = []
    if not are_numbers(numbers):
        raise DataError(f"{where}: {', '.join(fields)[:200]} are not four numbers ({order})")
    return numbers


def are_numbers(values: Any) -> bool:
    """Whether ``values`` is a list of four finite numbers of a size that pixels may have."""
    return (
        isinstance(values, list)
        and len(values) == 4
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        and all(abs(value) < LARGEST for value in values)  # which nan is not
    )


def add_once(where: str, boxes: BoxesByImage, image: str, finding: str, box: list[float]) -> None:
    """Add ``box`` to ``boxes``; DataError where it stands there already."""
    found = boxes.setdefault(image, {}).setdefault(finding, [])
    if box in found:
        raise DataError(f"{where}: the same box of {finding} in {image} stands there twice")
    found.append(box)


def read_json(path: Path, largest: int) -> Any:
    """A JSON file from elsewhere; DataError for one of more than ``largest`` bytes, or with a key twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands there twice")
        return dict(pairs)

    try:
        if path.stat().st_size > largest:
            raise DataError(f"{path} has more than {largest >> 20} MiB: it is no file of boxes")
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}): get it again") from None
