"""What testing keeps of a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ham.datasets.dataset import Dataset
from ham.model.map_file import write_maps
from ham.model.network import Output
from ham.predicting.run import _write_maps_of, probabilities


def dataset() -> Dataset:
    """Three findings, of which the last two have boxes somewhere."""
    findings = ["Hernia", "Mass", "Nodule"]
    info = {"name": "x", "findings": findings, "boxed_findings": findings[1:], "box_grid": 8, "lists": {}}
    return Dataset(Path("x"), info, pd.DataFrame(), {}, [])


def output() -> Output:
    """Of two images; the map of finding c in image i is i + c / 4 everywhere, abnormality's is 9 + i."""
    images = torch.arange(2.0)
    cam = (images[:, None] + torch.arange(3.0) / 4)[:, :, None, None].expand(2, 3, 4, 5)
    abnormal = (9 + images)[:, None, None, None].expand(2, 1, 4, 5)
    logits = torch.zeros(2, 3)
    return Output(logit_class=logits, logit_abnormality=logits[:, :1] + 50, cam_class=cam, cam_abnormality=abnormal)


def test_maps_are_kept_of_findings_with_boxes_and_of_abnormality(tmp_path: Path) -> None:
    with write_maps(tmp_path / "maps.npz") as maps:
        _write_maps_of("a/1.png", output(), 1, dataset(), maps)
    with np.load(tmp_path / "maps.npz") as file:
        found = {key: float(file[key].mean()) for key in file.files}
        assert file["a/1.png/Mass"].shape == (4, 5)
    assert list(found) == ["a/1.png/Mass", "a/1.png/Nodule", "a/1.png/abnormality"]
    assert list(found.values()) == [1.25, 1.5, 10.0]


def test_abnormality_is_the_last_probability() -> None:
    assert probabilities(output()).tolist() == [[0.5, 0.5, 0.5, 1.0]] * 2
