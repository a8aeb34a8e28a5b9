"""Reading the golden files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent


def golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of ``name``.npz."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def golden_json(name: str) -> Any:
    """``name``.json."""
    return json.loads((FOLDER / f"{name}.json").read_text())
