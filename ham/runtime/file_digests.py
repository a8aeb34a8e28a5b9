"""Digests of a user's files, so that another content is a change, whatever the clock says of it.

An older table put in place by ``mv``, ``cp -p``, ``rsync -a`` or a restored backup has an older time than what was made
from the former one. A digest is taken anew where size, time or inode moved, and remembered otherwise, so that a plan
costs one look at each file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ham.runtime.files import sha256, write_json


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
        """The digest of a file, empty where there is none."""
        key = os.path.abspath(path)
        try:
            status = os.stat(key)
            seen = [status.st_size, status.st_mtime_ns, status.st_ino]
            if self.known.get(key, [])[:3] != seen:
                self.known[key] = [*seen, sha256(key)]
                self._remember()
        except OSError:
            return ""
        return str(self.known[key][3])

    def of_all(self, paths: Iterable[Path | str]) -> list[str]:
        """The digest of each."""
        return [self.of(path) for path in paths]

    def _remember(self) -> None:
        try:
            write_json(self.memory, self.known)
        except OSError:  # a folder that cannot be written: taken again next time
            return
