"""Which of several configuration files wins, and what a file sets in vain.

From weakest to strongest: config/config.yaml, each ``--configfile`` in the order given, ``--config``; maps merge key by
key, anything else is replaced. Of a training's settings, ``training`` is the base, an experiment's own lie over it, and
a variant's over both, whichever file they stand in.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ham.errors import SettingsError
from ham.runtime.yaml_text import load_yaml, read_yaml
from ham.settings import flatten

SHIPPED = Path(__file__).resolve().parents[1] / "config"
DESCRIPTIONS = SHIPPED / "datasets"
Layer = tuple[str, Mapping[str, Any]]  # what a file is called, and its values


def merged(base: Mapping[str, Any], *overlays: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merge key by key, anything else is replaced."""
    out = copy.deepcopy(dict(base))
    for overlay in overlays:
        for key, value in overlay.items():
            below = out.get(key)
            out[key] = (
                merged(below, value)
                if isinstance(below, Mapping) and isinstance(value, Mapping)
                else copy.deepcopy(value)
            )
    return out


def layers(files: Sequence[Path], overwrites: Mapping[str, Any]) -> list[Layer]:
    """config/config.yaml, ``files`` and the values of --config, weakest first. SettingsError for a file that is no
    map."""
    paths = [SHIPPED / "config.yaml", *(path for path in files if path != SHIPPED / "config.yaml")]
    return [*((path.name, read_map(path)) for path in paths), ("--config", overwrites)]


def composed(given: Sequence[Layer]) -> dict[str, Any]:
    """The values of all layers."""
    return merged({}, *(values for _, values in given))


def read_values(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` texts of --config, values read as YAML."""
    values: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        values = merged(values, {key: load_yaml(value, f"--config {text}")})
    return values


def read_nested(texts: Sequence[str]) -> dict[str, Any]:
    """Those of :func:`read_values` that are maps or lists: Snakemake reads everything inside braces as text, so that a
    number or ``false`` there would be refused."""
    return read_values([text for text in texts if text.partition("=")[2].lstrip()[:1] in ("{", "[")])


def read_map(path: Path) -> dict[str, Any]:
    """A YAML file of settings; SettingsError for one that is none."""
    values = read_yaml(path) or {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: a configuration is a map of keys (dataset, experiments, training, …)")
    return values


def shadowed(given: Sequence[Layer], experiments: Sequence[str], variants: Sequence[str]) -> list[str]:
    """A line for each training setting of a file that does not reach an experiment or variant that is run, because a
    weaker file defines that one's own."""
    lines = []
    for number, (name, values) in enumerate(given):
        later = [dict(flatten(_map(v.get("training")))) for _, v in given[number + 1 :]]
        for key, value in flatten(_map(values.get("training"))):
            if any(key in stronger for stronger in later):
                continue
            for kind, runs in (("experiments", experiments), ("variants", variants)):
                for run in runs:
                    place, other = _own(given, kind, run, key)
                    if place is not None and place < number and other != value:
                        lines.append(
                            f"training.{key}: {value} of {name} does not reach {run}, where "
                            f"define.{kind}.{run}.training.{key}: {other} of {given[place][0]} wins: set that as well"
                        )
    return lines


def _own(given: Sequence[Layer], kind: str, run: str, key: str) -> tuple[int | None, Any]:
    """The strongest layer that defines ``key`` for an experiment or variant, and its value."""
    for number in range(len(given) - 1, -1, -1):
        defined = _map(_map(_map(given[number][1].get("define")).get(kind)).get(run))
        own = dict(flatten(_map(defined.get("training"))))
        if key in own:
            return number, own[key]
    return None, None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
