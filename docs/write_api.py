"""Writes api.md beside this file: what programs import from ham, as its docstrings say it.

python docs/write_api.py
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PAGE = Path(__file__).with_name("api.md")
# module: names, in the order of the page
PUBLIC = {
    "ham": ("load",),
    "ham.inference.model": ("Model", "Predictions"),
    "ham.inference.arrays": ("to_grey", "from_torchxrayvision"),
    "ham.inference.reader": ("read_radiograph",),
    "ham.inference.run": ("predict_images", "PredictOptions", "Outcome"),
    "ham.inference.export": ("export_model", "Exported"),
    "ham.inference.publish": ("publish",),
    "ham.inference.dicom_out": ("write_objects", "DicomFinding", "ModelName"),
    "ham.model.card": ("Card", "Decisions", "TypicalImage"),
    "ham.model.maps": ("RegionRule", "normalised_maps", "predicted_regions"),
    "ham.boxes": ("Box",),
    "ham.datasets.dataset": ("Dataset",),
}
INTRODUCTION = """# Reference

What programs import from `ham`, from its docstrings; written by `python docs/write_api.py`. Names that are not here
may change from version to version. How they are used: [images of your own](own-images.md),
[data of your own](own-data.md).
"""


def write() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for module, names in PUBLIC.items():
        parts.append(f"\n## `{module}`\n")
        found = importlib.import_module(module)
        for name in names:
            parts += _entry(name, getattr(found, name))
    text = re.sub(r":(?:func|class|meth|mod):`~?([^`]+)`", r"`\1`", "\n".join(parts))
    return text.replace("``", "`").rstrip() + "\n"


def _entry(name: str, thing: Any) -> Iterator[str]:
    """A heading and what a class or function says of itself; then the public methods of a class."""
    yield f"### `{name}{_signature(thing)}`\n"
    yield f"{inspect.getdoc(thing)}\n"
    if not inspect.isclass(thing):
        return
    for method, value in vars(thing).items():
        told = value.fget if isinstance(value, property) else getattr(value, "func", getattr(value, "__func__", value))
        if method.startswith("_") or not inspect.isfunction(told) or not told.__doc__:
            continue
        shown = method if told is not value and not isinstance(value, classmethod) else f"{method}{_signature(told)}"
        yield f"- `{shown}`: {' '.join((inspect.getdoc(told) or '').split())}"
    yield ""


def _signature(thing: Any) -> str:
    """Parameters without types that fill a page; nothing of a class of settings."""
    try:
        names = [
            str(parameter.replace(annotation=inspect.Parameter.empty))
            for parameter in inspect.signature(thing).parameters.values()
            if parameter.name not in ("self", "cls")
        ]
    except (TypeError, ValueError):
        return ""
    return f"({', '.join(names)})" if len(names) <= 10 else "(…)"


if __name__ == "__main__":
    PAGE.write_text(write(), encoding="utf-8", newline="\n")
    print(f"{PAGE}: {len(PUBLIC)} modules")
