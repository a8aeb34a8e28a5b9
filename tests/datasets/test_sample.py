"""The real tables, and the partial download that comes with them: the counts that were published or counted by hand."""

from __future__ import annotations

import csv
import gzip
import http.server
import json
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from ham import config
from ham.datasets.acquire.check import check_images
from ham.datasets.acquire.download import fetch
from ham.datasets.acquire.image_records import read_checks
from ham.datasets.acquire.unpack import unpack
from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings, FoldSettings
from ham.datasets.sources.conversion import ConversionRequest, convert
from ham.datasets.sources.nih import compare_boxes, read_boxes, read_entries
from ham.datasets.splits import folds_by_patient
from ham.datasets.writer import Problem
from ham.scoring.leakage import audit

SAMPLE = Path(__file__).resolve().parents[3] / "shared/nih-sample"
pytestmark = [
    pytest.mark.sample,
    pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the partial NIH download is not at {SAMPLE}"),
]
BOXES = {  # facts of BBox_List: boxes a finding
    "Atelectasis": 180,
    "Cardiomegaly": 146,
    "Effusion": 153,
    "Infiltration": 123,
    "Mass": 85,
    "Nodule": 79,
    "Pneumonia": 120,
    "Pneumothorax": 98,
}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of ``folder``, which no proxy may stand before."""
    with (
        pytest.MonkeyPatch.context() as patch,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server,
    ):
        patch.setenv("NO_PROXY", "127.0.0.1")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain server of files, without lines on the terminal."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def description() -> Description:
    return Description.read(Path(__file__).resolve().parents[2] / "config/datasets/nih-sample.yaml")


@pytest.fixture(scope="module")
def entries_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "Data_Entry_2017_v2020.csv"
    path.write_bytes(gzip.decompress((SAMPLE / "tables/Data_Entry_2017_v2020.csv.gz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, description: Description) -> Dataset:
    folder = tmp_path_factory.mktemp("sample")
    mirror, made = folder / "mirror", folder / "datasets" / description.name
    command = [sys.executable, str(SAMPLE / "build-mirror"), str(mirror), "--limit", "40"]
    subprocess.run(command, check=True, capture_output=True)
    with served(mirror) as address:
        for name in (*description.archive_names, *description.table_names, *description.list_names):
            fetch(description.file(name), made / ".sources" / name, address)
    checks = []
    for name in description.archive_names:
        record = f"{name.partition('.')[0]}.csv"
        checks.append(made / ".checked" / record)
        unpack(made / ".sources" / name, made / "images", made / ".unpacked" / record)
        check_images(made / "images", made / ".unpacked" / record, checks[-1])
    data = DataSettings(partial=True)
    convert(ConversionRequest(made, "nih-sample", description, data, made / ".sources", tuple(checks)))
    return Dataset.open(made)


def test_the_whole_table_is_read_in_five_seconds(entries_path: Path, description: Description) -> None:
    start = time.perf_counter()
    table = read_entries(entries_path, description.findings, description.box_grid, [])
    assert time.perf_counter() - start < 5
    assert len(table) == 112_120
    assert table["patient"].nunique() == 30_805
    assert set(table["view"]) == {"PA", "AP"}


def test_what_came_over_http_is_verified_whole_and_checked(dataset: Dataset) -> None:
    sources = dataset.folder / ".sources"
    assert not any(path.is_symlink() or path.suffix == ".part" for path in sources.rglob("*"))
    checked = [image for path in (dataset.folder / ".checked").iterdir() for image in read_checks(path)]
    assert {(image.width, image.form, image.problem) for image in checked} == {(1024, "grey", "")}
    assert len(checked) == 40
    with open(dataset.folder / "validation.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["problem"] for row in rows] == ["123 boxes are of Infiltrate, a finding that Data_Entry does not know"]


def test_the_published_boxes_are_ours_to_the_last_digit(
    entries_path: Path, description: Description, tmp_path: Path
) -> None:
    table = read_entries(entries_path, description.findings, description.box_grid, [])
    problems: list[Problem] = []
    boxes = read_boxes(SAMPLE / "tables/BBox_List_2017.csv", description, table, problems)
    with tarfile.open(SAMPLE / "tables/published-lists.tar.xz") as lists:
        lists.extract("Annotations/BBoxes.json", tmp_path, filter="data")
    assert compare_boxes(boxes, tmp_path / "Annotations/BBoxes.json") == []
    assert json.loads((tmp_path / "Annotations/BBoxes.json").read_text()) == boxes
    assert [problem.problem.split(",")[0] for problem in problems] == ["123 boxes are of Infiltrate"]


def test_the_sample_converts_with_the_known_counts(dataset: Dataset) -> None:
    counts = dataset.info["counts"]
    assert (counts["images"], counts["patients"], counts["present"]) == (112_120, 30_805, 40)
    assert (counts["boxes"], counts["boxed_images"]) == (984, 880)
    assert {finding: counts["findings"][finding]["boxes"] for finding in dataset.boxed_findings} == BOXES
    patients = {dataset.patient(image) for image in dataset.boxes}
    assert len(patients) == 726
    with open(dataset.folder / "missing.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 112_080


def test_the_lists_have_the_published_lengths(dataset: Dataset) -> None:
    listed = {name: numbers["listed"] for name, numbers in dataset.info["lists"].items()}
    assert listed["Main/train_val_list"] == 86_524
    assert listed["Main/test_list"] == 25_596
    assert listed["Main/train_wo_bbox"] == 111_240
    assert listed["Main/test_bboxs"] == 880
    folds = range(1, 6)
    assert [listed[f"Main/fold{k}/train_0.5_0.8"] for k in folds] == [56_728, 59_135, 60_995, 62_491, 63_737]
    assert [listed[f"bbox/fold{k}/train_0.8"] for k in folds] == [694, 699, 705, 708, 714]
    assert [listed[f"Main/fold{k}/test_0_0.2"] for k in folds] == [186, 181, 175, 172, 166]
    assert [listed[f"Main/fold{k}/train_0.7_0.7"] for k in folds] == [73_127, 74_891, 76_366, 77_544, 78_594]
    assert [listed[f"Main/fold{k}/test_0.2_0.2"] for k in folds] == [26_662, 24_090, 22_024, 20_361, 18_983]


def test_the_lists_are_byte_identical_to_the_authors(dataset: Dataset) -> None:
    with open(SAMPLE / "tables/published-lists.csv", newline="") as file:
        digests = {row["path"]: row["sha256"] for row in csv.DictReader(file)}
    digests.pop("Annotations/BBoxes.json")
    ours = FoldSettings().list_names
    lists = {name: numbers for name, numbers in dataset.info["lists"].items() if name not in ours}
    assert {f"ImageSets/{name}.txt": numbers["sha256"] for name, numbers in lists.items()} == digests


def test_folds_by_patient_of_the_whole_table_take_seconds_and_are_even(
    entries_path: Path, description: Description
) -> None:
    table = read_entries(entries_path, description.findings, description.box_grid, [])
    boxes = read_boxes(SAMPLE / "tables/BBox_List_2017.csv", description, table, [])
    start = time.perf_counter()
    lists = folds_by_patient(table, boxes, FoldSettings())
    assert time.perf_counter() - start < 10  # two, on an idle core
    for fold in range(1, 6):
        parts = [lists[f"Main/by-patient/fold{fold}/{part}"] for part in ("train", "val", "test")]
        patients = [set(table["patient"][part]) for part in parts]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 30_805
        for part, name, share in zip(parts, ("train", "val", "test"), (0.7, 0.1, 0.2), strict=True):
            for finding in description.findings:
                assert table[finding][part].sum() == pytest.approx(share * table[finding].sum(), rel=0.02), finding
            boxed = lists[f"bbox/by-patient/fold{fold}/{name}"]
            for finding, number in BOXES.items():  # whole images: 8 of Mass's 85 boxes are 6 % less than a tenth
                found = sum(finding in boxes[image] for image in boxed)
                assert found == pytest.approx(share * number, abs=1), finding


def test_the_audit_finds_what_was_counted_in_the_published_lists(dataset: Dataset) -> None:
    values = yaml.safe_load((Path(__file__).resolve().parents[2] / "config/config.yaml").read_text())
    twins = ["classification-5fold-by-patient", "localization-5fold-by-patient"]
    values["experiments"] += twins
    loaded = config.load(values)
    start = time.perf_counter()
    rows = [row for name in loaded.experiments for row in audit(dataset, loaded.runs(name))]
    assert time.perf_counter() - start < 30  # six, with the images present, on an idle core
    whole = [row for row in rows if row["images"] == "listed"]

    def of_patients_in_training(experiment: str, kind: str) -> list[tuple[int, int]]:
        found = [row for row in whole if (row["experiment"], row["kind"]) == (experiment, kind)]
        return [(row["test_images_of_train_patients"], row["test_images"]) for row in found]

    for kind in ("classification", "localization"):  # its test images all have boxes
        assert of_patients_in_training("localization-5fold", kind) == [
            (174, 186), (159, 181), (162, 175), (161, 172), (147, 166),
        ]  # fmt: skip
        assert of_patients_in_training("localization-without-boxes", kind) == [(822, 880)]
    assert of_patients_in_training("classification-5fold", "classification") == [
        (22_143, 26_662), (19_627, 24_090), (17_834, 22_024), (16_367, 20_361), (15_168, 18_983),
    ]  # fmt: skip
    assert of_patients_in_training("classification-official", "classification") == [(0, 25_596)]
    assert of_patients_in_training("classification-official", "localization") == [(0, 880)]
    assert {row["test_images_in_train"] for row in whole} == {0}
    chosen = {row["experiment"]: row["chosen_on_test"] for row in whole}
    assert chosen == {
        "classification-official": 1,
        "classification-5fold": 0,
        "localization-5fold": 1,
        "localization-without-boxes": 1,
        "classification-5fold-by-patient": 0,
        "localization-5fold-by-patient": 0,
    }
    ours = [row for row in whole if row["experiment"] in twins]
    assert len(ours) == 20
    assert {value for row in ours for column, value in row.items() if "_in_" in column or "_of_" in column} == {0}


def test_the_header_of_a_data_set_of_the_papers_size_is_small(dataset: Dataset) -> None:
    assert (dataset.folder / "dataset.json").stat().st_size < 100_000
