"""What a fetched file was verified by, remembered beside it for the description of the data set's sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ham.runtime.files import write_text


def record_checksum(target: Path, kind: str, digest: str | None) -> None:
    """Remember that ``target`` has this digest (of ``kind`` md5 or sha256); None: no checksum was known."""
    write_text(_beside(target), f"{kind}:{digest}" if digest else "none")


def verified_by(target: Path) -> dict[str, Any]:
    """What the file at ``target`` was verified by when it was fetched: {"sha256": …} or {"md5": …}, {"verified": False}
    where no checksum was known, {} where it was not fetched."""
    try:
        kind, _, digest = _beside(target).read_text(encoding="utf-8").partition(":")
    except FileNotFoundError:
        return {}
    return {kind: digest} if digest else {"verified": False}


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.verified")
