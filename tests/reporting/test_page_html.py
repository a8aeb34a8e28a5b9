"""The page is valid HTML5; tables have captions, pictures words, ids stand once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest

from ham.reporting import gallery, tables, threshold_figures
from ham.reporting.page import ReportFiles, write_page
from ham.reporting.settings import ReportingSettings

SETTINGS = ReportingSettings()
EXPERIMENTS = ("localization-5fold", "data")  # the second is named like a section of the page


@pytest.fixture
def page(make_split: Callable[..., Path], dataset: Path, tmp_path: Path) -> Element:
    """A page with every section: two experiments, pictures, leakage, training settings; as html5lib's strict parser
    reads it, which stops at the first mistake."""
    splits, csvs, drawn, sheets = [], [], [], []
    for name in EXPERIMENTS:
        split = make_split(experiment=name)
        run = json.loads((split / "run.json").read_text())
        (split / "run.json").write_text(json.dumps(run | {"settings": {"checkpoint": "last"}}))
        csvs.append(tmp_path / "tables" / f"{name}.csv")
        tables.write_tables([split], csvs[-1], SETTINGS)
        stem = tmp_path / "figures" / f"{name}-t-iou"
        threshold_figures.write_thresholds([split], "t_iou", stem, SETTINGS)
        drawn.append(stem.with_name(f"{stem.name}.svg"))
        sheets.append(tmp_path / "gallery" / name / "ham.png")
        gallery.write_gallery(dataset, [split], sheets[-1], SETTINGS)
        splits.append(split)
    files = ReportFiles(splits, csvs, drawn, sheets)
    write_page(dataset, files, tmp_path / "report.html", SETTINGS)
    return read_html((tmp_path / "report.html").read_text(encoding="utf-8"))


def read_html(text: str) -> Element:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def test_the_strict_parser_refuses_what_browsers_forgive() -> None:
    start = "<!DOCTYPE html><html lang=en><title>x</title><body>"
    for wrong in (
        "<p><table></p></table>",
        "<p>a</div>",
        "<table><td>a</table>",
        "<p>&nosuch;",
        '<a b="1" b="2">c</a>',
    ):
        with pytest.raises(html5lib.html5parser.ParseError):
            read_html(start + wrong)


def test_no_id_stands_twice_and_every_link_within_the_page_has_its_target(page: Element) -> None:
    ids = Counter(element.get("id") for element in page.iter() if element.get("id") is not None)
    assert [name for name, count in ids.items() if count > 1 or not name or any(map(str.isspace, name))] == []
    links = [element.get("href", "") for element in page.iter("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert {"experiment-data", "data"} <= set(ids)


def test_every_picture_has_its_words(page: Element) -> None:
    pictures = list(page.iter("img"))
    assert len(pictures) == 4
    assert all((picture.get("alt") or "").strip() for picture in pictures)


def test_every_table_has_a_caption_and_rows_of_one_width(page: Element) -> None:
    captioned = {
        table
        for figure in page.iter("figure")
        if figure.find("figcaption") is not None
        for table in figure.iter("table")
    }
    found = list(page.iter("table"))
    assert len(found) > 20
    for table in found:
        caption = table.find("caption")
        assert table in captioned or (caption is not None and (caption.text or "").strip()), text_of(table)[:80]
        widths = {sum(int(cell.get("colspan", 1)) for cell in row) for row in table.iter("tr")}
        assert len(widths) == 1, text_of(table)[:80]


def test_a_heading_of_several_columns_stands_over_a_group_of_columns(page: Element) -> None:
    for table in page.iter("table"):
        spans = [int(cell.get("colspan", 1)) for cell in table.iter("th") if cell.get("scope") == "colgroup"]
        assert [int(group.get("span", 1)) for group in table.iter("colgroup")][1:] == spans


def text_of(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
