"""IoU at every cut is that of regions cut one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ham.model.map_file import read_maps, write_maps
from ham.model.maps import normalised_maps
from ham.model.metrics import overlap
from ham.scoring.cuts import CUTS, iou_at_cuts
from ham.scoring.truth import Pair, masks_of


def box(side: int, top: int, bottom: int) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    mask[top:bottom, 3:9] = True
    return mask


def test_iou_at_every_cut_is_that_of_a_region_cut_there(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    pairs = [
        Pair(f"{place}.png", "Mass", "p", 1, lambda side, place=place: box(side, 2 + place, 9 + place))  # type: ignore[misc]
        for place in range(4)
    ]
    raws = [draw.random((5, 7)).astype(np.float32) for _ in pairs]
    raws[2][:] = 0  # predicts nothing at any cut
    raws[3] = np.eye(7, dtype=np.float32)[:5]  # many pixels at 0 and at 1
    with write_maps(tmp_path / "maps.npz") as maps:
        for pair, raw in zip(pairs, raws, strict=True):
            maps.write(pair.image, pair.finding, raw)
    masks = masks_of(pairs, 16)
    with read_maps(tmp_path / "maps.npz") as read:
        found = iou_at_cuts(read, pairs, masks, 16)
    assert found.shape == (4, len(CUTS))
    for place, cut in enumerate(CUTS):
        regions = torch.cat([normalised_maps(torch.from_numpy(raw)[None], 16) >= cut for raw in raws]).numpy()
        np.testing.assert_array_equal(found[:, place], overlap(regions, masks).iou)
    assert (found[2] == 0).all()
    assert len(np.unique(found[0])) > 5
