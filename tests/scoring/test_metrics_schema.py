"""metrics.json is what its schema says, and the schema says what every key of it means."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from metrics_schema import EXTEND, SCHEMA, mistakes
from scored_split import score_split

BY_NAME = {
    ("digests", "data"),
    ("counts", "findings"),
    *(("operating_points", "thresholds", point) for point in ("youden", "target")),
}  # maps whose keys are files and findings


@pytest.fixture(scope="module")
def metrics(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """As scoring writes it of a split with everything: floors, subgroups, findings of one class, empty maps."""
    folder = tmp_path_factory.mktemp("results") / "phantom/localization-5fold/ham/fold1"
    score_split(folder, phantom, "Main/fold1/test_0_0.2", "bbox/fold1/test", validation="Main/test_list")
    return json.loads((folder / "metrics.json").read_text())


def test_what_scoring_writes_is_as_described(metrics: dict[str, Any]) -> None:
    assert mistakes(metrics) == [], EXTEND
    rows = metrics["classification"] + metrics["localization"]
    assert any(row["value"] is None for row in rows)  # a phantom of 40 images has findings of one class
    assert metrics["subgroups"]
    assert metrics["decisions"]


def test_scores_without_boxes_and_on_few_images_are_as_described(phantom: Path, tmp_path: Path) -> None:
    folder = score_split(tmp_path / "phantom/official/ham/all", phantom, "Main/fold1/test_0_0.2", None)
    written = json.loads((folder / "metrics.json").read_text())
    assert (written["localization"], written["lists"]["test_boxes"]) == ([], None)
    assert mistakes(written) == []


def row(metrics: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in metrics["localization"] if row["value"] is not None)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "a key is missing": lambda m: m.pop("region"),
    "a key of a part is missing": lambda m: m["counts"].pop("patients"),
    "a row has no scope": lambda m: row(m).pop("scope"),
    "a row has no upper end": lambda m: row(m).pop("high"),
    "a floor is missing": lambda m: m["floors"].pop("random-map"),
    "an unknown scope": lambda m: row(m).update(scope="median"),
    "an unknown metric": lambda m: row(m).update(metric="t_iuo"),
    "a value as text": lambda m: row(m).update(value="0.5"),
    "a share above 1": lambda m: row(m).update(value=50.0),
    "no value and no reason": lambda m: row(m).update(value=None),
    "a value and a reason": lambda m: row(m).update(reason="no pair of image and finding"),
    "half a pair": lambda m: row(m).update(n_pairs=2.5),
    "a subgroup of nobody": lambda m: m["subgroups"][0].pop("group"),
    "a subgroup without a column": lambda m: m["subgroups"][0].update(group="AP"),
    "a digest that is none": lambda m: m["digests"].update(maps="ab"),
    "a digest of data that is none": lambda m: m["digests"]["data"].update({"images.csv": "ab"}),
    "a threshold above 1": lambda m: m["operating_points"]["thresholds"]["youden"].update(abnormality=1.5),
    "an unknown point": lambda m: m["operating_points"]["thresholds"].update(best={"Mass": 0.5}),
    "a finding without counts": lambda m: next(iter(m["counts"]["findings"].values())).pop("pairs"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_as_described_is_refused(metrics: dict[str, Any], what: str) -> None:
    wrong = copy.deepcopy(metrics)
    WRONG[what](wrong)
    assert len(mistakes(wrong)) == 1


def objects(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object of a JSON value once a place; the items of a list are one place."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from objects(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from objects(value[0], path)


def test_a_key_that_is_not_described_is_refused_wherever_it_stands(metrics: dict[str, Any]) -> None:
    """Whoever adds a key to metrics.json sees this file's first test fail, and describes it in the schema."""
    places = [path for path, _ in objects(metrics) if path not in BY_NAME]
    assert {(), ("region",), ("classification",), ("subgroups",), ("floors", "whole-image")} <= set(places)
    for wanted in places:
        wrong = copy.deepcopy(metrics)
        (found,) = [value for path, value in objects(wrong) if path == wanted]
        found["not described"] = 1
        assert mistakes(wrong), wanted


def test_every_key_has_a_description() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    places = [value for _, value in objects(SCHEMA) if isinstance(value.get("properties"), dict) and "type" in value]
    assert len(places) > 5
    for place in places:
        assert place["additionalProperties"] is False
        for key, described in place["properties"].items():
            assert described.get("description"), f"{key} has no description"
            for choice in described.get("oneOf", ()):
                assert choice["description"], f"{choice} has no description"


def test_the_schema_is_shipped_with_the_package(root: Path) -> None:
    shipped = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["ham"]
    assert (root / "ham/scoring/metrics.schema.json").is_file()
    assert any(fnmatch("scoring/metrics.schema.json", pattern) for pattern in shipped)
