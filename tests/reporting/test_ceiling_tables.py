"""Ceilings beside the floors, and the size of boxes, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ham.reporting import result_tables, style, tables
from ham.reporting.area_figure import write_area
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.reporting.threshold_figures import write_thresholds
from ham.scoring import localization
from ham.scoring.intervals import Resampling
from ham.scoring.run import pairs_drawn, take_samples
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

from .test_tables import pick, set_scores

Make = Callable[..., Path]


@pytest.fixture
def folders(make_split: Make) -> list[Path]:
    """Two folds whose pairs have bounds of .25, .6 and 1, of which .2, .4 and 1 are reached, and areas of 1, 4 and 16
    hundredths of a frame of 100."""
    out = []
    for fold in (1, 2):
        folder = make_split(f"fold{fold}")
        resampling = set_scores(folder, {"Mass": [0.1, 0.5, 0.9], "Nodule": [0.2]}, 0.8)
        pairs = pd.read_csv(folder / "localization.csv", dtype={"patient": str})
        pairs["highest_iou"], pairs["true_area"] = [0.25, 0.6, 1.0, 0.25], [100, 400, 1600, 50 * fold]
        pairs["reached_iou"] = [0.2, 0.4, 1.0, 0.2]
        pairs.to_csv(folder / "localization.csv", index=False)
        rescore(folder, pairs, resampling)
        out.append(folder)
    return out


def rescore(folder: Path, pairs: pd.DataFrame, resampling: Resampling) -> None:
    """Score changed pairs on the same resamples."""
    metrics = json.loads((folder / "metrics.json").read_text())
    with np.load(folder / "resamples.npz") as file:
        samples = {name: file[name] for name in file.files if name != "localization"}
    names, settings = ("Mass", "Nodule"), ScoringSettings(t_iou=(0.3, 0.5), t_ior=(0.5,), leave_out="Mass")
    metrics["localization"] = localization.metric_rows(pairs, names, names, settings, resampling)
    metrics["region"]["size"] = 100
    taken = take_samples({"classification": [], "localization": metrics["localization"], "floors": {}})
    truth = Truth("", names, names, (), (), np.zeros(0), ())
    np.savez(folder / "resamples.npz", **samples | taken | pairs_drawn(pairs, truth, resampling))
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_a_ceiling_is_the_share_of_pairs_that_could_reach_the_threshold(folders: list[Path]) -> None:
    table = tables.tidy(read_results(folders))
    about = {"metric": "t_iou_ceiling", "split": "pooled"}
    assert pick(table, finding="Mass", threshold=0.3, **about)["value"] == pytest.approx(2 / 3)
    assert pick(table, finding="Nodule", threshold=0.3, **about)["value"] == 0
    assert pick(table, scope="mean", threshold=0.5, **about)["value"] == pytest.approx(1 / 3)
    reached = about | {"metric": "t_iou_reached", "finding": "Mass"}
    assert pick(table, threshold=0.3, **reached)["value"] == pytest.approx(2 / 3)
    assert pick(table, threshold=0.5, **reached)["value"] == pytest.approx(1 / 3)
    assert pick(table, metric="box_share_median", finding="Mass")["value"] == pytest.approx(0.04)
    assert pick(table, metric="box_share_least", finding="Nodule")["value"] == pytest.approx(0.005)


def test_tables_show_ceilings_apart_from_floors_and_box_sizes(folders: list[Path]) -> None:
    shown = result_tables.build_tables(
        tables.tidy(read_results(folders)), ReportingSettings(t_iou_thresholds=(0.3, 0.5))
    )
    (summary,) = (table for table in shown if table.title == "T(IoU), mean over findings")
    above, reached = (row for row in summary.rows if row.kind == "ceiling")
    assert (above.label, reached.label) == ("no map exceeds", "a map reaches")
    assert above.cells == ["0.333", "0.333", "", "0.000", "0.000", ""]  # with Mass 2/3 and 0, without it 0
    assert reached.cells == ["0.333", "0.167", "", "0.000", "0.000", ""]  # 1/3 of Mass reach .5
    assert above.numbers == reached.numbers == []  # they are no floors to be above of
    (sizes,) = (table for table in shown if table.title == "Box sizes and ceilings")
    assert [(row.label, row.cells) for row in sizes.rows] == [
        ("Mass", ["6", "4 %", "1 %", "16 %", "0.667", "0.667", "0.667", "0.333"]),
        ("Nodule", ["2", "0.75 %", "0.5 %", "1 %", "0.000", "0.000", "0.000", "0.000"]),
    ]


def test_one_row_says_both_where_a_map_reaches_what_none_exceeds(folders: list[Path]) -> None:
    shown = result_tables.build_tables(tables.tidy(read_results(folders)), ReportingSettings(t_iou_thresholds=(0.3,)))
    (summary,) = (table for table in shown if table.title == "T(IoU), mean over findings")
    rows = [(row.label, row.cells) for row in summary.rows if row.kind == "ceiling"]
    assert rows == [("no map exceeds; a map reaches it", ["0.333", "", "0.000", ""])]


def test_figures_draw_what_no_map_exceeds_and_what_a_map_reaches(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda made, stem: drawn.append(made))
    write_thresholds(folders, "t_iou", tmp_path / "x", ReportingSettings())
    write_area(folders, tmp_path / "x")
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["no map exceeds", "a map reaches"]
    limits = [line for line in drawn[0].axes[2].lines if line.get_color() == style.CEILING_COLOUR]
    shares = [np.asarray(line.get_ydata())[99] for line in limits]  # of Mass, at a threshold of .5
    assert shares == pytest.approx([2 / 3, 1 / 3])
    (bars,) = (found for found in drawn[1].axes[0].collections if isinstance(found, LineCollection))
    ends = {(round(float(low), 2), round(float(high), 2)) for (_, low), (_, high) in bars.get_segments()}
    assert ends == {(0.2, 0.25), (0.4, 0.6), (1.0, 1.0)}
