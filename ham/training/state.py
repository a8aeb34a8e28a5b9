"""What a training keeps so that it can go on after any interruption, and knows when it is done.

The state lies in a folder that Snakemake does not manage (it deletes outputs before each attempt), is written whole or
not at all, and carries the fingerprint of the run: a folder with another fingerprint is emptied.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ham.errors import ResumeError
from ham.runtime.files import write_text, written

log = logging.getLogger("ham")


class Resume:
    """The resume folder of one run."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder: a second training of the same run (an orphan of a killed workflow, say) is refused."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise ResumeError(
                    f"{self.folder} is in use by another training ({lock.read().strip()}); wait for it or stop it."
                ) from None
            except OSError as error:
                log.warning(
                    "no file locks on %s (%s): make sure that no second training of it runs", self.folder, error
                )
            lock.truncate(0)
            lock.write(f"host {socket.gethostname()}, process {os.getpid()}\n")
            lock.flush()
            yield

    def load(self) -> dict[str, Any] | None:
        """The state of the last finished epoch, or None; whatever belongs to another run is removed."""
        path = self.folder / "state.pt"
        if not path.exists():
            self._empty()
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises half a dozen kinds for a damaged file
            log.warning("%s cannot be read (%s): starting at the first epoch", path, type(error).__name__)
            state = {}
        if state.get("fingerprint") == self.fingerprint:
            return state
        if state:
            log.info("settings, code or data changed since %s: starting at the first epoch", path)
        self._empty()
        return None

    def _empty(self) -> None:
        for old in self.folder.iterdir():
            if old.name != "lock":
                shutil.rmtree(old) if old.is_dir() else old.unlink()

    def save(self, state: dict[str, Any]) -> None:
        """Keep ``state`` as the last finished epoch's."""
        with written(self.folder / "state.pt") as temporary:
            torch.save({**state, "fingerprint": self.fingerprint}, temporary)

    def save_history(self, text: str) -> None:
        """The history so far, for people who watch."""
        write_text(self.folder / "history.csv", text)

    def checkpoint(self, name: str) -> Path:
        """Path of the weights called ``name``."""
        return self.folder / f"{name}.safetensors"
