"""One protocol for all sources: a new one is its module and a line of the register."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings
from ham.datasets.sources import SOURCES, Source, meaningless_keys
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.datasets.sources.problems import mistake, refuse_mistakes
from ham.datasets.splits import folds_by_patient
from ham.datasets.writer import build_content, digest_images, write_dataset
from ham.errors import DataError, SettingsError

KEYS: dict[str, Any] = {
    "name": "MadeUp",
    "source": "made_up",
    "findings": ["Mass"],
    "licence": "none",
    "attribution": "nobody",
    "tables": ["table.txt"],
}


def convert_made_up(request: ConversionRequest) -> None:
    """A line an image; odd ones have the finding."""
    images = (request.fetched / "table.txt").read_text().split()
    refuse_mistakes(request, [mistake("bad.png is bad: mend it", "bad.png")] if "bad.png" in images else [])
    table = pd.DataFrame(
        {
            "patient": images,
            "width": 8,
            "height": 8,
            "view": "",
            "sex": "",
            "age": "",
            "Mass": np.arange(len(images)) % 2,
        },
        index=pd.Index(images, name="image"),
    )
    content = build_content(
        request.description,
        key=request.key,
        table=table,
        boxes={},
        lists=folds_by_patient(table, {}, request.data.folds),
        missing=[],
        problems=[],
        sources=[],
        image_digest=digest_images([]),
    )
    write_dataset(request.folder, content)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source's module, and its line."""
    module = ModuleType("ham.datasets.sources.made_up")
    module.convert = convert_made_up  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(SOURCES, "made_up", Source(needs=("tables",), settings=("uncertain",), lists=("old", "new")))


def request(folder: Path, text: str) -> ConversionRequest:
    (folder / "fetched").mkdir()
    (folder / "fetched/table.txt").write_text(text)
    return ConversionRequest(
        folder / "MadeUp", "made-up", Description.of(KEYS), DataSettings(), fetched=folder / "fetched"
    )


@pytest.mark.usefixtures("made_up")
def test_a_made_up_source_converts_through_the_same_path(tmp_path: Path) -> None:
    images = [f"{number}.png" for number in range(20)]
    convert(request(tmp_path, "\n".join(images)))
    dataset = Dataset.open(tmp_path / "MadeUp")
    assert (dataset.info["source"], dataset.info["key"]) == ("made_up", "made-up")
    assert list(dataset.table.index) == images
    assert len(dataset.listed("Main/by-patient/fold1/test")) == 4


@pytest.mark.usefixtures("made_up")
def test_its_mistakes_are_told_as_those_of_any_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data set MadeUp has a mistake: bad\.png is bad.*validation\.csv lists all"):
        convert(request(tmp_path, "bad.png"))


@pytest.mark.usefixtures("made_up")
def test_descriptions_and_rules_follow_its_line() -> None:
    description = Description.of(KEYS)
    assert description.made_lists == ("Main/old", "Main/new", "bbox/old", "bbox/new")
    assert description.brought == ()
    assert set(DataSettings().plain_for_conversion(description)) == {"partial", "folds", "uncertain"}
    with pytest.raises(ValueError, match="tables: needed where the source is made_up"):
        Description.of({**KEYS, "tables": []})
    with pytest.raises(ValueError, match="archives: mean nothing where the source is made_up"):
        Description.of({**KEYS, "archives": ["a.tar.gz"]})


def test_a_source_that_is_not_registered_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made-up.yaml"
    path.write_text("name: MadeUp\nsource: made_up\nfindings: [Mass]\nlicence: none\nattribution: nobody\n")
    with pytest.raises(SettingsError, match="source: no source of that name, there are nih, chexpert, table"):
        Description.read(path)


def test_every_source_has_its_module_and_all_but_a_users_own_a_description(root: Path) -> None:
    described = {Description.read(path).source for path in (root / "config/datasets").glob("*.yaml")}
    for name, source in SOURCES.items():
        assert (root / f"ham/datasets/sources/{name}.py").is_file()
        assert name in described or "images" in source.needs  # that one stands beside the user's own files
        assert set(source.keys) <= set(Description.model_fields)
        assert set(source.settings) <= set(DataSettings.model_fields)
        assert source.brought == () or "folder" in source.settings


def test_keys_of_one_source_mean_nothing_to_another() -> None:
    assert set(meaningless_keys("nih")) == {"images", "labels", "boxes"}
    assert set(meaningless_keys("chexpert")) == {"archives", "lists", "box_grid", "images", "labels", "boxes"}
    assert "tables" in meaningless_keys("table")


@pytest.mark.parametrize("change", [{"store": 64}, {"mirror": "/elsewhere"}, {"keep_archives": False}])
@pytest.mark.parametrize("dataset", ["nih", "chexpert"])
def test_what_transfers_and_stores_read_converts_nothing_again(
    root: Path, dataset: str, change: dict[str, object]
) -> None:
    description = Description.read(root / f"config/datasets/{dataset}.yaml")
    plain = DataSettings().plain_for_conversion(description)
    assert DataSettings.of(change).plain_for_conversion(description) == plain
    assert DataSettings(partial=True).plain_for_conversion(description) != plain
    assert DataSettings.of(plain).plain_for_conversion(description) == plain
