"""One split trained by several processes, as several GPUs do it, through the rule."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from .conftest import Checkout

# Steps so small that rounding stays what it is (tests/training/test_determinism.py says why); the statistics of batch
# norm behind steep maps still differ by 1e-5, where a batch divided wrongly moves them by more than 1e-2.
DIVIDED = """
training:
  network: {batch_norm_images: 4}
  optimizer: {name: sgd, learning_rate: 1.0e-5}
define:
  experiments:
    localization-5fold:
      training: {epochs: 1}
"""
SPLIT = "results/phantom/localization-5fold/ham/fold1"


def test_two_processes_through_the_rule_end_with_the_numbers_of_one(changed: Checkout) -> None:
    (changed.folder / "divided.yaml").write_text(DIVIDED)
    changed.config.append(str(changed.folder / "divided.yaml"))
    found = []
    for processes in (1, 2):
        for folder in (SPLIT, SPLIT.replace("results/", "results/.resume/")):
            shutil.rmtree(changed.folder / folder)
        changed.run(f"{SPLIT}/model.safetensors", "--set-resources", f"train:processes={processes}")
        run = json.loads((changed.folder / SPLIT / "run.json").read_text())
        assert run["processes"] == processes
        found.append(
            (
                load_file(changed.folder / SPLIT / "model.safetensors"),
                pd.read_csv(changed.folder / SPLIT / "history.csv"),
            )
        )
    (one, history), (two, other) = found
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-4, err_msg=name)
    columns = [name for name in history if name not in ("seconds", "images_per_second")]
    np.testing.assert_allclose(other[columns], history[columns], rtol=1e-3, atol=1e-5)
    assert columns == [name for name in other if name not in ("seconds", "images_per_second")]
