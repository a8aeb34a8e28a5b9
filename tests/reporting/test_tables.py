"""Tables: numbers by hand, floors, pooled values, and the same numbers in every form."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ham.errors import DataError
from ham.reporting import image_counts, latex, result_tables, tables
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings
from ham.runtime.files import write_json
from ham.scoring import localization
from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import Subject, metric_row
from ham.scoring.run import pairs_drawn, take_samples
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

SETTINGS = ReportingSettings()
Make = Callable[..., Path]


def pick(table: pd.DataFrame, **wanted: object) -> pd.Series:
    """The one row that has these values."""
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1, f"{len(table)} rows for {wanted}"
    return table.iloc[0]


def set_scores(
    folder: Path, pairs: dict[str, list[float]], auc: float | None, findings: tuple[str, ...] = ("Mass", "Nodule")
) -> Resampling:
    """Replace a split's scores: IoU of its pairs (0: an empty region), each finding's i-th of the i-th patient, and
    the AUC of one finding, which is the same in each resample."""
    table = pd.DataFrame(
        [
            {"image": f"{i}.png", "patient": f"{i}", "finding": f, "boxes": 1, "iou": v, "ior": v, "score": 0.5}
            for f, values in pairs.items()
            for i, v in enumerate(values)
        ]
    )
    table["empty"] = (table["iou"] == 0).astype(int)
    table.to_csv(folder / "localization.csv", index=False)
    metrics = json.loads((folder / "metrics.json").read_text())
    settings = ScoringSettings(t_iou=(0.3,), t_ior=(0.5,), leave_out="Mass")
    resampling = Resampling.of_strata({f"{i}": folder.name for i in range(max(map(len, pairs.values())))}, 200, 0)
    metrics["localization"] = localization.metric_rows(table, findings, findings, settings, resampling)
    value, mass = math.nan if auc is None else auc, Subject.of_finding("Mass")
    about: dict[str, Any] = {"samples": np.full(200, value), "n_images": 9, "n_positive": 4}
    metrics["classification"] = [metric_row("auc", None, mass, value, "no image has it", **about)]
    metrics["floors"] = {}
    metrics["resamples"] = {"count": 200, "seed": 0, "drawn_from": resampling.drawn_from}
    truth = Truth("", findings, findings, (), (), np.zeros(0), ())
    np.savez(folder / "resamples.npz", **take_samples(metrics) | pairs_drawn(table, truth, resampling))
    write_json(folder / "metrics.json", metrics)
    return resampling


def test_mean_sd_and_pooled_equal_a_calculation_by_hand(make_split: Make) -> None:
    one, two = make_split("fold1"), make_split("fold2")
    set_scores(one, {"Mass": [0.1, 0.5], "Nodule": [0.9]}, 0.8)
    set_scores(two, {"Mass": [0.3, 0.4, 0.6, 0.2], "Nodule": [0.0]}, 0.7)
    table = tables.tidy(read_results([one, two]))

    def value(split: str, finding: str, metric: str = "t_iou") -> float:
        return float(pick(table, split=split, finding=finding, metric=metric, variant="ham")["value"])

    assert value("fold1", "Mass") == 0.5
    assert value("fold2", "Mass") == 0.75
    assert value("mean", "Mass") == pytest.approx((0.5 + 0.75) / 2)
    assert value("sd", "Mass") == pytest.approx(statistics.stdev([0.5, 0.75]))
    assert value("pooled", "Mass") == pytest.approx(4 / 6)  # .5 .3 .4 .6 of six reach .3, which counts as reached
    assert value("pooled", "Nodule") == pytest.approx(1 / 2)
    assert value("pooled", "mean") == pytest.approx((4 / 6 + 1 / 2) / 2)
    assert value("pooled", "mean_without_Mass") == pytest.approx(1 / 2)
    assert pick(table, split="pooled", finding="mean", metric="t_iou")["n_pairs"] == 8
    assert pick(table, split="pooled", finding="mean_without_Mass", metric="t_iou")["n_pairs"] == 2
    assert pick(table, split="mean", finding="Mass", metric="t_iou")["n_splits"] == 2
    assert pick(table, split="mean", finding="Mass", metric="t_iou")["n_pairs"] == 6
    assert pick(table, split="fold2", finding="Mass", metric="t_iou")["n_splits"] == 1
    assert value("mean", "Nodule", "empty_maps") == 0.5  # the only pair of fold2 is empty
    assert value("pooled", "mean", "empty_maps") == (0 / 6 + 1 / 2) / 2
    assert value("mean", "Mass", "auc") == pytest.approx(0.75)
    assert value("sd", "Mass", "auc") == pytest.approx(0.1 / 2**0.5)


def test_auc_is_not_pooled_and_an_undefined_one_is_left_out_of_the_mean(make_split: Make) -> None:
    one, two, three = (make_split(f"fold{i}") for i in (1, 2, 3))
    for folder, auc in ((one, 0.6), (two, None), (three, 0.8)):
        set_scores(folder, {"Mass": [0.1], "Nodule": [0.9]}, auc)
    table = tables.tidy(read_results([one, two, three]))
    auc_rows = table[table["metric"] == "auc"]
    assert set(auc_rows["split"]) == {"fold1", "fold2", "fold3", "mean", "sd"}
    mean = pick(auc_rows, split="mean")
    assert (mean["value"], mean["n_splits"]) == (pytest.approx(0.7), 2)
    assert pd.isna(pick(auc_rows, split="fold2")["value"])


def test_a_single_split_has_no_mean_and_no_pooled_row(make_split: Make) -> None:
    table = tables.tidy(read_results([make_split("official", experiment="classification-official")]))
    assert set(table["split"]) == {"official"}


def test_floors_stand_once_as_variants_of_their_own_with_pooled_values(make_split: Make) -> None:
    splits = [make_split(f"fold{i}", variant=v, seed=i) for v in ("ham", "other") for i in (1, 2)]
    table = tables.tidy(read_results(splits))
    assert list(dict.fromkeys(table["variant"])) == ["ham", "other", "location-prior", "random-map", "whole-image"]
    prior = {"variant": "location-prior", "metric": "t_iou", "threshold": 0.3, "finding": "Cardiomegaly"}
    values = [float(pick(table, split=f"fold{i}", **prior)["value"]) for i in (1, 2)]
    assert float(pick(table, split="mean", **prior)["value"]) == pytest.approx(statistics.mean(values))
    pairs = pd.concat([pd.read_csv(splits[i] / "floors.csv") for i in (0, 1)])
    pairs = pairs[(pairs["floor"] == "location-prior") & (pairs["finding"] == "Cardiomegaly")]
    assert float(pick(table, split="pooled", **prior)["value"]) == pytest.approx((pairs["iou"] >= 0.3).mean())


def test_a_missing_floor_leaves_the_others(make_split: Make) -> None:
    splits = [make_split(f"fold{i}", floors=("whole-image",), seed=i) for i in (1, 2)]
    (splits[1] / "floors.csv").unlink()
    table = tables.tidy(read_results(splits))
    assert set(table["variant"]) == {"ham", "whole-image"}
    shown = result_tables.build_tables(table, SETTINGS)
    summary = next(t for t in shown if t.title == "T(IoU), mean over findings")
    assert [row.label for row in summary.rows] == ["ham", "whole image"]


def test_an_experiment_without_localization_has_classification_tables_only(make_split: Make, tmp_path: Path) -> None:
    splits = [make_split(f"fold{i}", boxed=(), floors=(), seed=i) for i in (1, 2)]
    tables.write_tables(splits, tmp_path / "t" / "x.csv", SETTINGS)
    text = (tmp_path / "t" / "x.md").read_text()
    assert "AUC, ham" in text
    assert "T(IoU)" not in text


def test_markdown_and_latex_show_the_numbers_of_the_csv(five_folds: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "tables" / "localization-5fold.csv"
    tables.write_tables(five_folds, output, SETTINGS)
    table = tables.read_table(output)
    wanted = {"variant": "ham", "metric": "t_iou", "threshold": 0.3, "finding": "mean"}
    mean, sd, pooled = (float(pick(table, split=split, **wanted)["value"]) for split in ("mean", "sd", "pooled"))
    auc = pick(table, variant="ham", metric="auc", finding="Cardiomegaly", split="fold3")
    for suffix, plus, between in ((".md", " ±", " | "), (".tex", r" \\ {\scriptsize $\pm$", " & ")):
        lines = output.with_suffix(suffix).read_text().splitlines()
        rows = [[cell.strip() for cell in line.strip("|\\ ").split(between.strip())] for line in lines]
        both = f"{mean:.3f}{plus} {sd:.3f}"
        assert any(row[0] == "ham" and both in cell for row in rows for cell in row)
        assert any(row[0] == "ham" and f"{pooled:.3f}" in cell for row in rows for cell in row)
        fold = next(row for row in rows if row[0] == "fold3")  # findings as in the data set: Atelectasis, Cardiomegaly
        assert f"{auc['value']:.3f}" in fold[2]
        brackets = (r"\[", r"\]") if suffix == ".md" else "[]"
        assert f"{brackets[0]}{auc['low']:.2f}, {auc['high']:.2f}{brackets[1]}" in fold[2]


def test_the_first_line_says_how_many_images_were_present(make_split: Make, tmp_path: Path) -> None:
    splits = [make_split(f"fold{i}", listed=20, seed=i) for i in (1, 2)]
    tables.write_tables(splits, tmp_path / "x.csv", SETTINGS)
    line = "Test images present: 24 of 40; with boxes: 24 of 24 (fold1 12 of 20, fold2 12 of 20)."
    assert (tmp_path / "x.md").read_text().splitlines()[0].startswith(line)
    assert (tmp_path / "x.tex").read_text().splitlines()[0].startswith(f"% {line}")
    table = tables.read_table(tmp_path / "x.csv")
    assert pick(table, kind="images", metric="listed", split="pooled")["value"] == 40
    for shown in result_tables.build_tables(table, SETTINGS):
        assert "Test images present: 24 of 40" in shown.caption


def test_absent_images_are_counted_by_finding_and_only_then(make_split: Make, tmp_path: Path) -> None:
    splits = [make_split(f"fold{i}", seed=i) for i in (1, 2)]
    tables.write_tables(splits, tmp_path / "x.csv", SETTINGS)
    assert "by finding" not in (tmp_path / "x.md").read_text()
    for folder, listed in zip(splits, (20, 12), strict=True):
        metrics = json.loads((folder / "metrics.json").read_text())
        for finding, count in metrics["counts"]["findings"].items():
            count["positives_listed"] = listed if finding == "Cardiomegaly" else count["positives"]
            count["pairs_listed"] = count["pairs"] + (finding == "Cardiomegaly")
        (folder / "metrics.json").write_text(json.dumps(metrics))
    tables.write_tables(splits, tmp_path / "x.csv", SETTINGS)
    table = tables.read_table(tmp_path / "x.csv")
    assert pick(table, kind="images", metric="listed", finding="Cardiomegaly", split="fold1")["n_images"] == 20
    assert set(table.loc[(table["kind"] == "images") & (table["scope"] == "finding"), "finding"]) == {"Cardiomegaly"}
    (shown,) = (
        shown for shown in result_tables.build_tables(table, SETTINGS) if shown.title.startswith("Test images present")
    )
    assert [(row.label, row.cells) for row in shown.rows] == [("Cardiomegaly", ["24 of 32", "12 of 14"])]
    assert image_counts.images_line(table).startswith("Test images present: 24 of 24")


def test_names_are_escaped_in_markdown_and_latex(five_folds: list[Path], tmp_path: Path) -> None:
    tables.write_tables(five_folds, tmp_path / "x.csv", SETTINGS)
    markdown, latex = ((tmp_path / f"x.{suffix}").read_text() for suffix in ("md", "tex"))
    assert r"Pleural\_Thickening" in markdown
    assert "<script>" not in markdown.replace(r"\<", "").replace(r"\>", "")
    assert r"\<script\>" in markdown
    assert r"Pleural\_Thickening" in latex
    assert r"\textless{}script\textgreater{}" in latex
    assert r"Hernia \& 50\% \$x\$" in latex
    body = "\n".join(line for line in latex.splitlines() if not line.startswith("%"))
    assert not re.search(r"(?<!\\)[%#]", body.replace(r"{!}{%", ""))
    assert all(body.count(rf"\begin{{{name}}}") == body.count(rf"\end{{{name}}}") for name in ("table", "tabular"))


def test_published_numbers_stand_beside_nih_only(make_split: Make, tmp_path: Path) -> None:
    options = {"findings": ("Mass", "Nodule"), "boxed": ("Mass", "Nodule")}
    # what the description says decides, not what the data set is called
    for key, said in (("nih", "nih"), ("mine", "nih"), ("nih-lookalike", None), ("phantom", None)):
        tables.write_tables([make_split(dataset=key, published=said, **options)], tmp_path / f"{key}.csv", SETTINGS)
        text = (tmp_path / f"{key}.md").read_text()
        assert ("Wang et al. 2017" in text) is (said is not None), key
        assert ("Published under other protocols" in text) is (said is not None)
    without = ReportingSettings(published=False)
    tables.write_tables([make_split("fold2", dataset="nih", published="nih", **options)], tmp_path / "off.csv", without)
    assert "Wang" not in (tmp_path / "off.md").read_text()


def test_equal_results_give_equal_bytes(five_folds: list[Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        tables.write_tables(five_folds, tmp_path / name / "x.csv", SETTINGS)
    for suffix in ("csv", "md", "tex"):
        assert (tmp_path / f"a/x.{suffix}").read_bytes() == (tmp_path / f"b/x.{suffix}").read_bytes()


def test_splits_of_two_experiments_are_refused(make_split: Make, tmp_path: Path) -> None:
    splits = [make_split(), make_split(experiment="other")]
    with pytest.raises(DataError, match="localization-5fold, other"):
        tables.write_tables(splits, tmp_path / "x.csv", SETTINGS)


def test_a_split_that_was_not_scored_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.json is not there"):
        tables.write_tables([tmp_path / "fold1"], tmp_path / "x.csv", SETTINGS)


def test_the_mean_by_the_rule_of_the_release_is_said_where_it_differs(make_split: Make, tmp_path: Path) -> None:
    split = make_split()
    note = "By the release's rule, which counts an undefined AUC as 0, the mean is 0.500."
    for value, said in ((0.5, True), (None, False)):
        metrics = json.loads((split / "metrics.json").read_text())
        for row in metrics["classification"]:
            if row["metric"] == "auc_published":
                row["value"] = value
        (split / "metrics.json").write_text(json.dumps(metrics))
        tables.write_tables([split], tmp_path / "x.csv", SETTINGS)
        assert (note in (tmp_path / "x.md").read_text()) is said


def test_without_a_finding_left_out_there_is_one_mean(make_split: Make) -> None:
    split = make_split(findings=("Mass", "Nodule"), boxed=("Mass", "Nodule"))
    metrics = json.loads((split / "metrics.json").read_text())
    metrics["floors"] = {}
    del metrics["resamples"]
    metrics["localization"] = [row for row in metrics["localization"] if not row["finding"].startswith("mean_without")]
    (split / "metrics.json").write_text(json.dumps(metrics))
    summary = next(
        t
        for t in result_tables.build_tables(tables.tidy(read_results([split])), SETTINGS)
        if t.title.startswith("T(IoU), mean")
    )
    assert {group for group, _ in summary.columns} == {"mean of 2"}
    assert [name for _, name in summary.columns] == ["0.1", "0.3", "0.5", "0.7", "empty maps"]


def test_what_the_location_prior_knows_is_said(make_split: Make, tmp_path: Path) -> None:
    tables.write_tables([make_split()], tmp_path / "x.csv", SETTINGS)
    assert "The location prior is made from training boxes." in (tmp_path / "x.md").read_text()


def table_called(title: str, table: pd.DataFrame) -> result_tables.Table:
    """The one table of that title."""
    (found,) = [shown for shown in result_tables.build_tables(table, SETTINGS) if shown.title == title]
    return found


def test_a_mean_over_other_findings_in_each_split_is_blank_and_says_so(make_split: Make) -> None:
    one, two = make_split("fold1"), make_split("fold2")
    set_scores(one, {"Mass": [0.5], "Nodule": [0.5, 0.1]}, 0.8)
    set_scores(two, {"Mass": [0.1, 0.5, 0.1]}, 0.7)
    table = tables.tidy(read_results([one, two]))
    of_mean = {"metric": "t_iou", "scope": "mean", "variant": "ham"}
    # fold1: (1 + 1/2) / 2 over Mass and Nodule, fold2: 1/3 over Mass alone: no number is their mean
    assert [pick(table, split=split, **of_mean)["value"] for split in ("fold1", "fold2")] == [
        0.75,
        pytest.approx(1 / 3),
    ]
    assert [pick(table, split=split, **of_mean)["n_findings"] for split in ("fold1", "fold2")] == [2, 1]
    for split in ("mean", "sd"):
        row = pick(table, split=split, **of_mean)
        assert pd.isna(row["value"])
        assert row["reason"] == "not over the same findings in each split: fold2 without Nodule"
    # all pairs together have both: (2/4 + 1/2) / 2
    pooled = pick(table, split="pooled", **of_mean)
    assert (pooled["value"], pooled["n_findings"], pooled["n_splits"]) == (0.5, 2, 2)
    assert pick(table, split="mean", metric="t_iou", finding="Mass")["value"] == pytest.approx((1 + 1 / 3) / 2)
    nodule = pick(table, split="mean", metric="t_iou", finding="Nodule")
    assert (nodule["value"], nodule["n_splits"]) == (0.5, 1)
    shown = table_called("T(IoU), mean over findings", table)
    assert shown.rows[0].cells[0] == "–"
    assert "No mean over the splits: not over the same findings in each split: fold2 without Nodule." in shown.notes
    by_split = table_called("T(IoU) of each split, ham", table)
    assert [row.cells[0] for row in by_split.rows] == ["0.750", "0.333 (1 of 2)", "–", "–", "0.500"]
    finding = table_called("T(IoU) of each finding", table)
    assert finding.rows[1].cells[:2] == ["0.667 ± 0.471", "0.500 (1 of 2)"]


def test_a_finding_without_pairs_is_named_and_not_counted(make_split: Make) -> None:
    split = make_split()
    set_scores(split, {"Mass": [0.5], "Nodule": [0.1]}, 0.8, ("Mass", "Nodule", "Hernia"))
    shown = table_called("T(IoU), mean over findings", tables.tidy(read_results([split])))
    assert [group for group, _ in shown.columns] == ["mean of 2"] * 2 + ["mean of 1 without Mass"] * 2
    assert "Hernia has no pair of image and finding here and is in no mean." in shown.notes


def test_a_variant_that_lacks_a_split_says_so_in_every_row(make_split: Make) -> None:
    whole = [make_split(f"fold{i}", seed=i, listed=20) for i in (1, 2, 3)]
    part = [make_split(f"fold{i}", variant="part", seed=i, listed=20) for i in (2, 3)]
    single = make_split("fold1", variant="single", seed=1, listed=20)
    # the variant that lacks a split stands first: nothing may be counted from it alone
    table = tables.tidy(read_results([*part, *whole, single]))
    rows = table[(table["split"] == "mean") & (table["metric"] == "t_iou") & (table["scope"] == "mean")]
    assert {(row.variant, row.n_splits) for row in rows.itertuples()} == {
        ("part", 2), ("ham", 3), ("location-prior", 3), ("random-map", 3), ("whole-image", 3)
    }  # fmt: skip
    shown = table_called("T(IoU), mean over findings", table)
    labels = ["part (2 of 3 splits)", "ham", "single (fold1 only)", "location prior", "random map", "whole image"]
    assert [row.label for row in shown.rows] == labels
    assert [row.whole for row in shown.rows] == [False, True, False, True, True, True]
    assert "over the splits that a row has, 3 unless it says fewer" in shown.caption
    assert "72 pairs of image and finding" in shown.caption  # 3 splits, 4 findings, 6 pairs each
    assert "Test images present: 36 of 60" in shown.caption
    own = pick(table, variant="single", split="fold1", metric="t_iou", threshold=0.3, scope="mean")["value"]
    assert shown.rows[2].cells[1] == f"{own:.3f}"
    assert [row.label for row in table_called("AUC, part", table).rows] == ["fold2", "fold3", "mean", "sd"]


def test_variants_stand_as_given_and_splits_as_people_count(make_split: Make) -> None:
    names = ("fold10", "fold9", "fold1")
    results = read_results([make_split(split, variant=v) for v in ("zeta", "alpha") for split in names])
    assert [(result.variant, result.split) for result in results] == [
        (variant, split) for variant in ("zeta", "alpha") for split in ("fold1", "fold9", "fold10")
    ]
    table = tables.tidy(results)
    assert [row.label for row in table_called("T(IoU), mean over findings", table).rows][:2] == ["zeta", "alpha"]
    assert [row.label for row in table_called("AUC, zeta", table).rows][:3] == ["fold1", "fold9", "fold10"]


def test_findings_that_are_named_like_means_are_findings(make_split: Make, tmp_path: Path) -> None:
    names = ("Mass", "mean_without_Mass", "mean")
    split = make_split(findings=names, boxed=names)
    set_scores(split, {"Mass": [0.5], "mean_without_Mass": [0.1], "mean": [0.1]}, 0.8, names)
    tables.write_tables([split], tmp_path / "x.csv", SETTINGS)
    table = tables.read_table(tmp_path / "x.csv")
    shown = table_called("T(IoU) of each finding", table)
    assert [name for _, name in shown.columns] == [*names, "mean of 3", "mean of 2 without Mass"]
    assert shown.rows[1].cells == ["1.000", "0.000", "0.000", "0.333", "0.000"]


def test_a_split_that_an_older_version_scored_is_named(make_split: Make) -> None:
    split = make_split()
    metrics = json.loads((split / "metrics.json").read_text())
    for row in metrics["localization"]:
        del row["scope"]
    (split / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="older version of ham; score this split again"):
        read_results([split])


def test_a_name_that_latex_would_take_for_its_own_stands_as_it_is() -> None:
    assert [latex._tex(name) for name in ("[x]", "*", "a [x]")] == ["{}[x]", "{}*", "a [x]"]
