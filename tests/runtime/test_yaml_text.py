"""YAML of users: what stands there is what is meant, or is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ham.errors import SettingsError
from ham.runtime.yaml_text import load_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training: {epochs: 3}\nexperiments: [a]\ntraining: {batch_size: 8}", r"training stands twice .*line 3"),
        ("a: {b: 1, b: 2}", "b stands twice"),
        ("batch_size: 1:30", "1:30 would be read as a number to the base of 60: put it into quotes"),
        ("a: &a [*a]", "Circular"),
        ("a: [1", "line 1"),
        ("? [1, 2]\n: 3", "unhashable key"),
    ],
)
def test_what_would_be_read_otherwise_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"^mine: cannot be read as YAML.*{said}"):
        load_yaml(text, "mine")


def test_dates_are_texts_and_aliases_may_be_written_over() -> None:
    assert load_yaml("2024-01-01: {on: 2024-13-01}", "x") == {"2024-01-01": {True: "2024-13-01"}}
    assert load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", "x")["b"] == {"x": 3, "y": 2}
    assert load_yaml("{a: 2.0e-5, b: 12, c: .5, d: 0x1f}", "x") == {"a": 2e-5, "b": 12, "c": 0.5, "d": 31}


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_text_in_another_encoding_says_how_to_save(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.yaml").write_text("name: Grün", encoding=encoding)
    with pytest.raises(SettingsError, match="is no text in UTF-8: save it as UTF-8"):
        read_yaml(tmp_path / "a.yaml")


def test_a_byte_order_mark_is_read_and_an_absent_file_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfname: x")
    assert read_yaml(tmp_path / "a.yaml") == {"name": "x"}
    with pytest.raises(SettingsError, match=r"b\.yaml: there is no such file"):
        read_yaml(tmp_path / "b.yaml")
