"""The page of methods by truths says what the table says, and nothing of a method's name is markup."""

from __future__ import annotations

import re
from typing import Any

import html5lib
import pandas as pd

from ham.reporting.leaderboard import render
from ham.scoring.benchmark.rows import COLUMNS

NAME = "<b>a & b</b>"


def about(cut: str = "published") -> dict[str, Any]:
    counts = {"findings": ["Mass", "Cardiomegaly"], "images": 12, "pairs": 1234, "missing": 5, "left_out_trained_on": 7}
    return {
        "dataset": "NIH",
        "list": "Main/test_list",
        "protocol": {"leave_out": "Cardiomegaly", "size": 512, "cut": cut},
        "scored": [
            {"method": NAME, "truth": "NIH boxes", "floor": False} | counts,
            {"method": "location prior", "truth": "NIH boxes", "floor": True} | counts,
        ],
    }


def table() -> pd.DataFrame:
    rows = []
    for method, value in ((NAME, 0.25), ("location prior", 0.5)):
        for finding in ("mean", "mean_without_Cardiomegaly"):
            rows.append(
                [method, "NIH boxes", "t_iou", "0.3", "published 0.469", finding, value, value - 0.1, value + 0.1, 9]
            )
    rows.append([NAME, "NIH boxes", "pointing", "", "none", "mean", 0.125, "", "", 9])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_the_page_says_what_the_table_says() -> None:
    page = render(table(), about())
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<b>a" not in page
    assert "&lt;b&gt;a &amp; b&lt;/b&gt; (2)" in page
    (row,) = re.findall(r"<tr><td>&lt;b.*?</tr>", page)
    assert re.findall(r'data-sort="([^"]*)">([^<]*)', row) == [
        ("", "–"), ("0.250000", "0.250"), ("", "–"), ("0.250000", "0.250"), ("0.125000", "0.125"),
        ("12", "12"), ("1234", "1,234"), ("5", "5"), ("7", "7"),
    ]  # fmt: skip
    assert "0.150 to 0.350" in row
    assert page.count('<tr class="floor">') == 1
    assert "T(IoU) 0.3 without Cardiomegaly" in page
    assert "Not a result" not in page
    assert "http" not in page


def test_an_oracles_page_says_that_it_is_no_result() -> None:
    assert "<b>Not a result.</b>" in render(table(), about("oracle"))
