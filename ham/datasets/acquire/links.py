"""The one way of what a user has into the data set: a link, never a copy, and nothing of the user's is changed."""

from __future__ import annotations

import os
from pathlib import Path

from ham.errors import DataError


def link(source: Path, target: Path, within: Path | None = None) -> None:
    """Make ``target`` a link to ``source``, a file or a folder; where they are one already, it is left alone.

    A file or link that stands at ``target`` is replaced. The link is absolute, but relative where ``source`` lies below
    ``within``, so that this folder can be moved with its links. Raises DataError where a real folder is in the way.
    """
    source = source.absolute()
    in_place = target.name == source.name and target.parent.samefile(source.parent)
    real = target.exists() and not target.is_symlink()
    if in_place or (real and target.samefile(source)):
        return
    if real and target.is_dir():
        raise DataError(f"{target} is in the way of a link to {source}: move it elsewhere and run again")
    if within is not None and source.resolve().is_relative_to(within.resolve()):
        source = Path(os.path.relpath(source.resolve(), target.parent.resolve()))
    temporary = target.with_name(f".{target.name}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(source)
    temporary.replace(target)
