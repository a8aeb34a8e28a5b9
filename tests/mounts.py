"""Programs that see a disk of their own: full, small or read-only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

UNSHARE = ("unshare", "--map-root-user", "--mount")


def run_with_mount(mount: Sequence[str], program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python ``program`` after the command ``mount``, which nobody else sees; skips where nothing may be mounted."""
    if sys.platform != "linux" or subprocess.run([*UNSHARE, *mount], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    mounted = f"import subprocess; subprocess.run({list(mount)!r}, check=True)\n{program}"
    return subprocess.run(
        [*UNSHARE, sys.executable, "-c", mounted, *arguments],
        capture_output=True, input="", text=True, timeout=300, check=False,
    )  # fmt: skip
