"""Galleries: the map that is shown, which pairs, where boxes are drawn, and files that are small and equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageColor

from ham.boxes import Box
from ham.errors import DataError
from ham.reporting import gallery
from ham.reporting.results import read
from ham.reporting.settings import ReportingSettings
from ham.reporting.style import BOX_COLOUR

SETTINGS = ReportingSettings()
Make = Callable[..., Path]


@pytest.mark.parametrize("shape", [(7, 9), (1, 5), (16, 16), (64, 64)])
@pytest.mark.parametrize("size", [(48, 60), (5, 3), (16, 16), (1, 1)])
def test_the_display_map_equals_torch_with_aligned_corners(shape: tuple[int, int], size: tuple[int, int]) -> None:
    raw = np.random.default_rng(1).gamma(2.0, size=shape).astype(np.float32)
    tensor = torch.from_numpy(raw)[None, None]
    wanted = torch.nn.functional.interpolate(tensor, size=size, mode="bilinear", align_corners=True)[0, 0].numpy()
    spread = wanted.max() - wanted.min()
    wanted = (wanted - wanted.min()) / (spread if spread > 0 else 1e-5)
    shown = gallery.display_map(raw, *size)
    assert shown.dtype == np.float32
    assert shown.shape == size
    np.testing.assert_allclose(shown, wanted, atol=1e-5)


def test_a_constant_map_shows_nothing() -> None:
    shown = gallery.display_map(np.full((4, 4), 3.7, dtype=np.float32), 20, 30)
    assert (shown == 0).all()


def test_the_region_is_where_the_refined_map_reaches_its_certainty(make_split: Make) -> None:
    split = make_split()
    assert gallery.region_level(read([split])[0]) == pytest.approx(0.46907, abs=1e-5)
    run = json.loads((split / "run.json").read_text())
    run["settings"] = {"loss": {"refined_threshold": 0.5, "refined_slope": 50.0}}
    (split / "run.json").write_text(json.dumps(run))
    level = gallery.region_level(read([split])[0])
    assert 1 / (1 + np.exp(-50 * (level - 0.5))) == pytest.approx(0.999)


def test_examples_stand_at_even_ranks_from_good_to_poor(make_split: Make) -> None:
    splits = [make_split(f"fold{i}", boxed=("Mass",), findings=("Mass",), pairs=10, seed=i) for i in (1, 2)]
    chosen = gallery.choose(read(splits), "Mass", 4)
    assert [example.rank for example in chosen] == [3, 8, 13, 18]  # of 20: the middles of four equal parts
    everything = pd.concat([pd.read_csv(split / "localization.csv") for split in splits])["iou"]
    ordered = sorted(everything, reverse=True)
    assert [example.iou for example in chosen] == [ordered[example.rank - 1] for example in chosen]


def test_few_pairs_are_shown_once_each_and_none_gives_none(make_split: Make) -> None:
    results = read([make_split(boxed=("Mass",), findings=("Mass",), pairs=3)])
    assert [example.rank for example in gallery.choose(results, "Mass", 8)] == [1, 2, 3]
    assert gallery.choose(results, "Hernia", 4) == []


def test_a_sheet_is_a_png_with_equal_bytes_each_time(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    splits = [make_split(f"fold{i}", seed=i) for i in (1, 2)]
    for name in ("a", "b"):
        gallery.write_gallery(dataset, splits, tmp_path / name / "ham.png", SETTINGS)
    assert (tmp_path / "a/ham.png").read_bytes() == (tmp_path / "b/ham.png").read_bytes()
    assert (tmp_path / "a/ham.png").stat().st_size < gallery.PNG_BYTES
    assert Image.open(tmp_path / "a/ham.png").width == 2 * 3 * gallery.SIDE + 4 * gallery.GAP + 18 + 2 * gallery.MARGIN


def test_a_variant_without_localization_gets_a_sentence(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    gallery.write_gallery(dataset, [make_split(boxed=(), floors=())], tmp_path / "ham.png", SETTINGS)
    assert Image.open(tmp_path / "ham.png").height < 200


def test_a_missing_map_or_image_is_named(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    split = make_split()
    example = gallery.choose(read([split]), "Cardiomegaly", 1)[0]
    path = dataset / "images" / example.image
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(DataError, match=example.image):
        gallery.write_gallery(dataset, [split], tmp_path / "ham.png", ReportingSettings(gallery_examples=1))
    path.write_bytes(kept)
    np.savez(split / "maps.npz", other=np.zeros(1))
    with pytest.raises(DataError, match="has no map"):
        gallery.write_gallery(dataset, [split], tmp_path / "ham.png", SETTINGS)
    assert not (tmp_path / "ham.png").exists()


def test_boxes_are_drawn_where_they_are_in_the_original() -> None:
    drawn = np.asarray(gallery._with_boxes(np.zeros((100, 50, 3)), [Box(20, 40, 60, 120)], scale=0.5))
    coloured = (drawn == ImageColor.getrgb(BOX_COLOUR)).all(axis=2)
    rows, columns = np.nonzero(coloured)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 20, 30, 60)
