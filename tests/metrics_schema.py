"""What a metrics.json may be, by the schema that is shipped."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA: dict[str, Any] = json.loads((files("ham") / "scoring/metrics.schema.json").read_text(encoding="utf-8"))
EXTEND = "describe it in ham/scoring/metrics.schema.json"


def mistakes(metrics: Any) -> list[str]:
    """Where ``metrics`` is not as described, and how."""
    found = Draft202012Validator(SCHEMA).iter_errors(metrics)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


def check_all(results: Path) -> int:
    """Check every metrics.json below a folder; their number."""
    paths = sorted(results.rglob("metrics.json"))
    for path in paths:
        assert mistakes(json.loads(path.read_text(encoding="utf-8"))) == [], f"{path}: {EXTEND}"
    return len(paths)
