"""The page of every pair: the region in the file is the region scored, names are text, views have addresses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ham.datasets.dataset import Dataset
from ham.model.map_file import read_maps, write_maps
from ham.model.maps import RegionRule
from ham.reporting.gallery_page import PICTURES, write_gallery_page
from ham.scoring import localization
from ham.scoring.truth import Truth, masks_of
from ham.settings import LossSettings

from .fake_results import FINDINGS, IMAGES, write_dataset, write_split

CHROMIUM = shutil.which("chromium")
VOID = {"meta", "img", "input", "rect"}


class Page(HTMLParser):
    """Figures by their attributes, addresses of pictures, and tags that stay open."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: list[dict[str, str | None]] = []
        self.pictures: list[dict[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "figure":
            self.figures.append(dict(attrs))
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path, Path]:
    """A data set, a split whose maps are random and scored as the pipeline scores, and its page."""
    root = tmp_path_factory.mktemp("gallery")
    data = Dataset.open(write_dataset(root / "Phantom", IMAGES, size=(48, 60)))
    split = write_split(root / "phantom/localization-5fold/ham/fold1", IMAGES)
    rule = RegionRule.of(32, LossSettings())
    pairs = Truth.of_dataset(data, None, "Main/test").pairs
    draw = np.random.default_rng(3)
    with write_maps(split / "maps.npz") as file:
        for image in dict.fromkeys(pair.image for pair in pairs):
            for name in (*data.boxed_findings, "abnormality"):
                file.write(image, name, draw.gamma(2.0, size=(7, 9)))
    with read_maps(split / "maps.npz") as maps:
        found = localization.model_overlap(maps, pairs, masks_of(pairs, rule.size), rule)
    predictions = pd.DataFrame(0.5, index=IMAGES, columns=list(data.findings))
    localization.pair_table(pairs, found, predictions).to_csv(split / "localization.csv", index=False)
    metrics = json.loads((split / "metrics.json").read_text()) | {"region": rule._asdict()}
    (split / "metrics.json").write_text(json.dumps(metrics))
    page = root / "gallery/localization-5fold/ham/index.html"
    write_gallery_page(root / "Phantom", [split], page)
    return data, split, page


def read(page: Path) -> Page:
    seen = Page()
    seen.feed(page.read_text(encoding="utf-8"))
    return seen


def test_every_pair_is_there_and_the_region_in_its_file_is_the_region_scored(made: tuple[Dataset, Path, Path]) -> None:
    data, split, page = made
    table = pd.read_csv(split / "localization.csv", dtype={"image": str})
    seen = read(page)
    assert seen.open == []
    assert len(seen.figures) == len(table) > 10
    regions = [picture["src"] for picture in seen.pictures if "region" in str(picture.get("class", ""))]
    pairs = Truth.of_dataset(data, None, "Main/test").pairs
    masks = {(pair.image, pair.finding): mask for pair, mask in zip(pairs, masks_of(pairs, 32), strict=True)}
    shown = table.groupby("image", sort=False)
    rows = [row for _, own in shown for row in own.to_dict("records")]
    for figure, region, row in zip(seen.figures, regions, rows, strict=True):
        assert figure["data-finding"] == row["finding"]
        drawn = np.asarray(Image.open(page.parent / str(region))) > 0
        mask = masks[row["image"], row["finding"]]
        assert drawn.shape == mask.shape
        assert (drawn & mask).sum() / (drawn | mask).sum() == pytest.approx(row["iou"], abs=1e-12)
        assert float(str(figure["data-iou"])) == pytest.approx(row["iou"], abs=1e-6)


def test_names_from_elsewhere_are_text_and_no_paths(made: tuple[Dataset, Path, Path]) -> None:
    _, _, page = made
    text = page.read_text(encoding="utf-8")
    assert any("<" in name for name in FINDINGS)
    assert text.count("<script>") == 1
    assert not re.search(r'(?:src|href)="(?!pictures/\d|#)', text)
    for picture in read(page).pictures:
        assert re.fullmatch(rf"{PICTURES}/\d+(-abnormality|-\d+-(attention|region))?\.(jpg|png)", str(picture["src"]))
        assert (page.parent / str(picture["src"])).is_file()
        assert picture["loading"] == "lazy"
        assert "alt" in picture


def test_equal_results_give_equal_files(made: tuple[Dataset, Path, Path], tmp_path: Path) -> None:
    data, split, page = made
    write_gallery_page(data.folder, [split], tmp_path / "index.html")
    files = [path.relative_to(page.parent) for path in sorted(page.parent.rglob("*")) if path.is_file()]
    assert len(files) > 30
    for file in files:
        assert (tmp_path / file).read_bytes() == (page.parent / file).read_bytes()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: what the page's script does is not tried")
@pytest.mark.parametrize(("view", "order"), [("sort=best", -1), ("sort=worst&from=0.05", 1)])
def test_an_address_names_a_view(made: tuple[Dataset, Path, Path], tmp_path: Path, view: str, order: int) -> None:
    _, _, page = made
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom")
    address = f"{page.as_uri()}#{view}&finding=Atelectasis"
    dom = subprocess.run([str(CHROMIUM), *flags, address], capture_output=True, text=True, timeout=120).stdout
    seen = Page()
    seen.feed(dom)
    shown = [figure for figure in seen.figures if "hidden" not in figure]
    values = [float(str(figure["data-iou"])) for figure in shown]
    assert {figure["data-finding"] for figure in shown} == {"Atelectasis"}
    assert values == sorted(values, reverse=order < 0)
    assert min(values) >= (0.05 if "from" in view else 0)
    of_all = [figure for figure in read(page).figures if figure["data-finding"] == "Atelectasis"]
    assert len(shown) == sum(float(str(figure["data-iou"])) >= (0.05 if "from" in view else 0) for figure in of_all)
    assert f"{len(shown)} of {len(seen.figures)} pairs" in dom
