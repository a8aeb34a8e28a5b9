"""The page: one file, everything in it, names as text, honest about what is missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from ham.errors import DataError
from ham.reporting import curve_figures, gallery, page, tables, threshold_figures
from ham.reporting.caveats import list_caveats
from ham.reporting.page import ReportFiles
from ham.reporting.results import read_results
from ham.reporting.settings import ReportingSettings

from .fake_results import IMAGES, write_dataset, write_split

SETTINGS = ReportingSettings()
Make = Callable[..., Path]


class Seen(HTMLParser):
    """Tags that are open at the end, addresses, tables and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "link", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"


def write(splits: list[Path], dataset: Path, root: Path, output: Path) -> str:
    """Tables, figures, galleries and page of an experiment; the page's text."""
    name, variant = splits[0].parts[-3:-1]
    csv = root / "tables" / f"{name}.csv"
    tables.write_tables(splits, csv, SETTINGS)
    stems = {kind: root / "figures" / f"{name}-{kind}" for kind in ("roc", "t-iou")}
    curve_figures.write_roc(splits, stems["roc"])
    threshold_figures.write_thresholds(splits, "t_iou", stems["t-iou"], SETTINGS)
    sheet = root / "gallery" / name / f"{variant}.png"
    gallery.write_gallery(dataset, splits, sheet, SETTINGS)
    drawn = [stem.with_name(f"{stem.name}.svg") for stem in stems.values()]
    page.write_page(dataset, ReportFiles(splits, [csv], drawn, [sheet]), output, SETTINGS)
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two splits with their data set and report.html beside, made once."""
    root = tmp_path_factory.mktemp("page")
    data = write_dataset(root / "datasets" / "Phantom", IMAGES)
    folders = [root / "phantom" / "localization-5fold" / "ham" / f"fold{i}" for i in (1, 2)]
    splits = [write_split(folder, IMAGES, seed=i) for i, folder in enumerate(folders)]
    write(splits, data, root, root / "report.html")
    return root


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(text: str) -> None:
    seen = Seen()
    seen.feed(text)
    assert seen.open == []
    assert seen.addresses
    assert all(address.startswith(("data:", "#", "gallery/")) for address in seen.addresses)
    assert "link" not in seen.tags
    assert not re.search(r"url\(|@import|<iframe", text)
    assert len(text) < 5_000_000


def test_every_anchor_is_there(text: str) -> None:
    for target in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{target}"' in text


def test_hostile_names_are_text(text: str) -> None:
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text
    assert text.count("<script>") == 1  # opens the folded parts before printing
    assert "free to use &lt;with&gt; thanks" in text
    assert "Pleural_Thickening" in text


def test_what_was_run_and_what_was_missing_is_said(text: str) -> None:
    assert "12 of 14 images" in text
    assert "Incomplete data." in text
    assert "Drawn images." in text
    assert "Not for clinical use" in text
    assert "Drawn by ham &amp; nobody else" in text
    assert "2.9.0" in text  # a version of the trainings
    assert "localization-5fold / ham / fold2" in text
    assert "ResNet-50" not in text  # published rows are NIH's


def test_numbers_on_the_page_are_those_of_the_csv(text: str, root: Path) -> None:
    table = tables.read_table(root / "tables/localization-5fold.csv")
    rows = table[(table["variant"] == "ham") & (table["metric"] == "t_iou") & (table["finding"] == "mean")]
    values = {(row.split, row.threshold): row.value for row in rows.itertuples()}
    assert f">{values['mean', 0.3]:.3f} ± {values['sd', 0.3]:.3f}<" in text
    assert f">{values['pooled', 0.5]:.3f}<" in text


def test_equal_results_give_an_equal_page(text: str, root: Path, tmp_path: Path) -> None:
    splits = sorted((root / "phantom/localization-5fold/ham").iterdir())
    parts = [
        sorted((root / name).glob(f"{place}*.{form}"))
        for name, place, form in (("tables", "", "csv"), ("figures", "", "svg"), ("gallery", "*/", "png"))
    ]
    page.write_page(root / "datasets/Phantom", ReportFiles(splits, *parts), tmp_path / "again.html", SETTINGS)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text


def lists(split: Path, checkpoint: str, validation: str) -> None:
    """Record in a split which lists it used and which checkpoint."""
    run, metrics = (json.loads((split / name).read_text()) for name in ("run.json", "metrics.json"))
    run |= {
        "settings": {"checkpoint": checkpoint, "loss": {"weights": {"box": 0.5}}},
        "lists": {"validation": validation},
    }
    metrics |= {"lists": {"test": "Main/test", "test_boxes": None}}
    (split / "run.json").write_text(json.dumps(run))
    (split / "metrics.json").write_text(json.dumps(metrics))


@pytest.mark.parametrize(
    ("checkpoint", "validation", "said"),
    [
        ("best-t-iou", "Main/test", "chosen on the test images themselves"),
        ("best-auc", "Main/val", "were chosen on other images"),
        ("last", "Main/test", "no image chose them"),
    ],
)
def test_a_checkpoint_chosen_on_test_images_is_said_so(
    make_split: Make, dataset: Path, tmp_path: Path, checkpoint: str, validation: str, said: str
) -> None:
    split = make_split()
    lists(split, checkpoint, validation)
    page.write_page(dataset, ReportFiles([split]), tmp_path / "x.html", SETTINGS)
    text = (tmp_path / "x.html").read_text()
    assert said in text
    assert "loss.weights.box" in text


def test_a_checkpoint_that_is_undefined_is_said_so_and_chosen_by_nothing(
    make_split: Make, dataset: Path, tmp_path: Path
) -> None:
    one, two = make_split("fold1"), make_split("fold2")
    for split in (one, two):
        lists(split, "best-auc", "Main/test")
    run = json.loads((two / "run.json").read_text())
    reason = "no finding has validation images both with and without it, so there is no validation AUC"
    (two / "run.json").write_text(json.dumps(run | {"undefined_checkpoints": {"best-auc": reason, "best-t-iou": "x"}}))
    assert list_caveats(read_results([one, two])) == [
        f"ham: in fold2 the epoch with the best validation AUC is undefined ({reason}): the last epoch is tested in "
        "its place, and no image chose it.",
        "ham: the tested weights (the epoch with the best validation AUC) were chosen on the test images themselves, "
        "as the published protocol does. The numbers are optimistic; checkpoint: last is the choice that does not "
        "look.",
    ]
    assert len(list_caveats(read_results([two]))) == 1  # nobody chose
    page.write_page(dataset, ReportFiles([one, two]), tmp_path / "x.html", SETTINGS)
    assert "is undefined (no finding has validation images" in (tmp_path / "x.html").read_text()


def test_boxes_of_which_refinement_left_nothing_are_counted(make_split: Make) -> None:
    splits = [make_split(f"fold{i}", seed=i) for i in (1, 2, 3)]
    for split, number in zip(splits, (3, None, 1), strict=True):
        run = json.loads((split / "run.json").read_text())
        (split / "run.json").write_text(json.dumps(run | {"unrefined_boxes": number}))
    assert list_caveats(read_results(splits))[-1] == (
        "ham: refinement left no pixel of some training boxes (3 in fold1 and 1 in fold3): the boxes themselves were "
        "trained on."
    )
    assert not any("refinement" in line for line in list_caveats(read_results(splits[1:2])))


def test_boxes_without_a_pixel_in_the_scored_frame_are_counted(make_split: Make) -> None:
    split = make_split("fold1")
    pairs = pd.read_csv(split / "localization.csv")
    assert not any("too small" in line for line in list_caveats(read_results([split])))
    pairs["true_area"] = [0, 0, *[9] * (len(pairs) - 2)]
    pairs.to_csv(split / "localization.csv", index=False)
    assert list_caveats(read_results([split]))[-1] == (
        f"ham: the boxes of 2 of {len(pairs)} pairs are too small for a pixel of the scored frame: IoU is 0 there "
        "whatever is predicted."
    )


def test_maps_that_are_all_empty_are_said(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    empty, part, fine = (make_split(f"fold{i}", seed=i) for i in (1, 2, 3))
    for split, findings in ((empty, None), (part, ["Cardiomegaly"])):
        pairs = pd.read_csv(split / "localization.csv")
        pairs.loc[pairs["finding"].isin(findings or set(pairs["finding"])), ["iou", "ior", "empty"]] = [0, 0, 1]
        pairs.to_csv(split / "localization.csv", index=False)
    said = list_caveats(read_results([empty, part, fine]))
    assert [line.split(":")[1] for line in said] == [
        " all predicted regions are empty in fold1",
        " all predicted regions of Cardiomegaly are empty in fold2",
    ]
    csv = tmp_path / "tables" / "localization-5fold.csv"
    tables.write_tables([fine], csv, SETTINGS)
    page.write_page(dataset, ReportFiles([fine], [csv]), tmp_path / "x.html", SETTINGS)
    text = (tmp_path / "x.html").read_text()
    assert "all predicted regions" not in text
    assert "empty maps" in text


@pytest.mark.parametrize(
    ("key", "drawn", "published"),
    [("nih-lookalike", None, None), ("phantom-limbs", None, None), ("mine", "phantom", None), ("mine", None, "nih")],
)
def test_what_a_data_set_is_comes_from_its_description_not_from_its_name(
    make_split: Make, tmp_path: Path, key: str, drawn: str | None, published: str | None
) -> None:
    dataset = write_dataset(tmp_path / "datasets" / key, IMAGES, drawn=drawn, published=published)
    page.write_page(dataset, ReportFiles([make_split(dataset=key)]), tmp_path / "x.html", SETTINGS)
    text = (tmp_path / "x.html").read_text()
    assert ("Drawn images." in text) is (drawn is not None)
    assert ("<dt>Ceiling</dt>" in text) is (published is not None)
    assert "Without Cardiomegaly" in text
    assert "Cardiomegaly lies in" not in text  # of whatever finding is left out, ham does not know where it lies


def test_settings_are_read_from_the_card_of_the_weights_where_run_json_has_none(
    make_split: Make, dataset: Path, tmp_path: Path
) -> None:
    split = make_split()
    header = json.dumps(
        {"__metadata__": {"card": json.dumps({"findings": ["Mass"], "settings": {"checkpoint": "last"}})}}
    ).encode()
    (split / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    page.write_page(dataset, ReportFiles([split]), tmp_path / "x.html", SETTINGS)
    assert "no image chose them" in (tmp_path / "x.html").read_text()


def test_a_training_on_an_image_store_is_said_so(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    split = make_split()
    run = json.loads((split / "run.json").read_text())
    for store, said in ((None, "<td>files</td>"), (576, "<td>store of 576 pixels</td>")):
        (split / "run.json").write_text(json.dumps({**run, "store": store}))
        page.write_page(dataset, ReportFiles([split]), tmp_path / "x.html", SETTINGS)
        assert said in (tmp_path / "x.html").read_text()


def test_a_training_says_by_which_commits_it_was_made_and_adopted(
    make_split: Make, dataset: Path, tmp_path: Path
) -> None:
    split = make_split()
    run = json.loads((split / "run.json").read_text())
    adopted = [{"git": {"commit": "b" * 40, "changed": True}, "differences": ["code: ham.model.losses"]}]
    changed = {**run, "git": {"commit": "a" * 40, "changed": False}, "fingerprint": "c" * 64, "adopted": adopted}
    (split / "run.json").write_text(json.dumps(changed))
    page.write_page(dataset, ReportFiles([split]), tmp_path / "x.html", SETTINGS)
    text = (tmp_path / "x.html").read_text()
    assert f"was trained by commit {'a' * 12} and adopted by commit {'b' * 12}+" in text
    assert "said not to matter: code: ham.model.losses." in text
    assert f"<td>{'c' * 12}</td>" in text


def test_a_model_below_its_floor_is_marked(make_split: Make, dataset: Path, tmp_path: Path) -> None:
    split = make_split(strength=0.0)
    root = tmp_path / "results"
    csv = root / "tables" / "localization-5fold.csv"
    tables.write_tables([split], csv, SETTINGS)
    page.write_page(dataset, ReportFiles([split], [csv]), tmp_path / "x.html", SETTINGS)
    assert '<td class="below' in (tmp_path / "x.html").read_text()


def test_a_page_of_an_experiment_without_localization_can_be_made(
    make_split: Make, dataset: Path, tmp_path: Path
) -> None:
    split = make_split(boxed=(), floors=())
    csv = tmp_path / "tables" / "localization-5fold.csv"
    tables.write_tables([split], csv, SETTINGS)
    page.write_page(dataset, ReportFiles([split], [csv]), tmp_path / "x.html", SETTINGS)
    assert "no localization tested" in (tmp_path / "x.html").read_text()


def test_a_missing_data_set_is_named(make_split: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.json"):
        page.write_page(tmp_path / "nowhere", ReportFiles([make_split()]), tmp_path / "x.html", SETTINGS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gallery": 4},
        {"gallery_examples": 0},
        {"t_iou_thresholds": []},
        {"t_iou_thresholds": [1.5]},
        {"gallery_examples": "4"},
    ],
)
def test_a_wrong_option_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ReportingSettings.of(wrong)


def test_settings_import_nothing_heavy() -> None:
    code = (
        "import sys, ham.reporting.settings as s;"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'torch', 'jinja2', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "own = s.ReportingSettings(); assert s.ReportingSettings.of(own.plain()) == own"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
