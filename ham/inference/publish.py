"""A folder ready for a model hub: weights, a card that people and hubs read, and an example. Nothing is uploaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from ham import __version__
from ham.errors import DataError
from ham.inference.model import POINTS, Model, find_checkpoints
from ham.model.card import ABNORMALITY
from ham.runtime.files import link_or_copy, sha256, write_json, write_text

EXAMPLE = '''"""Predict one radiograph: python example.py chest.png"""

import sys
from pathlib import Path

import ham

model = ham.load(Path(__file__).parent)
found = model.predict(sys.argv[1])
for finding in model.findings:
    print(f"{finding}: {found.probability(0, finding):.3f}", found.boxes(0, finding)[:1])
'''

HEADER = {
    "library_name": "ham",
    "pipeline_tag": "image-classification",
    "license": "other",
    "license_name": "see-training-data",
    "tags": ["chest-x-ray", "radiology", "weakly-supervised-localization", "safetensors"],
}
README = """\
---
{header}
---
# {findings} findings in chest radiographs, and where they are

{note}

{description}.

- Method: hierarchical attention mining, Ouyang et al., IEEE TMI 2021.
- Input: one frontal chest radiograph, grey, resized to {side} x {side}.
- Output: a probability and an attention map a finding, and of abnormality; the map is cut to a region. A region says
  where the network looked, also of a finding that is not there.
- Trained on: {dataset}. Terms of its images: {terms}.
- Before use on other patients, scanners or views: measure it there. Labels of public data sets are mined from reports
  and partly wrong.

```python
import ham
model = ham.load("this-folder")
print(model.predict("chest.png").table())
```

## Thresholds

{chosen}

| finding | largest sum | target sensitivity |
|---|---|---|
{rows}

## Settings

```json
{settings}
```
"""


def publish(given: Sequence[Path], folder: Path) -> None:
    """Write ``folder``, which must be new or empty: the checkpoints, README.md with a YAML header, config.json and
    example.py. Several models are published as one ensemble. ``ham.load(folder)`` opens it."""
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder}: is not empty; publish into a new folder, so that nothing old stands beside.")
    model = Model.open(given)
    files = find_checkpoints(given)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write(model, files, unfinished)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(model: Model, files: Sequence[Path], folder: Path) -> None:
    names = (
        ["model.safetensors"]
        if len(files) == 1
        else [f"model-{place}.safetensors" for place in range(1, len(files) + 1)]
    )
    for file, name in zip(files, names, strict=True):
        link_or_copy(file, folder / name)
    card = model.card
    write_json(
        folder / "config.json",
        {
            "library": "ham",
            "version": __version__,
            "findings": list(model.findings),
            "image_size": card.model.image_size,
            "normalisation": card.model.normalisation.plain(),
            "region": model.rule._asdict(),
            "thresholds": {point: model.thresholds(point) for point in POINTS},
            "weights": {name: sha256(folder / name) for name in names},
        },
    )
    write_text(folder / "README.md", readme(model))
    write_text(folder / "example.py", EXAMPLE)


def readme(model: Model) -> str:
    """The card of a model as a hub shows it."""
    card, decisions = model.card, model.card.decisions
    best, enough = (model.thresholds(point) for point in POINTS)
    rows = [
        f"| {name} | {_cell(best.get(name))} | {_cell(enough.get(name))} |" for name in (*model.findings, ABNORMALITY)
    ]
    chosen = "No threshold was chosen: the model gives probabilities only."
    if decisions:
        chosen = (
            f"Chosen on {decisions.images} images of {decisions.chosen_on}: where sensitivity + specificity is "
            f"largest, and the highest that reaches a sensitivity of {decisions.sensitivity:g} there."
        )
    return README.format(
        header=yaml.safe_dump(HEADER, sort_keys=False).strip(),
        findings=len(model.findings),
        note=card.note,
        description=model.describe(),
        side=card.model.image_size,
        dataset=card.dataset or "unknown data",
        terms=(card.data_licence or "unknown").rstrip("."),
        chosen=chosen,
        rows="\n".join(rows),
        settings=json.dumps(dict(card.settings), indent=1, sort_keys=True),
    )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
