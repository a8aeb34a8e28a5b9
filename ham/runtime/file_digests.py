"""Digests of a user's files, so that another content is a change, whatever the clock says of it.

An older table put in place by ``mv``, ``cp -p``, ``rsync -a`` or a restored backup has an older time than what was made
from the former one. A digest is taken anew where size, time or inode moved, and remembered otherwise, so that a plan
costs one look at each file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ham.errors import EnvironmentProblem
from ham.runtime.files import sha256, write_json


def look_at_folder(folder: Path | str) -> str:
    """A digest over name, size, time and inode of every file below a folder, whose content is not read; empty where
    there is none."""
    seen: list[str] = []
    entered: set[tuple[int, int]] = set()  # links may lead round in a circle
    for place, folders, names in os.walk(folder, followlinks=True):
        here = os.stat(place)
        if (here.st_dev, here.st_ino) in entered:
            folders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            seen.append(f"{os.path.relpath(path, folder)} {status.st_size} {status.st_mtime_ns} {status.st_ino}")
    return hashlib.sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()[:16] if seen else ""


class FileDigests:
    """SHA-256 of files, remembered in the JSON file ``memory``."""

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self.known: dict[str, list[object]] = {}
        try:
            kept = json.loads(memory.read_text(encoding="utf-8"))
            self.known = {path: entry for path, entry in kept.items() if len(entry) == 4}
        except (OSError, ValueError, TypeError, AttributeError):
            pass  # taken anew

    def of(self, path: Path | str) -> str:
        """The digest of a file; where there is none now, as it was last seen, or empty."""
        key = os.path.abspath(path)
        try:
            status = os.stat(key)
            seen = [status.st_size, status.st_mtime_ns, status.st_ino]
            if self.known.get(key, [])[:3] != seen:
                self.known[key] = [*seen, sha256(key)]
                self._remember()
        except OSError:
            return str(self.known[key][3]) if key in self.known else ""
        return str(self.known[key][3])

    def of_all(self, paths: Iterable[Path | str]) -> list[str]:
        """The digest of each."""
        return [self.of(path) for path in paths]

    def folder(self, path: Path | str) -> str:
        """:func:`look_at_folder`, or what was last seen where there is no folder now: scores and reports can be made
        where the images are not at hand."""
        key = f"all of {os.path.abspath(path)}"
        seen = look_at_folder(path)
        if not seen:
            return str(self.known[key][3]) if key in self.known else ""
        if self.known.get(key, [None] * 4)[3] != seen:
            self.known[key] = [0, 0, 0, seen]
            self._remember()
        return seen

    def place(self, link: Path, source: Path | None) -> str:
        """Which file a link into a mirror leads to: a digest over size, time and inode, not content.

        Before there is a link it is that of ``source``, where it will lead. Where neither is there, it is what was last
        seen: a mirror that was taken away changes nothing. Empty of a file that is no link.
        """
        key = f"{os.path.abspath(link)} in its mirror"
        remembered = self.known.get(key)
        followed = link if link.is_symlink() and link.exists() else None
        if followed is None and (link.exists() or remembered or source is None or not source.is_file()):
            return str(remembered[3]) if remembered else ""
        status = os.stat(followed or str(source))
        seen = [status.st_size, status.st_mtime_ns, status.st_ino]
        if remembered is None or remembered[:3] != seen:
            self.known[key] = [*seen, hashlib.sha256(str(seen).encode()).hexdigest()[:16]]
            self._remember()
        return str(self.known[key][3])

    def _remember(self) -> None:
        try:
            write_json(self.memory, self.known)
        except (OSError, EnvironmentProblem):  # a folder that cannot be written: taken again next time
            return
