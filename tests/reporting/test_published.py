"""Published figures: what may stand beside ours, what stands apart and why, and what is refused in the file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from ham.errors import DataError
from ham.reporting import published, tables
from ham.reporting.cells import Table
from ham.reporting.published import EIGHT, FOURTEEN, read_published, split_by_protocol
from ham.reporting.result_tables import build_tables
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings

SETTINGS = ReportingSettings()
HEAD = "source,year,model,trained_on,protocol,metric,threshold,Mass,Nodule,mean8,mean14,certainty,note\n"
Make = Callable[..., Path]


def write(path: Path, *lines: str, head: str = HEAD) -> Path:
    path.write_text(head + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def nih(make_split: Make) -> Callable[..., list[Table]]:
    """Tables of one split with Mass and Nodule, as if ``images`` and ``boxed`` of NIH had been tested."""

    def make(images: int = 880, boxed: int = 880, findings: tuple[str, ...] = ("Mass", "Nodule")) -> list[Table]:
        split = make_split(dataset="nih", published="nih", findings=findings, boxed=("Mass", "Nodule"))
        metrics = json.loads((split / "metrics.json").read_text())
        metrics["counts"] |= {"listed": images, "present": images, "boxes_listed": 880, "boxes_present": boxed}
        (split / "metrics.json").write_text(json.dumps(metrics))
        return build_tables(tables.tidy(read_results([split])), SETTINGS, published="nih")

    return make


def named(shown: list[Table], title: str) -> Table:
    return next(table for table in shown if table.title.startswith(title))


def labels(table: Table, kind: str = "published") -> list[str]:
    return [row.label for row in table.rows if row.kind == kind]


def test_shipped_figures_add_up() -> None:
    rows = read_published()
    assert len(rows) > 70
    for row in rows:
        for name, members in published.MEANS.items():
            if name in row.means and set(members) <= set(row.values):
                assert row.mean(members) == pytest.approx(row.means[name], abs=6e-4), row
    iou = next(row for row in rows if row.metric == "t_iou" and row.threshold == 0.1)
    assert iou.values["Cardiomegaly"] == 0.9383
    assert iou.mean(EIGHT) == pytest.approx(0.5681, abs=1e-4)
    assert math.isnan(iou.mean(FOURTEEN))
    wang = next(row for row in rows if row.metric == "auc" and row.values)
    assert wang.mean(FOURTEEN) == pytest.approx(0.7451, abs=1e-4)
    assert math.isnan(next(row for row in rows if row.source == "ThoraX-PriorNet" and row.threshold == 0.5).mean(EIGHT))
    assert {row.protocol for row in rows} == set(published.PROTOCOLS)


def test_only_what_was_tested_alike_stands_beside_ours() -> None:
    rows = read_published()
    beside, apart = split_by_protocol(rows, images=25_596, boxed_images=880)
    assert {row.protocol for row in beside} == {"fixed-cut", "official-split"}
    assert {row.source for row in beside if row.metric == "t_iou"} == {"Wang et al."}
    assert {row.protocol for own in apart.values() for row in own} == set(published.PROTOCOLS) - {
        "fixed-cut", "official-split",
    }  # fmt: skip
    beside, apart = split_by_protocol(rows, images=25_595, boxed_images=879)
    assert beside == []
    assert "here 879 of the 880 images with boxes are tested" in apart
    assert sum(map(len, apart.values())) == len(rows)


def test_a_table_shows_the_figures_that_were_tested_alike_and_what_ours_are_more(
    nih: Callable[..., list[Table]],
) -> None:
    shown = nih()
    table = named(shown, "T(IoU), mean over findings")
    assert labels(table) == ["Wang et al. 2017, ChestX-ray8 ResNet-50"]
    theirs = table.rows[-1]
    assert theirs.cells[0] == f"{(0.4 + 0.1392) / 2:.3f}"
    ours = table.rows[0]
    less = named(shown, "T(IoU), ours less published").rows[0]
    assert less.label == "less Wang et al. 2017, ChestX-ray8 ResNet-50"
    assert less.block == "ham"
    assert less.cells[0] == f"{ours.numbers[0] - 0.2696:+.3f}"
    low, high = (float(bound) for bound in ours.intervals[0].strip("[]").split(", "))
    start, end = (float(bound) for bound in less.intervals[0].strip("[]").split(", "))
    assert (start, end) == pytest.approx((low - 0.27, high - 0.27), abs=0.011)
    assert not labels(named(shown, "AUC, ham"))  # 880 images are not NIH's own test list
    assert not [table for table in shown if table.title == "AUC, ours less published"]
    assert any("read in: full text" in note for note in table.notes)


def test_official_aucs_stand_beside_the_official_split_alone(nih: Callable[..., list[Table]]) -> None:
    shown = nih(images=25_596, findings=FOURTEEN)
    table = named(shown, "AUC, ham")
    assert "SwinCheX" in labels(table)
    swin = next(row for row in table.rows if row.label == "SwinCheX")
    assert swin.cells == ["–"] * 14 + ["0.810", "–"]  # the mean alone was published; blanks stay blank
    less = next(row for row in named(shown, "AUC, ours less").rows if row.label == "less SwinCheX")
    ours = next(row for row in table.rows if row.kind != "published")
    assert less.cells == ["–"] * 14 + [f"{ours.numbers[14] - 0.810:+.3f}"]
    assert any(note.startswith("SwinCheX; ") or "; SwinCheX" in note for note in table.notes)


def test_what_was_published_under_another_protocol_stands_apart_with_the_reason(
    nih: Callable[..., list[Table]],
) -> None:
    table = named(nih(), "Published under other protocols")
    reasons = {row.label: row.block for row in table.rows}
    assert reasons["CLARiTy 2025, CLARiTy-512"].startswith("The cut of the maps was tuned on images with boxes")
    assert reasons["NightRaven-0/CNN, DenseNet-121 at 512, CAM"].startswith("The hottest 5 % of each map")
    assert reasons["PYLON 2022, PYLON, five seeds"].startswith("Whether the map's maximum lies in a box")
    clarity = next(row for row in table.rows if row.label.startswith("CLARiTy") and "tuned" in row.block)
    shown = dict(zip(table.columns, clarity.cells, strict=True))
    assert [shown["T(IoU), mean of 8", level] for level in ("0.1", "0.5", "0.7")] == ["0.810", "0.320", ""]
    assert shown["", "read in"] == "second-hand"
    thorax = next(row for row in table.rows if "PriorNet" in row.label and row.block.startswith("Where"))
    assert dict(zip(table.columns, thorax.cells, strict=True))["T(IoU), mean of 8", "0.5"] == "–"


def test_of_a_part_of_the_boxes_nothing_stands_beside(nih: Callable[..., list[Table]]) -> None:
    shown = nih(boxed=481)
    assert not labels(named(shown, "T(IoU), mean over findings"))
    apart = named(shown, "Published under other protocols")
    assert "Here 481 of the 880 images with boxes are tested" in {row.block for row in apart.rows}
    assert not [table for table in shown if "less published" in table.title]


def test_a_row_of_ones_own_stands_beside_ours(
    nih: Callable[..., list[Table]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "own.csv", "Mine,2026,ours & <b>,boxes,fixed-cut,t_iou,0.3,.5,,,,own count,")
    monkeypatch.setattr(published.published_rows, "__defaults__", (path,))
    table = named(nih(), "T(IoU) of each finding")
    row = next(row for row in table.rows if row.label == "Mine 2026, ours & <b>")
    assert row.cells[:2] == ["0.500", "–"]  # Nodule is blank, and so is their mean
    assert row.block == "T(IoU) at 0.3"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("A,,,,fixed-cut,t_iou,0.3,66.1,,,,x,", r"line 2: Mass is 66\.1, and a share goes from 0 to 1"),
        ("A,,,,fixed-cut,t_iou,0.3,-0.1,,,,x,", r"line 2: Mass is -0\.1"),
        ("A,,,,fixed-cut,t_iou,0.3,nan,,,,x,", "line 2: Mass is nan"),
        ('A,,,,fixed-cut,t_iou,0.3,"0,5",,,,x,', "line 2: Mass is 0,5"),
        ("A,,,,fixed-cut,t_iou,0.3,,,56.8,,x,", r"line 2: mean8 is 56\.8"),
        ("A,,,,fixed-cut,t_iou,30,,,,,x,", "line 2: threshold is 30, and a share"),
        ("A,,,,fixed-cut,t_iou,,,,,,x,", "line 2: t_iou wants a threshold"),
        ("A,,,,official-split,auc,0.5,,,,,x,", "line 2: auc has no threshold"),
        ("A,,,,fixed-cut,iou,0.3,,,,,x,", "line 2: 'iou' is no metric"),
        ("A,,,,image labels,t_iou,0.3,,,,,x,", "line 2: 'image labels' is no protocol; take one of fixed-cut"),
        ("A,,,,fixed-cut,auc,,,,,,x,", "line 2: fixed-cut is no protocol of auc"),
        ("A,,,,fixed-cut,t_iou,0.3,,,,,,", "line 2: certainty is blank"),
        (",,,,fixed-cut,t_iou,0.3,,,,,x,", "line 2: source is blank"),
        ("A,,,,fixed-cut,t_iou,0.3,,,,,x,a,b", "line 2: more cells than columns"),
        ("A,,,,fixed-cut,t_iou,0.3", "line 2: fewer cells than columns"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path / "published.csv", line)
    with pytest.raises(DataError, match=rf"published\.csv, {said}") as raised:
        read_published(path)
    assert "\n" not in str(raised.value)


def test_columns_and_repeated_rows_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "published.csv", head=HEAD.replace("Nodule", "Nodules"))
    with pytest.raises(DataError, match=r"published\.csv, line 1: 'Nodules' is no finding"):
        read_published(path)
    path = write(tmp_path / "published.csv", head=HEAD.replace("certainty", "Hernia"))
    with pytest.raises(DataError, match=r"line 1: the column certainty is missing"):
        read_published(path)
    row = "A,,m,,fixed-cut,t_iou,0.3,.1,.2,,,x,"
    path = write(tmp_path / "published.csv", row, "", row.replace("0.3", "0.30"))
    with pytest.raises(DataError, match=r"line 4: the same as line 2"):
        read_published(path)
    (tmp_path / "published.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"published\.csv cannot be read"):
        read_published(tmp_path / "published.csv")


def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_bytes(("﻿" + HEAD + "A,,m,,fixed-cut,t_iou,0.3,.1,.2,,,x,\n").replace("\n", "\r\n").encode())
    assert read_published(path)[0].values == {"Mass": 0.1, "Nodule": 0.2}
    assert read_published(tmp_path / "none.csv") == []
