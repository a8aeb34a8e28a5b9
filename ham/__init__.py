"""Hierarchical attention mining: weakly supervised localization and diagnosis of abnormalities in chest radiographs.

``import ham`` is light: torch is imported by the parts that compute, and only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ham.inference.model import Model

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(model: str | Path | Sequence[str | Path], device: str = "cpu") -> Model:
    """A trained model, from its file and card alone: ``ham.load("model.safetensors").predict("chest.png")``.

    ``model`` is a checkpoint, several of them, or a folder of them: several are an ensemble. ``device`` as torch names
    it. WeightsError where a file is no checkpoint of ham, or they do not fit together.
    """
    from ham.inference.model import Model

    return Model.open(model, device)
