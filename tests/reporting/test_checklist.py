"""The checklists: complete by number, filled in only where the page really answers."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ham.errors import DataError
from ham.reporting import tables
from ham.reporting.checklist import ITEMS, Place, fill_in, find_places
from ham.reporting.page import ReportFiles, write_page
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings

SETTINGS = ReportingSettings()
SHOWN: dict[str, Any] = {"name": "a", "all": [], "galleries": [], "settings": [], "caveats": []}
Make = Callable[..., Path]


def answered(split: Path, **shown: Any) -> dict[str, Place]:
    return find_places(read_results([split]), {}, [SHOWN | shown], audited=False, limited=False)


def test_every_item_stands_there_once_by_its_number() -> None:
    claim, tripod = fill_in({})
    assert [claim.name, tripod.name] == ["CLAIM 2024", "TRIPOD+AI"]
    assert [item.number for item in claim.items] == [str(number) for number in range(1, 45)]
    assert list(dict.fromkeys(int(re.sub("[a-g]", "", item.number)) for item in tripod.items)) == list(range(1, 28))
    assert len({item.number for item in tripod.items}) == len(tripod.items)
    assert all(len(item.about.split()) < 12 for checklist in (claim, tripod) for item in checklist.items)
    assert claim.filled == tripod.filled == 0


def test_what_only_a_person_can_say_is_never_filled_in(make_split: Make) -> None:
    split = make_split()
    (split / "model.safetensors").touch()
    metrics = json.loads((split / "metrics.json").read_text())
    (split / "metrics.json").write_text(json.dumps(metrics | {"operating_points": {"thresholds": {}}}))
    shown = SHOWN | {name: ["x"] for name in ("galleries", "caveats")} | {"settings": [("network.pretrained", "null")]}
    shown["all"] = [{"title": "Subgroups"}, {"title": "The same maps cut elsewhere"}]
    info = {"attribution": "x", "counts": {"images": 1}, "lists": {"x": {}}, "published": "nih"}
    every = find_places(read_results([split]), info, [shown], audited=True, limited=True)
    with open(ITEMS, encoding="utf-8", newline="") as file:
        assert {row["place"] for row in csv.DictReader(file)} - {""} == {*every, "external"}
    claim, tripod = fill_in(every)
    assert {"1", "2", "16", "33", "34", "41", "44"} <= {item.number for item in claim.items if item.place is None}
    assert {"1", "17", "18a", "18b", "19"} <= {item.number for item in tripod.items if item.place is None}


def test_intervals_are_filled_in_only_where_there_are_resamples(make_split: Make) -> None:
    split = make_split(resamples=50)
    assert "50 resamples" in answered(split)["intervals"].text
    metrics = json.loads((split / "metrics.json").read_text())
    del metrics["resamples"]
    (split / "metrics.json").write_text(json.dumps(metrics))
    assert "intervals" not in answered(split)


def test_thresholds_are_filled_in_only_where_some_were_chosen_on_held_out_images(make_split: Make) -> None:
    split = make_split()
    metrics = json.loads((split / "metrics.json").read_text())
    assert "thresholds" not in answered(split)
    for points, known in (({"reason": "every validation image is a test image"}, False), ({"thresholds": {}}, True)):
        (split / "metrics.json").write_text(json.dumps(metrics | {"operating_points": points}))
        assert ("thresholds" in answered(split)) is known
    assert answered(split)["thresholds"].anchor == "experiment-localization-5fold"


def test_tables_pictures_and_versions_are_named_only_where_they_are(make_split: Make) -> None:
    split = make_split()
    names = {"robustness", "subgroups", "maps", "gallery", "settings", "checkpoint", "pretrained"}
    assert not names & set(answered(split))
    shown = {"all": [{"title": "Subgroups"}], "galleries": ["x"], "settings": [("epochs", "3")], "caveats": ["y"]}
    assert names & set(answered(split, **shown)) == names - {"robustness", "pretrained"}
    assert {"versions", "code"} <= set(answered(split))
    (split / "run.json").unlink()
    assert not {"versions", "code"} & set(answered(split))
    assert "card" not in answered(split)
    (split / "model.safetensors").touch()
    assert "card" in answered(split)


def test_the_page_shows_what_is_filled_in_and_what_is_not(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    split = make_split()
    table = tmp_path / "tables" / "localization-5fold.csv"
    tables.write_tables([split], table, SETTINGS)
    write_page(dataset, ReportFiles([split], [table]), tmp_path / "x.html", SETTINGS)
    text = (tmp_path / "x.html").read_text()
    section = text[text.index('<section id="checklist">') :]
    counted = re.findall(r"(\d+) of (\d+) filled in by this run, (\d+) to be written", section)
    assert [int(total) for _, total, _ in counted] == [44, 52]
    assert [int(filled) + int(left) for filled, _, left in counted] == [44, 52]
    assert section.count('class="unwritten">to be written') == sum(int(left) for _, _, left in counted)
    assert re.search(r'<th scope="row">33</th><td>[^<]+</td><td class="unwritten">', section)  # external test
    assert re.search(r'<th scope="row">29</th><td>[^<]+</td><td><a href="#reading">95 % intervals from 100', section)


def test_a_checklist_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        fill_in({}, tmp_path / "none.csv")
