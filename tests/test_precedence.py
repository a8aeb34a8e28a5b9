"""The stronger file wins, and what a file sets in vain is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ham import precedence
from ham.errors import SettingsError

LAYERS: list[precedence.Layer] = [
    (
        "config.yaml",
        {
            "training": {"epochs": 20, "network": {"dropout": 0.1}},
            "define": {
                "experiments": {"long": {"training": {"epochs": 30}}, "short": {}},
                "variants": {"ham": {}, "wild": {"training": {"network": {"dropout": 0.5}}}},
            },
        },
    ),
    ("mine.yaml", {"training": {"epochs": 3}}),
    ("--config", {}),
]


def shadowed(*changes: tuple[int, dict[str, Any]], variants: tuple[str, ...] = ("ham",)) -> list[str]:
    layers = [(name, dict(values)) for name, values in LAYERS]
    for number, values in changes:
        layers[number] = (layers[number][0], precedence.merged(layers[number][1], values))
    return precedence.shadowed(layers, ["long", "short"], variants)


def test_a_value_that_does_not_reach_an_experiment_is_said() -> None:
    assert shadowed() == [
        "training.epochs: 3 of mine.yaml does not reach long, where define.experiments.long.training.epochs: 30 of "
        "config.yaml wins: set that as well"
    ]


def test_what_the_same_or_a_stronger_file_says_of_the_experiment_is_meant() -> None:
    own = {"define": {"experiments": {"long": {"training": {"epochs": 5}}}}}
    assert shadowed((1, own)) == []
    assert shadowed((2, own)) == []
    assert shadowed((2, {"training": {"epochs": 30}})) == []  # the same value, whoever wins


def test_the_strongest_value_is_the_one_that_is_told() -> None:
    (line,) = shadowed((2, {"training": {"epochs": 4}}))
    assert line.startswith("training.epochs: 4 of --config does not reach long")


def test_variants_that_are_run_are_looked_at_and_others_are_not() -> None:
    change = (1, {"training": {"network": {"dropout": 0.2}}})
    assert len(shadowed(change)) == 1
    assert len(shadowed(change, variants=("ham", "wild"))) == 2


def test_files_over_the_paper_and_command_line_over_files(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("training: {epochs: 3, batch_size: 8}\n")
    given = precedence.layers([mine], precedence.read_values(["training={epochs: 4}"]))
    assert [name for name, _ in given] == ["config.yaml", "mine.yaml", "--config"]
    training = precedence.composed(given)["training"]
    assert (training["epochs"], training["batch_size"], training["image_size"]) == (4, 8, 512)


def test_what_stands_in_braces_is_read_as_yaml_reads_it() -> None:
    texts = ["data={archives: [2, 3], partial: false}", "variants=[ham]", "dataset=nih", "seed=1"]
    assert precedence.read_nested(texts) == {"data": {"archives": [2, 3], "partial": False}, "variants": ["ham"]}


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "\x00"])
def test_a_file_that_is_no_map_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"x\.yaml: "):
        precedence.read_map(tmp_path / "x.yaml")


def test_the_shipped_files_set_nothing_in_vain() -> None:
    for file in sorted(precedence.SHIPPED.glob("*.yaml")):
        given = precedence.layers([file], {})
        values = precedence.composed(given)
        assert precedence.shadowed(given, values["experiments"], values["variants"]) == [], file
        assert yaml.safe_load(file.read_text())
