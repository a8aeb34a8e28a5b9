"""A folder for a model hub opens again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_checkpoint import FINDINGS, radiograph, write_checkpoint

import ham
from ham.errors import DataError
from ham.inference import publish as publishing
from ham.inference.publish import publish
from ham.runtime.files import sha256


def test_a_published_folder_says_the_same_and_its_example_runs(checkpoint: Path, tmp_path: Path, root: Path) -> None:
    """The header is YAML, the digests are those of the files."""
    folder = tmp_path / "hub"
    publish([checkpoint], folder)
    image = radiograph(1)
    said = ham.load(checkpoint).predict(image).probabilities
    np.testing.assert_array_equal(ham.load(folder).predict(image).probabilities, said)
    config = json.loads((folder / "config.json").read_text())
    assert config["findings"] == list(FINDINGS)
    assert config["weights"] == {"model.safetensors": sha256(checkpoint)}
    _, header, text = (folder / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "ham"
    assert "| Mass | 0.000 | 0.200 |" in text
    image.save(tmp_path / "chest.png")
    done = subprocess.run(
        [sys.executable, folder / "example.py", tmp_path / "chest.png"],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Mass: {said[0, 0]:.3f}" in done.stdout


def test_several_models_are_one_ensemble_and_nothing_old_stands_beside(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    publish([checkpoint, write_checkpoint(tmp_path / "b.safetensors", 3)], folder)
    assert len(ham.load(folder).networks) == 2
    with pytest.raises(DataError, match="is not empty"):
        publish([checkpoint], folder)


def test_a_failure_leaves_nothing_behind(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command works when there is room again."""
    folder = tmp_path / "hub"
    with monkeypatch.context() as full:
        full.setattr(publishing, "write_text", lambda *given: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            publish([checkpoint], folder)
    assert list(tmp_path.iterdir()) == []
    publish([checkpoint], folder)
    assert (folder / "README.md").exists()
