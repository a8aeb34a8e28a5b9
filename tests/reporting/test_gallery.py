"""Galleries: the map that is shown, which pairs, where boxes are drawn, and files that are small and equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from ham.boxes import Box
from ham.datasets.dataset import Dataset
from ham.errors import DataError
from ham.model.map_file import read_maps, write_maps
from ham.model.maps import RegionRule
from ham.model.overlays import BOX_COLOUR, draw_map, with_boxes
from ham.reporting import gallery
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.scoring import localization
from ham.scoring.truth import Truth, masks_of
from ham.settings import LossSettings

from .fake_results import IMAGES, write_dataset, write_split

SETTINGS = ReportingSettings()
Make = Callable[..., Path]


@pytest.mark.parametrize("loss", [LossSettings(), LossSettings(refined_threshold=0.6, refined_slope=20.0)])
def test_the_region_drawn_is_the_region_scored(tmp_path: Path, loss: LossSettings) -> None:
    """Its pixels, and with them IoU and IoR of localization.csv, for images of other sides than the network's."""
    data = Dataset.open(write_dataset(tmp_path / "Phantom", IMAGES, size=(48, 60)))
    split = write_split(tmp_path / "phantom/localization-5fold/ham/fold1", IMAGES)
    rule = RegionRule.of(32, loss)
    pairs = Truth.of_dataset(data, None, "Main/test").pairs
    rng = np.random.default_rng(3)
    with write_maps(split / "maps.npz") as file:
        for pair in pairs:
            file.write(pair.image, pair.finding, rng.gamma(2.0, size=(7, 9)))
    masks = masks_of(pairs, rule.size)
    with read_maps(split / "maps.npz") as maps:
        found = localization.model_overlap(maps, pairs, masks, rule)
        predictions = pd.DataFrame(0.5, index=IMAGES, columns=list(data.findings))
        localization.pair_table(pairs, found, predictions).to_csv(split / "localization.csv", index=False)
        metrics = json.loads((split / "metrics.json").read_text()) | {"region": rule._asdict()}
        (split / "metrics.json").write_text(json.dumps(metrics))
        (result,) = read_results([split])
        rows = {(pair.image, pair.finding): row for row, pair in enumerate(pairs)}
        for finding in data.boxed_findings:
            for example in gallery.choose_examples([result], finding, 4):
                size = 4 * rule.size, 8 * rule.size  # each pixel of the region is a rectangle of the thumbnail
                raw = maps.read(example.image, example.finding)
                drawn = gallery.draw_region(raw, gallery.region_rule(result), size)[::8, ::4]
                truth = masks[rows[example.image, finding]]
                both, either = (drawn & truth).sum(), (drawn | truth).sum()
                assert 0 < drawn.sum() < drawn.size
                assert both / either == pytest.approx(example.iou, abs=1e-12)
                assert both / drawn.sum() == pytest.approx(example.ior, abs=1e-12)


def test_a_ramp_is_drawn_from_where_it_is_certain() -> None:
    ramp = np.array([[0.0, 1.0]], np.float32)
    # seen at 101 pixels it is 0, 0.01 … 1; a pixel is certain from 0.4 + ln(999) / 100 = 0.46907, hence the 48th
    region = gallery.draw_region(ramp, RegionRule(101), (101, 3))
    assert region.shape == (3, 101)
    assert (np.flatnonzero(region[0]) == np.arange(47, 101)).all()
    np.testing.assert_allclose(draw_map(ramp, 101, (101, 3))[2], np.arange(101) / 100, atol=1e-6)


def test_a_map_of_zeros_shows_nothing() -> None:
    flat = np.zeros((4, 4), dtype=np.float32)
    assert not draw_map(flat, 16, (20, 30)).any()
    assert not gallery.draw_region(flat, RegionRule(16), (20, 30)).any()


def test_scores_that_do_not_say_how_regions_were_made_are_named(make_split: Make) -> None:
    split = make_split()
    metrics = json.loads((split / "metrics.json").read_text())
    assert gallery.region_rule(read_results([split])[0]) == RegionRule(64)
    for region in ({"size": 64, "angle": 1}, None):
        (split / "metrics.json").write_text(json.dumps(metrics | {"region": region}))
        with pytest.raises(DataError, match="no rule of regions: score this split again"):
            gallery.region_rule(read_results([split])[0])


def test_examples_stand_at_even_ranks_from_good_to_poor(make_split: Make) -> None:
    splits = [make_split(f"fold{i}", boxed=("Mass",), findings=("Mass",), pairs=10, seed=i) for i in (1, 2)]
    chosen = gallery.choose_examples(read_results(splits), "Mass", 4)
    assert [example.rank for example in chosen] == [3, 8, 13, 18]  # of 20: the middles of four equal parts
    everything = pd.concat([pd.read_csv(split / "localization.csv") for split in splits])["iou"]
    ordered = sorted(everything, reverse=True)
    assert [example.iou for example in chosen] == [ordered[example.rank - 1] for example in chosen]


def test_few_pairs_are_shown_once_each_and_none_gives_none(make_split: Make) -> None:
    results = read_results([make_split(boxed=("Mass",), findings=("Mass",), pairs=3)])
    assert [example.rank for example in gallery.choose_examples(results, "Mass", 8)] == [1, 2, 3]
    assert gallery.choose_examples(results, "Hernia", 4) == []


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
    example = gallery.choose_examples(read_results([split]), "Cardiomegaly", 1)[0]
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
    drawn = np.asarray(with_boxes(np.zeros((100, 50, 3)), [Box(20, 40, 60, 120)], (0.5, 0.25)))
    coloured = (drawn == ImageColor.getrgb(BOX_COLOUR)).all(axis=2)
    rows, columns = np.nonzero(coloured)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 10, 30, 30)
