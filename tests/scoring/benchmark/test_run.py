"""The benchmark on maps whose scores are known by hand or by another program, and on our own, re-evaluated."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage
from scored_split import EVERY, SETTINGS, score_split
from sklearn.metrics import average_precision_score, roc_auc_score

from ham.boxes import Box, resized_mask
from ham.datasets.dataset import Dataset
from ham.errors import DataError, SettingsError
from ham.model.map_file import write_maps
from ham.model.maps import RegionRule, predicted_regions
from ham.model.metrics import overlap
from ham.scoring import floors
from ham.scoring.benchmark.detections import Detection, average_precisions
from ham.scoring.benchmark.measures import BINS, Measured, pixel_average_precision
from ham.scoring.benchmark.methods import LocationPrior
from ham.scoring.benchmark.run import Request, choose_cut, evaluate, find_truth
from ham.scoring.benchmark.settings import Protocol
from ham.scoring.exchange import write_exchange
from ham.scoring.truth import find_pairs, masks_of

LIST = "bbox/fold1/test"
OUTSIDER = """
import sys
import numpy as np
folder, *images = sys.argv[1:]
findings = ["Mass", "Cardiomegaly", "Effusion"]
for number, image in enumerate(images):
    rows, columns = np.mgrid[0:9, 0:7]
    hill = -np.hypot(rows - number % 9, columns - 3)
    np.save(f"{folder}/{image}.npy", np.stack([hill, hill * 2, -hill]))
with open(f"{folder}/maps.yaml", "w") as file:
    file.write("method: outsider\\nfindings: [Mass, Cardiomegaly, Effusion]\\n")
assert not any(name == "ham" or name.startswith("ham.") for name in sys.modules)
"""


def measured(scaled: np.ndarray, box: tuple[int, int, int, int], cut: float = 0.5) -> Measured:
    """Of one pair, whose box is corners on the map itself."""
    mask = np.zeros(scaled.shape, dtype=bool)
    x0, y0, x1, y1 = box
    mask[y0:y1, x0:x1] = True
    found = Measured.empty(1, cut)
    found.measure(0, scaled.astype(np.float32), mask, [Box(*map(float, box))])
    return found


def test_overlap_and_pointing_by_hand() -> None:
    """Rows 0 and 1 are 1, row 2 is .5; the box has rows 1 to 3, all four columns: 8 of 12 pixels in common at .5."""
    scaled = np.zeros((4, 4))
    scaled[:2], scaled[2] = 1, 0.5
    found = measured(scaled, (0, 1, 4, 4))
    at = list(found.cuts.round(2))
    assert found.iou[0, at.index(0.5)] == pytest.approx(8 / 16)
    assert found.ior[0, at.index(0.5)] == pytest.approx(8 / 12)
    assert found.iou[0, at.index(0.55)] == pytest.approx(4 / 16)
    assert found.area[0, at.index(0.55)] == 8
    assert found.pointing[0] == pytest.approx(4 / 8)  # of eight highest pixels four are in the box
    assert found.box_iou[0, at.index(0.5)] == pytest.approx(8 / 16)


def test_one_highest_pixel_hits_or_misses() -> None:
    scaled = np.zeros((8, 8))
    scaled[5, 6] = 1
    assert measured(scaled, (6, 5, 7, 6)).pointing[0] == 1
    assert measured(scaled, (5, 5, 6, 6)).pointing[0] == 0


def test_a_missing_map_scores_nothing() -> None:
    found = Measured.empty(1, 0.5)
    found.measure(0, None, np.eye(4, dtype=bool), [])
    assert found.missing[0]
    assert not found.iou.any()
    assert found.pointing[0] == 0
    assert pixel_average_precision(found.pixels)[0] == pytest.approx(4 / 16)  # as if nothing were known


def test_parts_that_touch_at_a_corner_hang_together() -> None:
    """As in OpenCV's contours: two squares corner to corner are one part, whose box is the box."""
    scaled = np.zeros((8, 8))
    scaled[0:2, 0:2] = scaled[2:4, 2:4] = 1
    found = measured(scaled, (0, 0, 4, 4))
    assert found.box_iou[0, found.published] == 1


def test_the_location_prior_is_the_floor_of_all_tables_and_leaves_the_patient_out(phantom: Path) -> None:
    dataset = Dataset.open(phantom)
    pairs = find_pairs(dataset, dataset.listed("Main/test_list"))
    assert len({pair.patient for pair in pairs}) < len(pairs)
    prior = LocationPrior(pairs, 64)
    regions = np.stack([prior.scaled(pair) >= prior.cut for pair in pairs])
    expected = floors.location_prior(pairs, [], 64)
    assert overlap(regions, masks_of(pairs, 64)).iou.tolist() == expected.iou.tolist()
    assert expected.iou.max() > 0.3


def independent_max_box_acc_v2(maps: list[np.ndarray], boxes: list[Box], cuts: np.ndarray) -> float:
    """Choe et al. 2020, written again: the best threshold for each of three IoU, any part's box may hit."""
    hits = np.zeros((3, len(cuts)))
    for scaled, box in zip(maps, boxes, strict=True):
        for column, cut in enumerate(cuts):
            labelled, parts = ndimage.label(scaled >= cut, [[1, 1, 1]] * 3)
            best = 0.0
            for part in range(1, parts + 1):
                rows, columns = np.where(labelled == part)
                x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                wide = max(0, min(x1, box.x1) - max(x0, box.x0))
                high = max(0, min(y1, box.y1) - max(y0, box.y0))
                both = wide * high
                either = (x1 - x0) * (y1 - y0) + (box.x1 - box.x0) * (box.y1 - box.y0) - both
                best = max(best, both / either)
            hits[:, column] += [best >= level for level in (0.3, 0.5, 0.7)]
    return float((hits / len(maps)).max(axis=1).mean())


def test_max_box_acc_v2_and_pxap_agree_with_others(tmp_path: Path, phantom: Path) -> None:
    """On forty maps of hills beside boxes of hills, through the same rows that the command writes."""
    from ham.scoring.benchmark.rows import About, Compared, pair_rows
    from ham.scoring.intervals import Resampling
    from ham.scoring.truth import Pair

    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[0:32, 0:32]
    found, maps, boxes, pairs, truths = Measured.empty(40, 0.5), [], [], [], []
    for number in range(40):
        y, x, wide = (int(value) for value in rng.integers(4, 16, 3))
        hill = np.exp(-((rows - y - rng.integers(0, 8)) ** 2 + (columns - x - wide / 2) ** 2) / 60)
        scaled = (np.round(hill / hill.max() * 99) / 100 + 0.005).astype(np.float32)  # amid the bins of PxAP
        mask = np.zeros((32, 32), dtype=bool)
        mask[y : y + 10, x : x + wide] = True
        boxes.append(Box(x, y, x + wide, y + 10))
        found.measure(number, scaled, mask, boxes[-1:])
        maps.append(scaled)
        truths.append(mask)
        pairs.append(Pair(f"i{number}", "Mass", f"p{number}", 1, lambda side, mask=mask: mask))
    resampling = Resampling.of_strata({pair.patient: "" for pair in pairs}, 100, 0)
    table = pd.DataFrame(pair_rows(About("m", "t"), Compared(pairs, found, None), "oracle", EVERY, resampling))
    value = table.set_index(["metric", "finding"])["value"]
    assert value["max_box_acc_v2", "Mass"] == pytest.approx(independent_max_box_acc_v2(maps, boxes, found.cuts))
    assert 0.2 < value["max_box_acc_v2", "Mass"] < 1
    pixels = average_precision_score(np.stack(truths).ravel(), np.stack(maps).ravel())
    assert value["pxap", "Mass"] == pytest.approx(pixels, abs=1e-9)
    assert found.pixels.shape == (40, 2, BINS)
    assert set(table["cut"][table["metric"] == "t_iou"].str[:20]) == {"oracle, not a result"}


@pytest.fixture(scope="module")
def ours(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored split of ours, with maps.yaml beside its maps.npz."""
    split = score_split(tmp_path_factory.mktemp("ours") / "phantom/e/ham/fold1", phantom, "Main/fold1/test_0_0.2", LIST)
    names = ", ".join(Dataset.open(phantom).boxed_findings)
    (split / "maps.yaml").write_text(f"method: ham\nfindings: [{names}]\nprobabilities: predictions.csv\n")
    return split


def request(phantom: Path, *maps: Path, images: str | None = LIST, **options: object) -> Request:
    protocol = Protocol(images=images, size=SETTINGS.image_size, scoring=EVERY)
    given = {"truths": (find_truth("nih-boxes"),), "protocol": protocol}
    return Request(phantom, tuple(maps), **(given | options))  # type: ignore[arg-type]


def numbers(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "benchmark.csv").set_index(["method", "metric", "threshold", "finding"]).sort_index()


def test_our_own_maps_re_evaluated_are_equal_to_the_last_digit(ours: Path, phantom: Path, tmp_path: Path) -> None:
    evaluate(request(phantom, ours), tmp_path)
    scored = pd.read_csv(ours / "localization.csv", dtype=str)
    again = pd.read_csv(tmp_path / "pairs.csv", dtype=str)
    again = again[again["method"] == "ham"]
    columns = ["image", "patient", "finding", "boxes", "iou", "ior", "predicted_area"]
    assert len(scored) > 5
    assert again[columns].to_numpy().tolist() == scored[columns].to_numpy().tolist()
    found = numbers(tmp_path)
    for row in json.loads((ours / "metrics.json").read_text())["localization"]:
        if row["metric"] in ("t_iou", "t_ior") and row["value"] is not None:
            at = found.loc[("ham", row["metric"], row["threshold"], row["finding"])]
            assert at["value"].item() == pytest.approx(row["value"], rel=1e-9)
            assert at["n"].item() == row["n_pairs"]


def test_the_same_maps_one_a_file_give_the_same_tables(ours: Path, phantom: Path, tmp_path: Path) -> None:
    evaluate(request(phantom, ours), tmp_path / "together")
    other = tmp_path / "maps"
    with np.load(ours / "maps.npz") as maps:
        for key in maps.files:
            image, _, finding = key.rpartition("/")
            (other / image).mkdir(parents=True, exist_ok=True)
            np.save(other / image / f"{finding}.npy", maps[key])
    (other / "maps.yaml").write_text((ours / "maps.yaml").read_text().replace("probabilities: predictions.csv\n", ""))
    evaluate(request(phantom, other, probabilities=ours / "predictions.csv"), tmp_path / "apart")
    for name in ("benchmark.csv", "pairs.csv", "missing.csv", "benchmark.json"):
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "apart" / name).read_bytes(), name


def test_t_iou_is_counted_by_hand_from_the_maps(ours: Path, phantom: Path, tmp_path: Path) -> None:
    import torch

    evaluate(request(phantom, ours), tmp_path)
    dataset = Dataset.open(phantom)
    hits = []
    with np.load(ours / "maps.npz") as maps:
        for image in dataset.listed(LIST):
            for box in dataset.boxes[image].get("Mass", [])[:1]:
                region = predicted_regions(torch.from_numpy(maps[f"{image}/Mass"])[None], *RegionRule(64))[0].numpy()
                drawn = np.zeros(dataset.size(image)[::-1], dtype=bool)
                for one in dataset.boxes[image]["Mass"]:
                    drawn[int(one.y0) : int(one.y1), int(one.x0) : int(one.x1)] = True
                step = len(drawn) // 64
                mask = drawn[step // 2 :: step, step // 2 :: step]
                hits.append((region & mask).sum() / (region | mask).sum() >= 0.1)
                assert box.x1 > box.x0
    value = numbers(tmp_path).loc[("ham", "t_iou", 0.1, "Mass"), "value"].item()
    assert len(hits) > 0
    assert value == pytest.approx(np.mean(hits))


def outsider(phantom: Path, folder: Path, images: list[str]) -> Path:
    folder.mkdir()
    stems = [image.removesuffix(".png") for image in images]
    subprocess.run([sys.executable, "-c", OUTSIDER, folder, *stems], check=True)
    return folder


def test_an_outsiders_maps_are_scored_and_what_is_missing_is_named(phantom: Path, tmp_path: Path) -> None:
    """Of the first image there is no map; the second was in training."""
    dataset = Dataset.open(phantom)
    images = dataset.listed("Main/test_list")
    boxed = [image for image in images if {"Mass", "Cardiomegaly", "Effusion"} & dataset.boxes.get(image, {}).keys()]
    folder = outsider(phantom, tmp_path / "maps", boxed[1:])
    with (folder / "maps.yaml").open("a") as file:
        file.write(f"trained_on: [{boxed[1]}]\n")
    evaluate(request(phantom, folder, images=None, cut="held-out"), tmp_path / "out")
    about = json.loads((tmp_path / "out/benchmark.json").read_text())
    (own,) = [entry for entry in about["scored"] if not entry["floor"]]
    missing = pd.read_csv(tmp_path / "out/missing.csv")
    assert set(missing["image"]) == {boxed[0]}
    assert own["missing"] == len(missing) > 0
    assert own["left_out_trained_on"] == 1
    pairs = pd.read_csv(tmp_path / "out/pairs.csv")
    assert boxed[1] not in set(pairs[pairs["method"] == "outsider"]["image"])
    assert boxed[1] in set(pairs[pairs["method"] == "location prior"]["image"])
    found = numbers(tmp_path / "out")
    assert found.loc[("outsider", "t_iou", 0.1, "Mass"), "cut"].startswith("held-out ")
    by_method = pairs.set_index(["image", "finding"])
    prior, own_pairs = (by_method[by_method["method"] == name] for name in ("location prior", "outsider"))
    masses = [key for key in own_pairs.index if key[1] == "Mass"]
    above = found.loc[("outsider", "t_iou_above_prior", 0.1, "Mass")]
    cut_by_hand = found.loc[("outsider", "t_iou", 0.1, "Mass"), "value"]
    assert above["value"] == pytest.approx(cut_by_hand - (prior.loc[masses, "iou"] >= 0.1).mean())
    assert above["n"] == len(masses)
    assert "mean_without_Cardiomegaly" in found.loc["outsider"].index.get_level_values("finding")
    rows = found.reset_index()
    assert set(rows["method"]) == {"outsider", "location prior", "image centre", "random map", "whole image"}
    assert ((rows["low"] <= rows["value"] + 1e-9) | rows["low"].isna()).mean() > 0.9


def test_a_held_out_cut_never_looks_at_the_boxes_that_it_scores() -> None:
    """Both halves are best at another cut, and each is scored at the other's, where it has nothing."""
    from ham.scoring.benchmark.rows import About, Compared, pair_rows
    from ham.scoring.chosen_cuts import half_of
    from ham.scoring.intervals import Resampling
    from ham.scoring.truth import Pair

    patients = [f"p{n}" for n in range(40)]
    found = Measured.empty(40, 0.5)
    first = np.array([half_of(patient) == 0 for patient in patients])
    found.iou[first, 3], found.iou[~first, 8] = 0.9, 0.9
    pairs = [
        Pair(f"i{n}", "Mass", name, 1, lambda side: np.ones((side, side), bool)) for n, name in enumerate(patients)
    ]
    resampling = Resampling.of_strata(dict.fromkeys(patients, ""), 100, 0)
    values = {}
    for choice in ("held-out", "oracle"):
        rows = pair_rows(About("m", "t"), Compared(pairs, found, None), choice, EVERY, resampling)
        values[choice] = next(row for row in rows if row["metric"] == "t_iou" and row["finding"] == "Mass")
    assert values["held-out"]["value"] == 0
    assert values["held-out"]["cut"] == f"held-out {found.cuts[8]:.3g}/{found.cuts[3]:.3g}"
    assert values["oracle"]["value"] == pytest.approx(max(first.mean(), 1 - first.mean()))


def test_labels_of_a_truth_give_the_auc_of_the_strongest_of_its_findings(phantom: Path, tmp_path: Path) -> None:
    images = Dataset.open(phantom).listed("Main/test_list")
    folder = outsider(phantom, tmp_path / "maps", images)
    (tmp_path / "truth.yaml").write_text(
        "name: mine\nlicence: none\nfindings: {Lesion: [Mass, Effusion]}\nlabels: {files: [{file: labels.csv}]}\n"
    )
    rng = np.random.default_rng(1)
    labels = [number % 3 == 0 for number, _ in enumerate(images)]
    scores = rng.random((len(images), 2)).round(3)
    pd.DataFrame({"image": images, "Lesion": np.array(labels, int)}).to_csv(tmp_path / "labels.csv", index=False)
    table = pd.DataFrame(scores, columns=["Mass", "Effusion"], index=pd.Index(images, name="image"))
    table.to_csv(tmp_path / "scores.csv")
    truths = (tmp_path / "truth.yaml",)
    asked = request(phantom, folder, truths=truths, images=None, probabilities=tmp_path / "scores.csv")
    evaluate(asked, tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out/benchmark.csv").set_index(["metric", "finding"])
    assert rows.loc[("auc", "Lesion"), "value"] == pytest.approx(roc_auc_score(labels, scores.max(axis=1)))
    assert rows.loc[("auc", "Lesion"), "n"] == len(images)


def test_boxes_with_scores_are_scored_by_their_union(phantom: Path, tmp_path: Path) -> None:
    """A detector that draws the truth itself reaches an IoU of 1 in every pair."""
    dataset = Dataset.open(phantom)
    lines = ["image,finding,x,y,w,h,score"]
    for image in dataset.listed(LIST):
        for finding, boxes in dataset.boxes.get(image, {}).items():
            lines += [f"{image},{finding},{','.join(map(str, box.xywh()))},0.3" for box in boxes]
    (tmp_path / "boxes.csv").write_text("\n".join(lines) + "\n")
    names = ", ".join(dataset.boxed_findings)
    (tmp_path / "maps.yaml").write_text(f"method: d\nkind: boxes\nresults: boxes.csv\nfindings: [{names}]\n")
    evaluate(request(phantom, tmp_path), tmp_path / "out")
    pairs = pd.read_csv(tmp_path / "out/pairs.csv")
    assert pairs[pairs["method"] == "d"]["iou"].min() == 1
    assert numbers(tmp_path / "out").loc[("d", "t_iou", 0.7, "mean"), "value"].item() == 1
    assert numbers(tmp_path / "out").loc[("d", "coco_ap", 0.5, "mean"), "value"].item() == pytest.approx(1)


def test_average_precision_by_hand() -> None:
    """Of two boxes one is found, second of three: 51 of COCO's 101 recalls have a precision of 1/2, up to IoU .8."""
    truth = {("a", "M"): [Box(0, 0, 10, 10)], ("b", "M"): [Box(5, 5, 20, 20)], ("b", "N"): [Box(0, 0, 4, 4)]}
    found = [
        Detection("c", "M", Box(0, 0, 3, 3), 0.95),
        Detection("a", "M", Box(0, 0, 10, 8), 0.9),
        Detection("b", "M", Box(50, 50, 60, 60), 0.8),
        Detection("b", "N", Box(0, 0, 4, 4), 0.1),
    ]
    ap = average_precisions(["a", "b", "c"], ["M", "N", "X"], truth, found)
    assert ap[0.3] == ap[0.5] == pytest.approx({"M": 51 / 101 / 2, "N": 1})
    assert ap[None]["M"] == pytest.approx(51 / 101 / 2 * 7 / 10)
    assert average_precisions(["a"], ["M"], truth | {("b", "M"): [], ("b", "N"): []}, [])[0.5] == {"M": 0}


def test_ap_of_maps_agrees_with_pycocotools_on_our_exchanged_files(ours: Path, phantom: Path, tmp_path: Path) -> None:
    """The box around each region with its probability, in pixels of the original there and of the square here."""
    dataset, split = Dataset.open(phantom), tmp_path / "split"
    shutil.copytree(ours, split)
    with write_maps(split / "maps.npz") as maps:  # what was drawn, of every third image in another place
        for number, image in enumerate(dataset.listed(LIST)):
            for finding in dataset.boxed_findings:
                drawn = resized_mask(dataset.boxes[image].get(finding, [Box(0, 0, 60, 60)]), *dataset.size(image), 16)
                maps.write(image, finding, np.roll(drawn, 5 if number % 3 == 0 else 0, axis=1))
    write_exchange(phantom, [split], tmp_path / "exchange", EVERY)
    evaluate(request(phantom, split), tmp_path / "out")
    coco = COCO(str(tmp_path / "exchange/coco-truth.json"))
    evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "exchange/coco-results.json")), "bbox")
    evaluation.params.areaRng, evaluation.params.areaRngLbl, evaluation.params.maxDets = [[0, 1e10]], ["all"], [100]
    evaluation.params.iouThrs = np.array([0.3])
    evaluation.evaluate()
    evaluation.accumulate()
    theirs = evaluation.eval["precision"][0, :, :, 0, 0].mean(axis=0)
    rows = pd.read_csv(tmp_path / "out/benchmark.csv")
    found = rows[(rows["metric"] == "coco_ap") & (rows["threshold"] == 0.3)].set_index("finding")["value"]
    compared = [(found[name], value) for name, value in zip(dataset.boxed_findings, theirs) if value >= 0]
    assert len(compared) > 4
    assert max(value for _, value in compared) > 0
    assert [own for own, _ in compared] == pytest.approx([value for _, value in compared], abs=0.02)


def test_mistakes_are_one_sentence(phantom: Path, ours: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no truth: there are"):
        find_truth("nih-box")
    with pytest.raises(SettingsError, match="cut: best is none of published, held-out, oracle"):
        choose_cut("best")
    with pytest.raises(DataError, match="two methods are called ham"):
        evaluate(request(phantom, ours, ours), tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "maps.yaml").write_text("method: m\nfindings: [Mass]\n")
    with pytest.raises(DataError, match=r"none of \d+ maps for NIH boxes is there"):
        evaluate(request(phantom, empty), tmp_path)
    (tmp_path / "scores.csv").write_text("image,Mass\na,1.5\n")
    with pytest.raises(DataError, match="no probability of Mass"):
        evaluate(request(phantom, empty, probabilities=tmp_path / "scores.csv"), tmp_path)


def test_the_command_writes_tables_and_a_page(phantom: Path, ours: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from ham.cli import main; main()",
        "evaluate",
        "--maps",
        ours,
        "--dataset",
        phantom,
    ]
    (tmp_path / "protocol.yaml").write_text(f"images: {LIST}\nsize: 64\n")
    options = ["--protocol", tmp_path / "protocol.yaml", "--out", tmp_path / "out"]
    done = subprocess.run([*map(str, [*command, *options])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "benchmark.csv", "benchmark.json", "leaderboard.html", "missing.csv", "pairs.csv",
    }  # fmt: skip
    done = subprocess.run([*map(str, [*command, *options, "--truth", "x"])], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("ham: x is no truth")
    (tmp_path / "protocol.yaml").write_text("sise: 64\n")
    done = subprocess.run([*map(str, [*command, *options])], capture_output=True, text=True)
    assert "do you mean size?" in done.stderr
