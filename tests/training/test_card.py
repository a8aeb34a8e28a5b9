"""What a training writes into the card of its network, against its own validation images predicted anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from small_training import LISTS, SMALL

import ham
from ham.datasets.dataset import Dataset
from ham.training.batches import Sources
from ham.training.run import train


def test_thresholds_are_those_of_the_validation_images(phantom: Path, tmp_path: Path) -> None:
    """Of the network that was kept: Youden's largest sum and the first threshold of sensitivity .9, by scikit-learn."""
    train(Sources(phantom, LISTS), SMALL, tmp_path / "out", {})
    model, dataset = ham.load(tmp_path / "out/model.safetensors"), Dataset.open(phantom)
    images = list(dict.fromkeys([*dataset.listed(LISTS.validation), *dataset.listed(LISTS.validation_boxes or "")]))
    labels, decisions = dataset.labels(images), model.card.decisions
    assert decisions is not None
    assert (decisions.chosen_on, decisions.images) == (LISTS.validation, len(images))
    found = model.predict([dataset.path(image) for image in images])
    checked = 0
    for column, name in enumerate(model.findings):
        known = ~np.isnan(labels[:, column])
        truth = labels[known, column]
        if not 0 < truth.sum() < len(truth):
            assert name not in decisions.youden
            continue
        false, true, levels = roc_curve(truth, found.probabilities[known, column], drop_intermediate=False)
        best = np.argmax(np.round(true - false, 9))
        assert decisions.youden[name] == pytest.approx(min(levels[best], 1), abs=1e-4)
        assert decisions.target[name] == pytest.approx(levels[np.argmax(true >= 0.9)], abs=1e-4)
        checked += 1
    assert checked
    typical = model.card.typical
    assert typical is not None
    assert typical.images == len(dataset.listed(LISTS.train))
