"""Figures: both formats, equal bytes, names as text, and something to look at where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ham.errors import DataError
from ham.plans import FIGURES
from ham.reporting import curve_figures, iou_figure, style, threshold_figures, training_figure
from ham.reporting.co_occurrence_figure import shares
from ham.reporting.experiment_figures import write_figures
from ham.reporting.numbers import Numbers
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.reporting.tables import tidy
from ham.scoring.metric_rows import MEAN

SETTINGS = ReportingSettings()
Make = Callable[..., Path]


def write_all(splits: list[Path], folder: Path) -> list[Path]:
    """All figures of an experiment that are drawn from its splits."""
    write_figures(splits, folder / "x", SETTINGS)
    kinds = [kind for kind in FIGURES if kind not in ("leakage", "differences", "subgroups")]
    return [folder / f"x-{kind}.{form}" for kind in kinds for form in ("svg", "png")]


def test_every_figure_exists_as_svg_and_png_with_equal_bytes_each_time(five_folds: list[Path], tmp_path: Path) -> None:
    first = write_all(five_folds[:2], tmp_path / "a")
    second = write_all(five_folds[:2], tmp_path / "b")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
    for path in first:
        if path.suffix == ".png":
            assert min(Image.open(path).size) > (100 if "calibration" in path.name else 400)  # nothing is said of bins
        else:
            text = path.read_text()
            assert text.startswith("<?xml")
            assert "<dc:date>" not in text
            assert "<script" not in text


def test_an_experiment_without_localization_or_training_gets_a_sentence(make_split: Make, tmp_path: Path) -> None:
    split = make_split(boxed=(), floors=())
    for name in ("history.csv", "curves.json", "run.json"):
        (split / name).unlink()
    for path in write_all([split], tmp_path / "f"):
        assert path.stat().st_size > 1000


def test_several_variants_and_one_epoch_are_drawn(make_split: Make, tmp_path: Path) -> None:
    splits = [make_split(variant=v, epochs=1, dataset="nih", seed=i) for i, v in enumerate(("ham", "other"))]
    training_figure.write_training(splits, tmp_path / "t", SETTINGS)
    threshold_figures.write_thresholds(splits, "t_ior", tmp_path / "r", SETTINGS)
    assert (tmp_path / "t.svg").exists()
    assert (tmp_path / "r.png").exists()


def test_the_threshold_curve_is_the_mean_over_findings_of_the_share_at_or_above() -> None:
    pairs = pd.DataFrame({"finding": ["a", "a", "b"], "iou": [0.1, 0.5, 0.3]})
    curve = threshold_figures._share_curve(pairs, ["a", "b", "without pairs"], "iou")
    at = {level: curve[np.argmin(abs(threshold_figures.LEVELS - level))] for level in (0.05, 0.3, 0.4, 0.5, 0.6)}
    assert at == {0.05: 1.0, 0.3: (0.5 + 1) / 2, 0.4: 0.25, 0.5: 0.25, 0.6: 0.0}


def test_the_threshold_curve_passes_through_the_pooled_values_of_the_table(five_folds: list[Path]) -> None:
    results = read_results(five_folds)
    pairs = pd.concat([result.localization for result in results])
    curve = threshold_figures._share_curve(pairs, results[0].boxed_findings, "iou")
    by_hand = np.mean([(pairs.loc[pairs["finding"] == f, "iou"] >= 0.3).mean() for f in results[0].boxed_findings])
    assert curve[np.argmin(abs(threshold_figures.LEVELS - 0.3))] == pytest.approx(by_hand)


def test_shares_of_findings_that_go_together_by_hand() -> None:
    nan = np.nan
    found, count = shares(np.array([[1, 1, 0], [1, 0, nan], [0, 1, 0], [1, nan, 1]]))
    assert count.tolist() == [3, 2, 1]
    # of three images with the first, two know the second, one has it; two know the third, one has it
    assert found[0].tolist() == [100, 50, 50]
    assert found[1].tolist() == [50, 100, 0]
    assert found[2, 0] == 100
    assert np.isnan(found[2, 1])


def test_splits_of_two_experiments_are_refused(make_split: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one experiment"):
        curve_figures.write_roc([make_split(), make_split(experiment="other")], tmp_path / "x")


def test_everything_is_legible_where_it_is_printed(
    make_split: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda made, stem: drawn.append(made))
    write_figures([make_split(variant=v, seed=i) for i, v in enumerate(("ham", "b", "c"))], tmp_path / "x", SETTINGS)
    assert len(drawn) == len(FIGURES) - 3
    for made in drawn:
        assert made.get_figwidth() <= 6.5  # inches: between the margins of a page
        assert min(text.get_fontsize() for text in made.findobj(Text) if text.get_text()) >= 7
        made.draw_without_rendering()
        titles = [text for text in made.texts if " on phantom" in text.get_text()]
        assert all(text.get_window_extent().x1 <= made.bbox.x1 for text in titles)  # no letter is cut off


def test_a_bar_is_the_interval_of_all_pairs_in_the_table(five_folds: list[Path]) -> None:
    numbers = Numbers(tidy(read_results(five_folds)))
    cell = Figure().add_subplot()
    threshold_figures._interval_bars(cell, numbers, "t_iou", MEAN)
    found = numbers.number("ham", "pooled", ("t_iou", 0.3, MEAN))
    assert [list(bar.get_ydata()) for bar in cell.lines if bar.get_xdata()[0] == 0.3] == [[found.low, found.high]]
    assert len(cell.lines) == 7  # thresholds that are scored


@pytest.mark.parametrize(("pairs", "marks"), [(7, 0), (8, 2)])
def test_few_pairs_have_no_quartiles(
    make_split: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: int, marks: int
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda made, stem: drawn.append(made))
    iou_figure.write_iou([make_split(pairs=pairs, boxed=("Mass",), findings=("Mass",))], tmp_path / "x")
    (cell,) = drawn[0].axes
    assert (len(cell.lines), len(cell.collections)) == (marks, 1)
    assert [label.get_text() for label in cell.get_xticklabels()] == [f"Mass ({pairs})"]
