"""CheXlocalize's form, read as its evaluation reads it, and its measures on masks whose overlaps are known by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as run_lengths
from scored_split import EVERY, score_split

from ham.scoring.chexlocalize import TASKS, measure, name_images, name_tasks, points, segmentations, summarize
from ham.scoring.exchange import write_exchange
from ham.scoring.intervals import Resampling

from .test_exchange import image_of

NIH = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
)  # fmt: skip


def test_findings_are_tasks_by_what_they_mean_and_others_keep_their_names() -> None:
    assert {finding: task for finding, task in name_tasks(NIH).items() if finding != task} == {
        "Effusion": "Pleural Effusion"
    }
    chexpert = ("Enlarged_Cardiomediastinum", "Lung_Opacity", "Pleural_Effusion", "Pneumonia")
    assert list(name_tasks(chexpert).values()) == [
        "Enlarged Cardiomediastinum",
        "Airspace Opacity",
        "Pleural Effusion",
        "Pneumonia",
    ]


@pytest.mark.parametrize(
    ("findings", "tasks"),
    [
        (("Effusion", "Pleural_Effusion", "Pleural Effusion"), ["Effusion", "Pleural_Effusion", "Pleural Effusion"]),
        (("Effusion", "Pleural_Effusion"), ["Effusion", "Pleural Effusion"]),
        (("Lung_Opacity", "Airspace_Opacity"), ["Lung_Opacity", "Airspace Opacity"]),
    ],
)
def test_no_two_findings_are_one_task(findings: tuple[str, ...], tasks: list[str]) -> None:
    assert list(name_tasks(findings).values()) == tasks


def keys(*images: tuple[str, str]) -> list[str]:
    return name_images([image_of(name, {}, {}, split=split) for split, name in images])


def test_chexperts_images_bear_chexlocalizes_keys_and_others_their_ids() -> None:
    assert keys(
        ("valid", "valid/patient64541/study1/view1_frontal.jpg"),
        ("valid", "CheXpert-v1.0/train/patient00001/study2/view3_lateral.jpg"),
        ("valid", "00000001_000.png"),
        ("valid", "a/b.png"),
    ) == [
        "patient64541_study1_view1_frontal",
        "patient00001_study2_view3_lateral",
        "00000001_000.png",
        "a/b.png",
    ]


def test_no_two_images_have_one_key() -> None:
    train, valid = (f"{part}/patient1/study1/view1_frontal.jpg" for part in ("train", "valid"))
    assert keys(("a", train), ("a", valid)) == [train, valid]
    assert keys(("a", train), ("a", "patient1_study1_view1_frontal")) == [train, "patient1_study1_view1_frontal"]
    assert keys(("a", train), ("b", train), ("b", "x.png")) == [
        "a/patient1_study1_view1_frontal",
        "b/patient1_study1_view1_frontal",
        "b/x.png",
    ]


def test_every_image_has_every_task_of_its_size_as_the_script_wants_it(phantom: Path, tmp_path: Path) -> None:
    """eval.py: for each of its tasks and each image of the truth, both masks decoded, of one shape."""
    split = score_split(tmp_path / "phantom/e/ham/fold1", phantom, "Main/test_bboxs", "Main/test_bboxs")
    write_exchange(phantom, [split], tmp_path / "out", EVERY)
    names = ("chexlocalize-truth.json", "chexlocalize-results.json", "chexlocalize-points.json")
    truth, predicted, highest = (json.loads((tmp_path / "out" / name).read_text()) for name in names)
    ious: dict[str, list[float]] = {task: [] for task in TASKS}
    hits: dict[str, list[float]] = {task: [] for task in TASKS}
    for task in sorted(TASKS):
        for image in sorted(truth):
            drawn, region = (run_lengths.decode(of[image][task]) for of in (truth, predicted))
            assert drawn.shape == region.shape == (256, 256)
            if drawn.any() and region.any():
                ious[task].append((drawn & region).sum() / (drawn | region).sum())
            if drawn.any():
                x, y = highest[image][task][0]
                hits[task].append(drawn[y, x])
    assert {task for task, found in ious.items() if found} == {
        "Atelectasis", "Cardiomegaly", "Pleural Effusion", "Pneumothorax",
    }  # fmt: skip
    ours = pd.read_csv(tmp_path / "out/chexlocalize.csv").dropna(subset="task").set_index(["metric", "task"])
    for metric, found in (("miou", ious), ("hit_rate", hits)):
        for task in ("Atelectasis", "Cardiomegaly", "Pleural Effusion", "Pneumothorax"):
            row = ours.loc[(metric, task)]
            assert (row["value"], row["n"]) == (pytest.approx(np.mean(found[task])), len(found[task]))


def test_what_counts_in_miou_in_its_other_reading_and_in_the_hit_rate() -> None:
    """Nodule: IoU 500 / 800 with a hit; drawn, not predicted and missed; predicted, not drawn; neither.
    Mass: drawn exactly, the maximum on its right edge's last pixel."""
    images = [
        image_of(
            "a",
            {"Nodule": [[10, 20, 40, 20]], "Mass": [[30, 30, 50, 40]]},
            {"Nodule": (0.5, [10, 20, 25, 20]), "Mass": (0.5, [30, 30, 50, 40])},
            {"Nodule": (49, 39), "Mass": (79, 69)},
        ),
        image_of("b", {"Nodule": [[0, 0, 10, 10]]}, {"Nodule": (0.5, []), "Mass": (0.5, [])}, {"Nodule": (10, 9)}),
        image_of("c", {}, {"Nodule": (0.5, [0, 0, 5, 5]), "Mass": (0.5, [])}, {"Nodule": (0, 0)}),
        image_of("d", {}, {"Nodule": (0.5, []), "Mass": (0.5, [])}, {"Nodule": (0, 0)}),
    ]
    findings = ("Nodule", "Mass")
    resampling = Resampling.of_strata({f"fold1/{name}": "" for name in "abcd"}, 200, 0)
    scored = pd.DataFrame(
        [("fold1", "a", "Nodule", 0.6), ("fold1", "b", "Nodule", 0.0), ("fold1", "a", "Mass", 0.9)],
        columns=["split", "patient", "finding", "mean_iou"],
    )
    table = summarize(measure(images, findings), scored, findings, resampling)
    found = {(row.metric, row.finding): (row.value, row.n) for row in table.itertuples()}
    assert found == {
        ("miou", "Nodule"): (0.625, 1),
        ("miou", "Mass"): (1.0, 1),
        ("miou", "mean"): ((0.625 + 1) / 2, 2),
        ("miou_all", "Nodule"): (pytest.approx(0.625 / 3), 3),
        ("miou_all", "Mass"): (1.0, 1),
        ("miou_all", "mean"): (pytest.approx((0.625 / 3 + 1) / 2), 4),
        ("hit_rate", "Nodule"): (0.5, 2),
        ("hit_rate", "Mass"): (1.0, 1),
        ("hit_rate", "mean"): (0.75, 3),
        ("mean_iou", "Nodule"): (0.3, 2),
        ("mean_iou", "Mass"): (0.9, 1),
        ("mean_iou", "mean"): (pytest.approx(0.6), 3),
    }
    hits = table[(table["metric"] == "hit_rate") & (table["finding"] == "Nodule")].iloc[0]
    assert (hits["low"], hits["high"]) == (0.0, 1.0)  # of two images, either may be drawn alone
    mean = table[(table["metric"] == "hit_rate") & (table["scope"] == "mean")].iloc[0]
    assert 0.5 < mean["low"] < 0.75 < mean["high"] == 1.0  # where a is drawn at all, Mass is hit and Nodule once
    assert len(set(zip(table["metric"], table["counted"], strict=True))) == table["counted"].nunique() == 4
    truth = segmentations(images, findings, [image.drawn for image in images])
    assert [run_lengths.area(truth["b"][name]) for name in ("Nodule", "Mass", "Edema")] == [100, 0, 0]
    assert points(images[:1], findings) == {"a": {"Nodule": [[49, 39]], "Mass": [[79, 69]]}}


@pytest.mark.parametrize("drawn", [{}, {"Mass": [[10.2, 10.2, 0.5, 0.5]]}], ids=["nothing", "a box of no pixel"])
def test_a_finding_that_nobody_drew_has_no_number(drawn: dict[str, list[list[float]]]) -> None:
    images = [image_of("a", drawn, {"Mass": (0.5, [])}, {"Mass": (0, 0)})]
    resampling = Resampling.of_strata({"fold1/a": ""}, 100, 0)
    scored = pd.DataFrame([], columns=["split", "patient", "finding", "mean_iou"])
    table = summarize(measure(images, ("Mass",)), scored, ("Mass",), resampling)
    assert table["value"].isna().all()
    assert table["low"].isna().all()
    assert (table["n"] == 0).all()
