"""Mistakes in settings, told so that all of them can be mended at once: what is wrong, where, what was given."""

from __future__ import annotations

from pydantic import ValidationError


def described(error: ValidationError) -> list[str]:
    """``key.path: what is wrong (given: value)``, one a mistake."""
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"])
        given = item["input"]
        message = (
            "there is no such key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        )
        shown = "" if isinstance(given, dict | list | tuple) else f" (given: {given!r})"
        if isinstance(given, str) and _is_number(given):
            shown += "; YAML reads this as text, write it without quotes and with a point, like 2.0e-5"
        lines.append(f"{where}: {message}{shown}" if where else f"{message}{shown}")
    return lines


def sentence(source: str, problems: list[str]) -> str:
    """All ``problems`` of ``source``, one a line below their number."""
    counted = f"{source} has {len(problems)} mistake{'s' * (len(problems) > 1)}:"
    return "\n".join([counted, *(f"  {line}" for line in problems)])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
