"""What tests of a user's own images share."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_checkpoint import write_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.safetensors of a network of random weights."""
    return write_checkpoint(tmp_path_factory.mktemp("model") / "model.safetensors", 0)
