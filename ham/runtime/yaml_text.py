"""YAML that people write, read so that what stands there is what is meant: a key twice, or a text that YAML takes for a
number in the sixties, is a mistake with its line, and a date stays the text that it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from ham.errors import SettingsError
from ham.settings import Settings, described, known_keys, sentence

Read = TypeVar("Read", bound=Settings)

DATE = "tag:yaml.org,2002:timestamp"
MERGE = "tag:yaml.org,2002:merge"
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """PyYAML's, stricter."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A map whose keys stand there once; an alias (``<<``) may be written over."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A number, but none to the base of sixty."""
        if ":" in node.value:
            what = f"{node.value} would be read as a number to the base of 60: put it into quotes"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark)
        number: int | float = yaml.SafeLoader.yaml_constructors[node.tag](self, node)
        return number


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, form) for tag, form in resolvers if tag != DATE]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag in NUMBERS:
    _Loader.add_constructor(_tag, _Loader.construct_number)


def load_yaml(text: str, source: str) -> Any:
    """The value of YAML text; SettingsError, which begins with ``source``, for what is none."""
    try:
        value = yaml.load(text, _Loader)  # a SafeLoader
        json.dumps(value, default=str)  # an alias that holds itself
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SettingsError(f"{source}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    return value


def read_yaml(path: Path, absent: str = "there is no such file") -> Any:
    """The value of a YAML file; SettingsError for one that is not there or is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{path}: {absent}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text in UTF-8: save it as UTF-8 in your editor") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    return load_yaml(text, str(path))


def read_settings(model: type[Read], path: Path, absent: str = "there is no such file") -> Read:
    """Settings of a YAML file with a map of their keys; SettingsError with all its mistakes."""
    values = read_yaml(path, absent)
    if values is not None and not isinstance(values, dict):
        raise SettingsError(f"{path}: a map of keys is expected ({', '.join(list(model.model_fields)[:4])}, …)")
    try:
        return model.of(values or {})
    except ValidationError as error:
        raise SettingsError(sentence(str(path), described(error, [*known_keys(model)]))) from None
