"""Four steps of each optimizer against the published trajectories (tests/golden/trajectories.npz, float64)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import reference_inputs
from golden.files import golden, golden_json

from ham.model.losses import hierarchical_losses
from ham.model.network import HierarchicalAttentionNetwork
from ham.samples import Supervision
from ham.settings import LossSettings, NetworkSettings
from ham.training.schedule import learning_rate
from ham.training.settings import OptimizerSettings, ScheduleSettings
from ham.training.step import make_optimizer

TRAJECTORIES = golden("trajectories")
RATES = {"adam": 1e-3, "sgd": 1e-2, "rmsprop": 1e-4}


@pytest.mark.parametrize("name", RATES)
def test_four_steps_end_with_the_published_weights(name: str) -> None:
    settings = NetworkSettings(architecture="resnet18", pretrained=None, dropout=0.0)
    network = HierarchicalAttentionNetwork(14, settings).double()
    network.load_state_dict(
        {
            key: torch.from_numpy(np.asarray(reference_inputs.weight(key, tuple(value.shape))))
            for key, value in network.state_dict().items()
        }
    )
    network.train()
    optimizer = make_optimizer(network, OptimizerSettings(name=name, learning_rate=RATES[name], weight_decay=1e-4))
    for step in range(4):
        batch = reference_inputs.batch(f"step-{step}")
        image, finding = torch.from_numpy(batch["pairs"] * batch["supervised"][:, None]).nonzero(as_tuple=True)
        masks = torch.from_numpy(batch["masks"])[image, finding]
        known = Supervision(torch.from_numpy(batch["labels"]), image, finding, masks)
        losses = hierarchical_losses(network(torch.from_numpy(batch["images"])), known, LossSettings())
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        for term, value in losses._asdict().items():
            expected = TRAJECTORIES[f"{name}/loss/{term}"][step]
            assert float(value.detach()) == pytest.approx(float(expected), rel=1e-8), (term, step)
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            found = [float(value.sum()), float(value.abs().sum()), float(value.square().sum())]
            np.testing.assert_allclose(found, TRAJECTORIES[f"{name}/weight/{key}"], rtol=1e-8, atol=1e-9, err_msg=key)


def test_schedules_equal_the_published_ones() -> None:
    for published in golden_json("schedules")["learning_rates"].values():
        poly = published["decay_every"] == "dynamic"
        settings = (
            ScheduleSettings(name="poly")
            if poly
            else ScheduleSettings(every=published["decay_every"], decay=published["decay"])
        )
        found = [
            learning_rate(published["lr"], epoch, published["epochs"], settings) for epoch in range(published["epochs"])
        ]
        np.testing.assert_allclose(found, published["values"], rtol=1e-12)
