"""A folder of a user's own images, whatever is in it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import html5lib
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_lengths
from small_checkpoint import FINDINGS, radiograph, write_checkpoint
from typer.testing import CliRunner

import ham
from ham.cli import app
from ham.errors import DataError
from ham.inference.inputs import find_images, output_stem
from ham.inference.record import NAME, Record
from ham.inference.run import PredictOptions, predict_images

HERE = PredictOptions(workers=0, batch_size=3)


def rows(output: Path) -> list[dict[str, str]]:
    with open(output / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Five images in two folders, two of one name, and two files that are none."""
    folder = tmp_path / "scans"
    (folder / "b").mkdir(parents=True)
    for number, name in enumerate(("one.png", "two.jpg", "b/one.png", "b/three.tif", "<b>&.png")):
        radiograph(number).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_everything_is_written_and_the_rest_is_done(checkpoint: Path, scans: Path, tmp_path: Path) -> None:
    """Numbers are those of ``ham.load``; unreadable files are listed; nothing collides."""
    model, output = ham.load(checkpoint), tmp_path / "out"
    outcome = predict_images([scans], model, output, HERE)
    assert (outcome.predicted, outcome.stood) == (5, 0)
    assert [Path(name).name for name, _ in outcome.unreadable] == ["broken.png", "empty.jpg"]
    table = rows(output)
    assert len(table) == 5 * 4
    assert len({row["image"] for row in table}) == 5
    for row in table:
        found = model.predict(row["image"])
        assert float(row["probability"]) == pytest.approx(found.probability(0, row["finding"]), abs=1e-4)
        assert row["decision"] == {"Mass": "present", "Nodule": "absent", "Effusion": ""}.get(
            row["finding"], row["decision"]
        )
        boxes = [[float(n) for n in box.split()] for box in row["boxes"].split("; ") if box]
        want = [box.xywh() for box in found.boxes(0, row["finding"])]
        np.testing.assert_allclose(boxes, np.round(want, 1), atol=0.051)
        assert (row["width"], row["height"]) == ("90", "70")
    assert len(list((output / "overlays").iterdir())) == 5
    page = (output / "index.html").read_text()
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<b>&.png" not in page
    assert "&lt;b&gt;&amp;.png" in page
    for reference in page.split('src="')[1:]:
        assert (output / reference.split('"')[0]).exists()


def test_the_coco_file_holds_the_regions(checkpoint: Path, scans: Path, tmp_path: Path) -> None:
    """Read by pycocotools: the run lengths of a drawn finding are its region, and its box lies around it."""
    predict_images([scans / "one.png"], ham.load(checkpoint), tmp_path / "out", HERE)
    found = json.loads((tmp_path / "out/predictions.json").read_text())
    assert [image["file_name"] for image in found["images"]] == [str(scans / "one.png")]
    assert [category["name"] for category in found["categories"]] == [*FINDINGS, "abnormality"]
    drawn = [entry for entry in found["annotations"] if "segmentation" in entry]
    assert [entry["category_id"] for entry in drawn] == [1]  # Mass: the others are absent, or have no threshold
    region = run_lengths.decode(drawn[0]["segmentation"])
    assert region.shape == (70, 90)
    ys, xs = np.nonzero(region)
    assert drawn[0]["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]


def test_a_second_run_does_only_what_is_new(
    checkpoint: Path, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of other content is done again, whatever its time; a half-written line of a killed run is done again."""
    model, output = ham.load(checkpoint), tmp_path / "out"
    predict_images([scans], model, output, HERE)
    before = (output / "predictions.csv").read_bytes()
    assert predict_images([scans], model, output, HERE).stood == 5
    assert (output / "predictions.csv").read_bytes() == before
    radiograph(99).save(scans / "one.png")
    radiograph(98).save(scans / "new.png")
    outcome = predict_images([scans], model, output, HERE)
    assert (outcome.predicted, outcome.stood) == (2, 4)
    record = output / NAME
    record.write_bytes(record.read_bytes()[:-40])
    outcome = predict_images([scans], model, output, HERE)
    assert (outcome.predicted, outcome.stood) == (1, 5)
    fresh = tmp_path / "fresh"
    predict_images([scans], model, fresh, HERE)
    for new, old in zip(rows(fresh), rows(output), strict=True):  # other batches: other last digits
        assert float(new.pop("probability")) == pytest.approx(float(old.pop("probability")), abs=1e-5)
        assert (new["image"], new["finding"], new["boxes"]) == (old["image"], old["finding"], old["boxes"])


def test_a_run_killed_in_the_middle_goes_on(
    checkpoint: Path, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first batch found stands."""
    model, output = ham.load(checkpoint), tmp_path / "out"
    forward, calls = model.forward, []

    def dying(*given: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "forward", dying)
    with pytest.raises(KeyboardInterrupt):
        predict_images([scans], model, output, HERE)
    assert predict_images([scans], model, output, HERE).stood == 3


def test_another_model_is_refused(checkpoint: Path, scans: Path, tmp_path: Path) -> None:
    """Two models' numbers never stand in one table."""
    predict_images([scans], ham.load(checkpoint), tmp_path / "out", HERE)
    other = ham.load(write_checkpoint(tmp_path / "other.safetensors", 5))
    with pytest.raises(DataError, match="another model or with other options"):
        predict_images([scans], other, tmp_path / "out", HERE)


def test_two_at_once_do_not_write_into_one_folder(checkpoint: Path, scans: Path, tmp_path: Path) -> None:
    """As of a cron job that overtakes itself; when the first is done the folder is free."""
    model, output = ham.load(checkpoint), tmp_path / "out"
    predict_images([scans], model, output, HERE)
    about = json.loads((output / NAME).read_text().splitlines()[0])
    first = Record(output, about)
    with pytest.raises(DataError, match="another ham predict is writing"):
        predict_images([scans], model, output, HERE)
    first.close()
    assert predict_images([scans], model, output, HERE).stood == 5


def test_processes_read_the_same(checkpoint: Path, tmp_path: Path) -> None:
    """Twenty images, by this process and by two others."""
    for number in range(20):
        radiograph(number).save(tmp_path / f"{number:02}.png")
    model = ham.load(checkpoint)
    for workers in (0, 2):
        predict_images([tmp_path / "*.png"], model, tmp_path / f"out{workers}", PredictOptions(workers=workers))
    assert (tmp_path / "out0/predictions.csv").read_bytes() == (tmp_path / "out2/predictions.csv").read_bytes()


def test_wrong_looking_images_are_flagged_not_silently_scored(checkpoint: Path, tmp_path: Path) -> None:
    """In the table and on the page."""
    Image.fromarray(255 - np.asarray(radiograph(1))).save(tmp_path / "inverted.png")
    Image.new("L", (80, 80), 10).save(tmp_path / "blank.png")
    predict_images([tmp_path / "*.png"], ham.load(checkpoint), tmp_path / "out", HERE)
    doubts = {Path(row["image"]).stem: row["doubts"] for row in rows(tmp_path / "out")}
    assert doubts["blank"] == "nearly constant"
    assert doubts["inverted"].startswith("looks inverted")
    assert (tmp_path / "out/index.html").read_text().count("Look again:") == 2


def test_names_cannot_leave_the_folder_nor_collide() -> None:
    """Names of outputs hold letters, digits, dot, dash and underscore only."""
    names = [
        "../../etc/passwd",
        "a/x.png",
        "b/x.png",
        "x\n.png",
        "é.png",
        ".png",
        "-rf.png",
        "x" * 300 + ".png",
        "$(x).png",
    ]
    stems = [output_stem(name) for name in names]
    assert len(set(stems)) == len(names)
    for stem in stems:
        assert "/" not in stem
        assert not stem.startswith(".")
        assert len(stem) < 90
        assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_files_folders_and_patterns_are_each_once(scans: Path, tmp_path: Path) -> None:
    """A file that is named twice is one image; a pattern or name that fits nothing is a sentence."""
    found = find_images([scans / "one.png", scans, str(scans / "*.png")])
    assert len(found) == len({path.resolve() for path in found}) == 7
    with pytest.raises(DataError, match="no image is there"):
        find_images([scans, tmp_path / "nothing"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="no image is there"):
        find_images([tmp_path / "folder"])


def test_the_command_says_what_it_did(checkpoint: Path, scans: Path, tmp_path: Path) -> None:
    """Exit status 3 where files could not be read."""
    wanted = ["predict", str(scans), "--model", str(checkpoint), "--out", str(tmp_path / "out"), "--workers", "0"]
    done = CliRunner().invoke(app, wanted)
    assert done.exit_code == 3
    assert "5 images predicted" in done.output
    assert "2 files could not be read" in done.output
    for name in ("broken.png", "empty.jpg"):
        (scans / name).unlink()
    assert CliRunner().invoke(app, wanted).exit_code == 0
