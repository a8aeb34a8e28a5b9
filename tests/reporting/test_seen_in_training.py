"""The leakage audit in the report: numbers add up over the splits, and the choice of the checkpoint is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ham.errors import DataError
from ham.reporting import page
from ham.reporting.page import ReportFiles
from ham.reporting.seen_in_training import seen_of_the_test
from ham.reporting.settings import ReportingSettings
from ham.scoring.leakage import COLUMNS


def row(**values: Any) -> dict[str, Any]:
    usual: dict[str, Any] = dict.fromkeys(COLUMNS, 0) | {
        "experiment": "localization-5fold",
        "variant": "ham",
        "split": "fold1",
        "kind": "classification",
        "images": "listed",
        "checkpoint": "best-t-iou",
        "test_images": 1000,
    }
    return usual | values


def audit(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "leakage.csv"
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path


def test_splits_are_added_up_and_variants_are_not(tmp_path: Path) -> None:
    rows = [
        row(split=split, variant=variant, test_images_of_train_patients=count, test_images_in_validation=3)
        for split, count in (("fold1", 900), ("fold2", 600))
        for variant in ("ham", "small")
    ]
    (line,) = seen_of_the_test([audit(tmp_path, *rows)]).rows
    assert (line.block, line.label) == ("localization-5fold", "all test images")
    assert line.cells == ["2", "2,000", "0", "1,500 (75.0 %)", "6 (0.3 %)", "0", "other images (best-t-iou)"]


def test_images_with_boxes_have_a_line_of_their_own_unless_they_are_all(tmp_path: Path) -> None:
    boxed = row(kind="localization", test_images=10)
    assert [line.label for line in seen_of_the_test([audit(tmp_path, row(), boxed)]).rows] == [
        "all test images",
        "those with boxes",
    ]
    (line,) = seen_of_the_test([audit(tmp_path, row(), row(kind="localization"))]).rows
    assert line.label == "test images, all with boxes"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"chosen_on_test": 1}], "the test images (best-t-iou)"),
        ([{"checkpoint": "last"}], "nothing (last)"),
        ([{"checkpoint": "last"}, {"variant": "x"}], "ham: nothing (last); x: other images (best-t-iou)"),
        (
            [{}, {"variant": "x", "checkpoint": "given", "chosen_on_test": None}],
            "ham: other images (best-t-iou); x: not known (weights trained elsewhere)",
        ),
    ],
)
def test_what_chose_the_weights_is_said(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    (line,) = seen_of_the_test([audit(tmp_path, *(row(**values) for values in rows))]).rows
    assert line.cells[-1] == said


def test_an_undefined_checkpoint_was_chosen_by_nothing(tmp_path: Path) -> None:
    rows = [row(split=split, chosen_on_test=1, checkpoint="best-auc") for split in ("fold1", "fold2")]
    undefined = frozenset({("localization-5fold", "ham", "fold2")})
    (line,) = seen_of_the_test([audit(tmp_path, *rows)], undefined).rows
    assert line.cells[-1] == "the test images (best-auc), nothing in fold2 (last: best-auc is undefined)"
    (line,) = seen_of_the_test([audit(tmp_path, rows[1])], undefined).rows
    assert line.cells[-1] == "nothing in fold2 (last: best-auc is undefined)"


def test_of_a_partial_download_the_images_that_were_there_are_shown(tmp_path: Path) -> None:
    table = seen_of_the_test([audit(tmp_path, row(), row(images="present", test_images=7))])
    assert [line.cells[1] for line in table.rows] == ["7"]
    assert table.notes


def test_audits_of_several_experiments_are_one_table(tmp_path: Path) -> None:
    paths = []
    for name in ("zeta", "alpha"):
        (tmp_path / name).mkdir()
        paths.append(audit(tmp_path / name, row(experiment=name)))
    assert [line.block for line in seen_of_the_test(paths).rows] == ["zeta", "alpha"]


def test_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "leakage.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"leakage\.csv is no leakage audit"):
        seen_of_the_test([tmp_path / "leakage.csv"])


def test_the_page_has_the_section_where_there_is_an_audit(
    make_split: Callable[..., Path], dataset: Path, tmp_path: Path
) -> None:
    settings, output = ReportingSettings(), tmp_path / "x.html"
    splits = [make_split()]
    path = audit(tmp_path, row(test_images_of_train_patients=900, chosen_on_test=1))
    page.write_page(dataset, ReportFiles(splits, leakage=[path]), output, settings)
    text = output.read_text()
    assert "What training has seen of the test" in text
    assert ">900 (90.0 %)<" in text
    assert 'href="#seen"' in text
    page.write_page(dataset, ReportFiles(splits), output, settings)
    assert 'id="seen"' not in output.read_text()
