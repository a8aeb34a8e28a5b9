"""The drawn data set: the same everywhere, in the distribution's form, with boxes around what can be seen."""

import gzip
import hashlib
import io
import json
import tarfile
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ham.datasets.description import Description
from ham.datasets.settings import PhantomSettings
from ham.phantom import nih_distribution
from ham.phantom.nih_distribution import ARCHIVES, IN_BOX_LIST, plan_images, write_distribution
from ham.phantom.radiograph import FINDINGS, radiograph

SMALL = PhantomSettings(seed=3, images=60, patients=30)
NAMED = {name: finding for finding, name in IN_BOX_LIST.items()}
PIXELS = {
    ("phantom-0-1", "phantom-0-1-0", ("Cardiomegaly", "Nodule")): (
        "159351a6263cecfb6f3b9778404f76410add5dca197daf6e700d01bdaf1cebf5"
    ),
    ("phantom-0-2", "phantom-0-2-3", ("Effusion", "Infiltration")): (
        "af67caa89348430b31820b0d021f407591b7326bcd4e78d27e0211a3ca62bb2c"
    ),
}
TABLES = "2a78d6ebc8fd20a3c74b11b50de3062d846b7cb3fe476bf1a6aea1afe1d40951"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small data set, written once."""
    folder = tmp_path_factory.mktemp("mirror")
    write_distribution(folder, SMALL)
    return folder


def listed(mirror: Path, name: str) -> list[str]:
    return (mirror / f"{name}.txt").read_text().split()


def digest_of_tables(mirror: Path) -> str:
    names = sorted(p for p in mirror.rglob("*") if p.suffix in (".csv", ".txt", ".json"))
    return hashlib.sha256(
        b"\0".join(p.relative_to(mirror).as_posix().encode() + p.read_bytes() for p in names)
    ).hexdigest()


def images_of(mirror: Path) -> dict[str, np.ndarray]:
    out = {}
    for name in ARCHIVES:
        with tarfile.open(mirror / name) as archive:
            for member in archive:
                out[member.name] = np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read())))
    return out


@pytest.mark.parametrize(("names", "expected"), PIXELS.items())
def test_pixels_are_the_same_on_every_machine(names: tuple[str, str, tuple[str, ...]], expected: str) -> None:
    pixels, _ = radiograph(*names)
    assert pixels.shape == (256, 256)
    assert pixels.dtype == np.uint8
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == expected


def test_tables_and_lists_are_the_same_on_every_machine(mirror: Path) -> None:
    assert digest_of_tables(mirror) == TABLES


def test_the_same_seed_writes_the_same_bytes_with_any_number_of_processes(mirror: Path, tmp_path: Path) -> None:
    write_distribution(tmp_path, SMALL, workers=2)
    files = {p.relative_to(mirror) for p in mirror.rglob("*") if p.is_file()}
    assert files == {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert all((mirror / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_another_seed_draws_other_patients(mirror: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[tuple[str, str]] = []

    def note(patient: str, image: str, findings: list[str]) -> tuple[np.ndarray, dict[str, list[int]]]:
        drawn.append((patient, image))
        return np.zeros((256, 256), dtype=np.uint8), {finding: [1, 2, 30, 40] for finding in findings}

    monkeypatch.setattr(nih_distribution, "radiograph", note)
    write_distribution(tmp_path, SMALL.model_copy(update={"seed": 4}))
    assert drawn[0] == ("phantom-4-1", "phantom-4-1-0")
    assert len(set(drawn)) == SMALL.images
    one, other = (radiograph(f"phantom-{seed}-1", f"phantom-{seed}-1-0")[0] for seed in (3, 4))
    assert (one != other).mean() > 0.5
    assert digest_of_tables(tmp_path) != digest_of_tables(mirror)


def test_every_file_is_in_sha256sums_with_its_digest(mirror: Path) -> None:
    lines = [line.split("  ") for line in (mirror / "SHA256SUMS").read_text().splitlines()]
    files = {p.relative_to(mirror).as_posix() for p in mirror.rglob("*") if p.is_file()} - {"SHA256SUMS"}
    assert {name for _, name in lines} == files
    for digest, name in lines:
        assert hashlib.sha256((mirror / name).read_bytes()).hexdigest() == digest


def test_the_archives_hold_every_image_of_the_table_and_no_time(mirror: Path) -> None:
    rows = (mirror / "Data_Entry_2017_v2020.csv").read_text().splitlines()
    images = images_of(mirror)
    assert list(images) == [f"images/{row.split(',')[0]}" for row in rows[1:]]
    assert all(image.shape == (256, 256) and image.dtype == np.uint8 for image in images.values())
    for name in ARCHIVES:
        assert (mirror / name).read_bytes()[4:8] == bytes(4)
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress((mirror / name).read_bytes()))) as archive:
            assert {member.mtime for member in archive} == {0}


def test_the_official_split_shares_no_patient_and_its_test_side_has_all_boxes(mirror: Path) -> None:
    train, test = listed(mirror, "train_val_list"), listed(mirror, "test_list")
    assert len(train) + len(test) == len({*train, *test}) == SMALL.images
    assert not {image[:8] for image in train} & {image[:8] for image in test}
    boxed = listed(mirror, "published/ImageSets/Main/test_bboxs")
    assert set(boxed) <= set(test)
    assert {*boxed, *listed(mirror, "published/ImageSets/Main/train_wo_bbox")} == {*train, *test}


def test_folds_partition_the_boxed_images_and_all_images(mirror: Path) -> None:
    sets = "published/ImageSets"
    boxed, plain = (set(listed(mirror, f"{sets}/Main/{name}")) for name in ("test_bboxs", "train_wo_bbox"))
    boxed_tests = [listed(mirror, f"{sets}/Main/fold{k}/test_0_0.2") for k in range(1, 6)]
    tests = [listed(mirror, f"{sets}/Main/fold{k}/test_0.2_0.2") for k in range(1, 6)]
    assert all(boxed_tests)
    assert sorted(chain(*boxed_tests)) == sorted(boxed)
    assert sorted(chain(*tests)) == sorted(boxed | plain)
    for k in range(1, 6):
        main = {
            n: listed(mirror, f"{sets}/Main/fold{k}/{n}") for n in ("train_0.5_0.8", "train_0.7_0.7", "val_0.1_0.1")
        }
        helper = {
            n: set(listed(mirror, f"{sets}/bbox/fold{k}/{n}")) for n in ("train_0.8", "train_0.7", "val_0.1", "test")
        }
        assert helper["test"] == set(boxed_tests[k - 1])
        assert helper["train_0.8"] == boxed - helper["test"]
        assert helper["train_0.7"] | helper["val_0.1"] == helper["train_0.8"]
        assert not helper["train_0.7"] & helper["val_0.1"]
        assert set(main["train_0.5_0.8"]) & boxed == helper["train_0.8"]
        assert len(set(main["train_0.5_0.8"]) & plain) == len(plain) // 2
        assert set(main["train_0.7_0.7"]) & boxed == helper["train_0.7"]
        assert set(main["val_0.1_0.1"]) & boxed == helper["val_0.1"]
        parts = [*main["train_0.7_0.7"], *main["val_0.1_0.1"], *tests[k - 1]]
        assert sorted(parts) == sorted(boxed | plain)
    assert (mirror / sets / "bbox/empty.txt").read_bytes() == b""


def test_lists_end_without_a_newline_and_name_images_of_the_table_once(mirror: Path) -> None:
    known = {row.split(",")[0] for row in (mirror / "Data_Entry_2017_v2020.csv").read_text().splitlines()[1:]}
    for path in mirror.rglob("*.txt"):
        text = path.read_text()
        assert not text.endswith("\n")
        assert set(text.split()) <= known
        assert len(set(text.split())) == len(text.split())


def test_every_file_that_a_description_of_the_phantom_names_is_written(mirror: Path) -> None:
    path = Path(__file__).parents[2] / "config/datasets/phantom.yaml"
    description = Description.read(path)
    for name in (*description.archive_names, *description.table_names, *description.list_names):
        assert (mirror / name).is_file(), name


def test_boxes_agree_with_the_labels_and_the_authors_file_and_lie_in_the_image(mirror: Path) -> None:
    labels = {
        row.split(",")[0]: row.split(",")[1].split("|")
        for row in (mirror / "Data_Entry_2017_v2020.csv").read_text().splitlines()[1:]
    }
    nested = json.loads((mirror / "published/Annotations/BBoxes.json").read_text())
    found: dict[str, dict[str, list[list[float]]]] = {}
    for row in (mirror / "BBox_List_2017.csv").read_text().splitlines()[1:]:
        image, name, *numbers = row.removesuffix(",,,").split(",")
        x, y, w, h = map(float, numbers)
        assert x >= 0
        assert y >= 0
        assert w > 4
        assert h > 4
        assert x + w <= 256
        assert y + h <= 256
        found.setdefault(image, {})[NAMED.get(name, name)] = [[x, y, w, h]]
    assert found == nested
    assert list(found) == listed(mirror, "published/ImageSets/Main/test_bboxs")
    assert all(sorted(boxes) == sorted(labels[image]) for image, boxes in found.items())


def test_the_boxed_findings_are_about_equally_frequent_and_shares_are_kept() -> None:
    entries = plan_images(PhantomSettings(seed=1, images=500, patients=220, boxed=0.5))
    boxed = [entry for entry in entries if entry.boxed]
    assert len(boxed) == 225
    counts = [sum(finding in entry.findings for entry in boxed) for finding in FINDINGS]
    assert max(counts) - min(counts) <= 2
    assert [sum(len(entry.findings) == n for entry in entries) for n in (0, 1, 2)] == [50, 200, 250]
    assert all(entry.findings and entry.test for entry in boxed)
    assert len({entry.patient for entry in entries}) == 220


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_box_holds_the_drawn_finding_tightly(finding: str) -> None:
    for number in range(5):
        names = f"phantom-9-{number}", f"phantom-9-{number}-0"
        without, _ = radiograph(*names)
        pixels, boxes = radiograph(*names, [finding])
        change = np.abs(pixels.astype(int) - without)
        x, y, w, h = boxes[finding]
        inside = np.zeros(change.shape, dtype=bool)
        inside[y : y + h, x : x + w] = True
        strong = change > 25
        assert strong[inside].mean() > 0.08, "the finding can be seen"
        assert strong[inside].sum() > 0.8 * strong.sum(), "and lies in its box"
        rows, columns = np.flatnonzero((strong & inside).any(1)), np.flatnonzero((strong & inside).any(0))
        assert rows[-1] - rows[0] + 1 >= 0.6 * h, "which is no larger than it"
        assert columns[-1] - columns[0] + 1 >= 0.8 * w
