"""COCO's files: what pycocotools reads of them, and an average precision worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scored_split import EVERY, SETTINGS, score_split
from small_own import A1, A2, Own

from ham.boxes import Box, mask
from ham.datasets.dataset import Dataset
from ham.errors import DataError
from ham.scoring.chexlocalize import segmentations
from ham.scoring.exchange import _write_lines, coco_results, coco_truth, write_exchange
from ham.scoring.full_size import FullSizeImage, encode, find_maximum, hull, resize
from ham.scoring.truth import find_pairs

WIDTH, HEIGHT = 200, 100
NAMES = (
    "coco-truth.json", "coco-results.json", "chexlocalize-truth.json", "chexlocalize-results.json",
    "chexlocalize-points.json", "chexlocalize.csv",
)  # fmt: skip


def image_of(
    name: str,
    boxes: dict[str, list[list[float]]],
    regions: dict[str, tuple[float, list[int]]],
    points: dict[str, tuple[int, int]] | None = None,
    **about: Any,
) -> FullSizeImage:
    """An image of 200 x 100 whose regions are rectangles: finding to probability and x, y, w, h."""
    found = {finding: [Box.from_xywh(box) for box in of_finding] for finding, of_finding in boxes.items()}

    def rectangle(of: Sequence[float]) -> dict[str, Any]:
        return encode(mask([Box.from_xywh(of)] if of else [], WIDTH, HEIGHT))

    return FullSizeImage(
        **{"split": "fold1", "image": name, "patient": name, "width": WIDTH, "height": HEIGHT, **about},
        boxes=found,
        drawn={finding: encode(mask(of_finding, WIDTH, HEIGHT)) for finding, of_finding in found.items()},
        regions={finding: rectangle(of) for finding, (_, of) in regions.items()},
        points=points or {},
        scores={finding: score for finding, (score, _) in regions.items()},
    )


def evaluated(folder: Path, kind: str) -> COCOeval:
    truth = COCO(str(folder / "coco-truth.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(folder / "coco-results.json")), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_pycocotools_finds_the_average_precision_that_a_hand_finds(tmp_path: Path, kind: str) -> None:
    """Mass is drawn three times. By falling probability: found exactly (.9), predicted where nobody drew it (.8), found
    with IoU 25 x 20 / (40 x 20) = .625 (.7); the third is not predicted. Where .625 suffices, recall 1/3 is reached at
    precision 1 and 2/3 at 2/3; else only 1/3. Of the 101 recalls 0, .01, …, 34 are at most 1/3 and 33 more at most 2/3.
    """
    images = [
        image_of("a", {"Mass": [[30, 30, 50, 40]]}, {"Mass": (0.9, [30, 30, 50, 40]), "Nodule": (0.95, [0, 0, 9, 9])}),
        image_of("b", {}, {"Mass": (0.8, [0, 0, 10, 10]), "Nodule": (0.1, [])}),
        image_of("c", {"Mass": [[10, 20, 40, 20]]}, {"Mass": (0.7, [10, 20, 25, 20]), "Nodule": (0.1, [])}),
        image_of("d", {"Mass": [[100, 50, 20, 20]]}, {"Mass": (0.6, []), "Nodule": (0.1, [])}),
    ]
    (tmp_path / "coco-truth.json").write_text(json.dumps(coco_truth(images, ("Nodule", "Mass"), {})))
    (tmp_path / "coco-results.json").write_text(json.dumps(coco_results(images, ("Nodule", "Mass"))))
    at_half, at_three_quarters = (34 + 33 * 2 / 3) / 101, 34 / 101
    found = evaluated(tmp_path, kind).stats
    assert found[1] == pytest.approx(at_half)
    assert found[2] == pytest.approx(at_three_quarters)
    assert found[0] == pytest.approx((3 * at_half + 7 * at_three_quarters) / 10)  # .5, .55 and .6 of ten thresholds


def test_boxes_stand_as_they_were_drawn() -> None:
    drawn = [[10.1, 20.1, 30.7, 40.2], [0, 0, 5, 5]]  # 10.1 + 30.7 - 10.1 is not 30.7
    found = coco_truth([image_of("p/a.png", {"Nodule": drawn}, {})], ("Mass", "Nodule"), {"description": "x"})
    assert found["images"] == [{"id": 1, "file_name": "p/a.png", "width": 200, "height": 100, "split": "fold1"}]
    assert found["categories"] == [{"id": 1, "name": "Mass"}, {"id": 2, "name": "Nodule"}]
    assert [one["bbox"] for one in found["annotations"]] == drawn
    assert [(one["id"], one["image_id"], one["category_id"], one["iscrowd"]) for one in found["annotations"]] == [
        (1, 1, 2, 0),
        (2, 1, 2, 0),
    ]
    assert found["annotations"][0]["area"] == pytest.approx(30.7 * 40.2)


def test_a_region_is_resized_to_the_frame_of_the_file() -> None:
    region = np.zeros((8, 8), dtype=bool)
    region[2:4, 1:3] = True  # rows 2 to 3 of 8 are 6 to 11 of 24, columns 1 to 2 of 8 are 2 to 5 of 16
    wide = resize(region, width=16, height=24)
    expected = np.zeros((24, 16), dtype=bool)
    expected[6:12, 2:6] = True
    assert (wide == expected).all()
    assert hull(encode(wide)) == [2, 6, 4, 6]


def test_the_maximum_is_a_column_and_a_row_of_the_file() -> None:
    """Resized with corners not aligned, two cells become .., 1/4, 3/4, 1 in four pixels: the edge is the maximum."""
    raw = np.array([[0, 1], [0, 0]], dtype=np.float32)
    assert find_maximum(raw, width=4, height=8) == (3, 0)
    # the third of four cells is 1: pixels 4 and 5 of eight have 3/4; with corners aligned pixel 5 alone had the most
    assert find_maximum(np.array([[0, 0, 1, 0]], np.float32), width=8, height=2) == (4, 0)
    assert find_maximum(np.zeros((3, 3), np.float32), width=4, height=8) == (0, 0)


@pytest.fixture(scope="module")
def exchanged(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], Path]:
    """The phantom, two scored splits of it and what is exchanged of them."""
    base = tmp_path_factory.mktemp("results") / "phantom"
    lists = [(f"fold{k}", f"Main/fold{k}/test_0_0.2", f"bbox/fold{k}/test") for k in (1, 2)]
    splits = [score_split(base / "localization-5fold/ham" / name, phantom, *of) for name, *of in lists]
    write_exchange(phantom, splits, base / "exchange", EVERY)
    return phantom, splits, base / "exchange"


def test_pycocotools_reads_what_is_written_of_all_splits(exchanged: tuple[Path, list[Path], Path]) -> None:
    phantom, splits, folder = exchanged
    dataset = Dataset.open(phantom)
    evaluation = evaluated(folder, "bbox")
    truth = evaluation.cocoGt
    names = {image["id"]: image["file_name"] for image in truth.dataset["images"]}
    assert sorted(names) == list(range(1, len(names) + 1))
    for split in splits:
        own = [image["file_name"] for image in truth.dataset["images"] if image["split"] == split.name]
        assert own == dataset.listed(f"bbox/{split.name}/test")
    assert {image["file_name"]: (image["width"], image["height"]) for image in truth.dataset["images"]} == {
        image: dataset.size(image) for image in names.values()
    }
    findings = {category["id"]: category["name"] for category in truth.dataset["categories"]}
    drawn = [
        (names[one["image_id"]], findings[one["category_id"]], one["bbox"]) for one in truth.dataset["annotations"]
    ]
    assert drawn == [
        (image, finding, [pytest.approx(number) for number in box.xywh()])
        for image in names.values()
        for finding in dataset.boxed_findings
        for box in dataset.boxes[image].get(finding, ())
    ]
    assert -1 < evaluation.stats[0] < 1


def test_the_region_exchanged_is_the_region_scored(exchanged: tuple[Path, list[Path], Path]) -> None:
    """The phantom's 256 x 256 are four times the side scored on: every fourth pixel is the scored region again."""
    phantom, splits, folder = exchanged
    dataset = Dataset.open(phantom)
    truth = json.loads((folder / "coco-truth.json").read_text())
    names = {image["id"]: image["file_name"] for image in truth["images"]}
    findings = {category["id"]: category["name"] for category in truth["categories"]}
    results = {
        (names[one["image_id"]], findings[one["category_id"]]): one
        for one in json.loads((folder / "coco-results.json").read_text())
    }
    assert not [finding for _, finding in results if finding == "Nodule"]  # whose maps are zero
    assert len(results) == len(names) * (len(findings) - 1)  # of all others, drawn or not
    scored = pd.concat([pd.read_csv(split / "localization.csv") for split in splits])
    assert len(scored) > 10
    for row in scored[scored["finding"] != "Nodule"].itertuples():
        one = results[row.image, row.finding]
        full = run_lengths.decode(one["segmentation"]).astype(bool)
        assert full.shape == dataset.size(row.image)[::-1]
        region = full[2::4, 2::4]
        (pair,) = [pair for pair in find_pairs(dataset, [row.image]) if pair.finding == row.finding]
        drawn = pair.mask(SETTINGS.image_size)
        assert (region & drawn).sum() / (region | drawn).sum() == pytest.approx(row.iou, abs=1e-9)
        ys, xs = np.nonzero(full)
        assert one["bbox"] == [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
        assert one["score"] == pytest.approx(row.score)


def test_every_image_has_its_own_size(tmp_path: Path) -> None:
    """60 x 40 with boxes at 10.1, 5 to 30.3, 35 and 0, 0 to 5, 5; 40 x 60 with none; ids with folders."""
    Own(tmp_path).build()
    split = score_split(tmp_path / "own/e/ham/all", tmp_path / "datasets/Own", "Main/train", "Main/train")
    write_exchange(tmp_path / "datasets/Own", [split], tmp_path / "out", EVERY)
    truth, results, masks, regions = (json.loads((tmp_path / "out" / name).read_text()) for name in NAMES[:4])
    assert [(one["file_name"], one["width"], one["height"]) for one in truth["images"]] == [(A1, 60, 40), (A2, 40, 60)]
    assert [one["bbox"] for one in truth["annotations"]] == [[10.1, 5, 20.2, 30], [0, 0, 5, 5]]
    assert [one["segmentation"]["size"] for one in results] == [[40, 60], [60, 40]]
    expected = np.zeros((40, 60), dtype=np.uint8)
    expected[5:35, 10:30] = expected[:5, :5] = 1
    np.testing.assert_array_equal(run_lengths.decode(masks[A1]["Mass"]), expected)
    assert [run_lengths.decode(regions[name]["Mass"]).shape for name in (A1, A2)] == [(40, 60), (60, 40)]


def test_the_same_results_give_the_same_bytes(exchanged: tuple[Path, list[Path], Path], tmp_path: Path) -> None:
    phantom, splits, folder = exchanged
    write_exchange(phantom, splits, tmp_path, EVERY)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_an_image_that_two_splits_test_is_there_once_for_each(phantom: Path, tmp_path: Path) -> None:
    of = ("Main/fold1/test_0_0.2", "bbox/fold1/test")
    splits = [score_split(tmp_path / f"phantom/e/ham/{name}", phantom, *of) for name in ("seen", "again")]
    write_exchange(phantom, splits, tmp_path / "out", EVERY)
    images = json.loads((tmp_path / "out/coco-truth.json").read_text())["images"]
    listed = Dataset.open(phantom).listed(of[1])
    assert [(one["split"], one["file_name"]) for one in images] == [
        (split, image) for split in ("seen", "again") for image in listed
    ]
    keys = list(json.loads((tmp_path / "out/chexlocalize-results.json").read_text()))
    assert keys == [f"{split}/{image}" for split in ("seen", "again") for image in listed]


def test_where_no_boxes_are_tested_the_files_are_whole_and_empty(phantom: Path, tmp_path: Path) -> None:
    split = score_split(tmp_path / "phantom/e/ham/fold1", phantom, "Main/fold1/test_0_0.2", None)
    write_exchange(phantom, [split], tmp_path / "out", EVERY)
    truth, results, *others = (json.loads((tmp_path / "out" / name).read_text()) for name in NAMES[:-1])
    assert (truth["images"], truth["annotations"], results, others) == ([], [], [], [{}, {}, {}])
    assert pd.read_csv(tmp_path / "out/chexlocalize.csv")["value"].isna().all()


def test_names_with_any_letters_come_back_as_they_were(tmp_path: Path) -> None:
    finding, name = 'Größe "50 %" <&$#_\\>', "Ordner/Bild \u2028 1.png"
    image = image_of(name, {finding: [[1, 2, 3, 4]]}, {finding: (0.5, [1, 2, 3, 4])}, {finding: (0, 0)})
    _write_lines(tmp_path / "truth.json", coco_truth([image], (finding,), {}))
    _write_lines(tmp_path / "masks.json", segmentations([image], (finding,), [image.drawn]))
    read = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert (read["images"][0]["file_name"], read["categories"][0]["name"]) == (name, finding)
    assert list(json.loads((tmp_path / "masks.json").read_text(encoding="utf-8"))[name])[-1] == finding


def test_what_was_not_scored_is_one_sentence(phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.json is not there: score this split"):
        write_exchange(phantom, [tmp_path / "fold1"], tmp_path / "out", EVERY)
    (tmp_path / "fold1").mkdir()
    (tmp_path / "fold1/metrics.json").write_text('{"split": "fold1", "lists": {"test_boxes": null}}')
    with pytest.raises(DataError, match=r"not as ham writes it .*'region'.*score this split again"):
        write_exchange(phantom, [tmp_path / "fold1"], tmp_path / "out", EVERY)
