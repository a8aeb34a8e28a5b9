"""Shared fixtures; the folder of this file is on sys.path, so tests import ``golden``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a data set of 40 drawn radiographs of 20 patients."""
    from small_phantom import make_phantom

    return make_phantom(tmp_path_factory.mktemp("phantom"))
