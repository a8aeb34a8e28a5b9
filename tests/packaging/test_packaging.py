"""A package holds what restores results, is the same for the same results, and nothing evil or damaged is restored."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ham.datasets.acquire import download
from ham.datasets.description import Description
from ham.errors import DataError, DownloadError
from ham.model.card import KEY, Card
from ham.packaging import reader
from ham.packaging.archive import write_package
from ham.packaging.contents import PackageRequest
from ham.packaging.manifest import CARD, CRATE, MANIFEST, README, RECORD, SUMS, Record
from ham.packaging.restore import RestoreRequest, fetch_package, restore
from ham.packaging.restored import refuse_other_data, refuse_other_than_restored
from ham.packaging.settings import RestoreSettings
from ham.reporting.results import SplitResult, accepted_splits, refuse_other_plans
from ham.reporting.settings import ReportingSettings
from ham.reporting.tables import write_tables
from tests.reporting.fake_results import IMAGES, write_dataset, write_split

BASE = "results/phantom"
FOLDS = [f"{BASE}/localization-5fold/ham/fold{number}" for number in (1, 2)]
SPLIT_FILES = (
    "metrics.json", "run.json", "history.csv", "localization.csv", "floors.csv", "cuts.csv", "curves.json", "maps.npz",
    "resamples.npz", CARD,
)  # fmt: skip
SETTINGS = {"training": {"batch_size": 24, "loss": {"weights": {"box": 0.5}}}, "weights": None}
DATA = {"folds": {"count": 5, "seed": 0}}
TERMS = {  # of RO-Crate 1.1's context, by hand from its specification
    "@id", "@type", "name", "description", "datePublished", "license", "hasPart", "mentions", "conformsTo", "about",
    "encodingFormat", "contentSize", "version", "instrument", "result",
}  # fmt: skip


def write_weights(path: Path) -> None:
    """A checkpoint of a header with a card, and no weights."""
    card = Card(findings=("Mass",), settings={"checkpoint": "last"}, dataset="Phantom", fingerprint="ab" * 32)
    header = json.dumps({"__metadata__": {KEY: card.text()}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two scored splits, their tables, and the data set."""
    work = tmp_path / "made"
    work.mkdir()
    monkeypatch.chdir(work)
    write_dataset(work / "datasets/Phantom", IMAGES)
    for number, folder in enumerate(FOLDS):
        write_split(Path(folder), IMAGES, seed=number)
        metrics = json.loads(Path(folder, "metrics.json").read_text())
        info = json.loads(Path("datasets/Phantom/dataset.json").read_text())
        metrics |= {"plan": f"{number:016}", "digests": {"data": info["digests"]}}
        Path(folder, "metrics.json").write_text(json.dumps(metrics))
        write_weights(Path(folder, "model.safetensors"))
        Path(folder, "checkpoints").mkdir()
        write_weights(Path(folder, "checkpoints/last.safetensors"))
    write_tables([Path(folder) for folder in FOLDS], Path(f"{BASE}/tables/localization-5fold.csv"), ReportingSettings())
    for name in (
        "report.html",
        "exchange/localization-5fold/ham/coco-truth.json",
        "gallery/localization-5fold/ham.png",
        "refined.npz",
    ):
        Path(BASE, name).parent.mkdir(parents=True, exist_ok=True)
        Path(BASE, name).write_text("an image of a patient, or its boxes")
    return work


def request(**other: Any) -> PackageRequest:
    files = [str(path) for path in Path(BASE).rglob("*") if path.is_file()]
    files += [str(path) for path in Path("datasets").rglob("*") if path.is_file()]
    given: dict[str, Any] = {
        "key": "phantom",
        "name": "Phantom",
        "files": tuple(files),
        "dataset_files": ("datasets/Phantom/dataset.json", "datasets/Phantom/images.csv"),
        "redistributable": True,
        "splits": {folder: {"plan": f"{n:016}", "settings": SETTINGS} for n, folder in enumerate(FOLDS)},
        "data": DATA,
        "configuration": {"dataset": "phantom", "restore": None, "data": {"mirror": "/home/me", "folds": {"count": 5}}},
        "licence": "free to use",
        "attribution": "Drawn by ham",
    }
    return PackageRequest(**given | other)


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    """The package of ``made``."""
    write_package(request(), tmp_path / "phantom.zip")
    return tmp_path / "phantom.zip"


@pytest.fixture
def elsewhere(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, on a machine that has the package alone."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def asked(**other: Any) -> RestoreRequest:
    files = {f"{folder}/{name}": f"{folder}/{name}" for folder in FOLDS for name in SPLIT_FILES}
    files |= {f"{BASE}/.restored/{name}": f"datasets/Phantom/{name}" for name in ("dataset.json", "images.csv")}
    given: dict[str, Any] = {"key": "phantom", "files": files, "splits": dict.fromkeys(FOLDS, SETTINGS), "data": DATA}
    return RestoreRequest(**given | other)


def bring_back(source: Path, sha256: str | None = None, **other: Any) -> None:
    restore(source, RestoreSettings(source=str(source), sha256=sha256), asked(**other))


def refused(source: Path, match: str, sha256: str | None = None, **other: Any) -> None:
    """Restoring is one sentence, and nothing of it stands."""
    with pytest.raises(DataError, match=match) as error:
        bring_back(source, sha256, **other)
    assert "\n" not in str(error.value)
    assert [path for path in Path().rglob("*") if path.is_file()] == []


def contents(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, files: dict[str, bytes], sums: bool = True) -> Path:
    """A .zip of these files, with checksums that are right."""
    if sums:
        files = {name: content for name, content in files.items() if name != SUMS}
        lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
        files = {**files, SUMS: "".join(lines).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


# What a package is


def test_a_package_has_what_restores_and_neither_weights_masks_nor_galleries(package: Path) -> None:
    files = contents(package)
    assert {README, SUMS, CRATE, MANIFEST, "configuration.yaml", f"{BASE}/report.html"} <= set(files)
    assert {f"{folder}/{name}" for folder in FOLDS for name in SPLIT_FILES} <= set(files)
    assert [name for name in files if name.startswith("datasets/")] == [
        "datasets/Phantom/dataset.json",
        "datasets/Phantom/images.csv",
    ]
    assert not [name for name in files if "safetensors" in name or "gallery" in name or "refined" in name]
    assert json.loads(files[f"{FOLDS[0]}/{CARD}"])["fingerprint"] == "ab" * 32
    assert json.loads(files[MANIFEST])["splits"][FOLDS[1]] == {"plan": f"{1:016}", "settings": SETTINGS}
    assert json.loads(files[MANIFEST])["made_by"][0]["commit"] == "0123456789abcdef"


def test_the_configuration_in_it_has_no_place_of_the_machine(package: Path) -> None:
    configuration = yaml.safe_load(contents(package)["configuration.yaml"])
    assert configuration == {"dataset": "phantom", "data": {"folds": {"count": 5}}}


def test_an_own_description_goes_in_without_its_folders(made: Path, tmp_path: Path) -> None:
    keys = {"source": "table", "findings": ["Mass"], "boxed_findings": ["Mass"], "licence": "L", "attribution": "A"}
    places = {
        "images": "/home/me/pictures",
        "labels": {"file": "/home/me/labels.csv"},
        "boxes": {"file": "/home/me/boxes.json"},
    }
    own = Description.of({"name": "Own", **keys, **places})
    write_package(request(description=own.plain()), tmp_path / "own.zip")
    (tmp_path / "phantom.yaml").write_bytes(contents(tmp_path / "own.zip")["phantom.yaml"])
    read = Description.read(tmp_path / "phantom.yaml")
    assert (read.name, read.findings, read.licence) == (own.name, own.findings, own.licence)
    assert read.labels is not None
    assert read.labels.file == str(tmp_path / "labels.csv")
    assert "/home/me" not in (tmp_path / "phantom.yaml").read_text()
    assert "/home/me" not in contents(tmp_path / "own.zip")[README].decode()


def test_where_the_data_may_not_be_passed_on_no_image_and_no_table_of_it_goes_in(made: Path, tmp_path: Path) -> None:
    alone = ("datasets/Phantom/dataset.json",)
    write_package(request(redistributable=False, dataset_files=alone), tmp_path / "kept.zip")
    files = contents(tmp_path / "kept.zip")
    assert [name for name in files if name.startswith("datasets/")] == list(alone)
    assert not {name for name in files if "report.html" in name or "/exchange/" in name}
    assert f"{BASE}/tables/localization-5fold.csv" in files
    assert not [name for name, content in files.items() if b"of a patient, or its boxes" in content]
    assert "Before you publish this" in files[README].decode()


def test_two_packages_of_the_same_results_are_the_same_bytes(package: Path, tmp_path: Path) -> None:
    for path in Path().rglob("*"):
        os.utime(path, (1, 1))
    again = request(files=tuple(reversed(request().files)))
    write_package(again, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()
    names = zipfile.ZipFile(package).namelist()
    assert names == sorted(names)
    assert {entry.date_time for entry in zipfile.ZipFile(package).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_every_checksum_is_that_of_its_file(package: Path, tmp_path: Path) -> None:
    files = contents(package)
    listed = dict(reversed(line.split("  ")) for line in files[SUMS].decode().splitlines())
    assert listed == {name: hashlib.sha256(it).hexdigest() for name, it in files.items() if name != SUMS}
    beside = package.with_name("phantom.zip.sha256").read_text()
    assert beside == f"{hashlib.sha256(package.read_bytes()).hexdigest()}  phantom.zip\n"


def test_results_of_other_settings_are_not_packed(made: Path, tmp_path: Path) -> None:
    other = {folder: {"plan": "f" * 16, "settings": SETTINGS} for folder in FOLDS}
    with pytest.raises(DataError, match="comes from other settings or code"):
        write_package(request(splits=other), tmp_path / "other.zip")
    assert not (tmp_path / "other.zip").exists()


def test_the_crate_is_valid(package: Path, tmp_path: Path) -> None:
    from rocrate.rocrate import ROCrate

    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "crate")
    crate = ROCrate(tmp_path / "crate")
    files = contents(package)
    assert {entity["@id"] for entity in crate.data_entities} == set(files) - {CRATE}
    for entity in crate.data_entities:
        assert int(entity["contentSize"]) == len(files[entity["@id"]])
    graph = json.loads(files[CRATE])["@graph"]
    assert {key for entity in graph for key in entity} <= TERMS
    root = next(entity for entity in graph if entity["@id"] == "./")
    assert {"name", "description", "license"} <= set(root)
    assert root["datePublished"] == "1980-01-01"  # of no known commit: never the day of packing
    assert "free to use Drawn by ham" in files[CRATE].decode()
    validator = shutil.which("rocrate-validator")  # an own environment: it asks for another rich than ham's
    if validator is not None:
        command = [validator, "--no-interactive", "--disable-color", "validate", str(tmp_path / "crate"), "--no-paging"]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0 or "URLError" in done.stdout, done.stdout  # without a network there is no context


# What is restored


def test_restored_results_give_the_same_tables_to_the_byte(package: Path, elsewhere: Path) -> None:
    before = {
        path.name: path.read_bytes()
        for path in (elsewhere.parent / "made" / BASE / "tables").iterdir()
        if path.is_file()
    }
    bring_back(package)
    write_tables([Path(folder) for folder in FOLDS], Path("tables/localization-5fold.csv"), ReportingSettings())
    assert {name: Path("tables", name).read_bytes() for name in before} == before
    assert len(before) == 3
    assert SplitResult(Path(FOLDS[0])).metrics["plan"] == f"{0:016}"
    assert Path(f"{BASE}/.restored/dataset.json").is_file()


def test_a_folder_and_what_it_was_made_by_are_recorded(package: Path, elsewhere: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall("unpacked")
    sums = Path("unpacked", SUMS)
    bring_back(sums, hashlib.sha256(sums.read_bytes()).hexdigest())
    record = Record.read(Path(BASE, RECORD))
    assert (record.source, record.sha256) == (str(sums), hashlib.sha256(sums.read_bytes()).hexdigest())
    assert record.made_by[0].versions["torch"] == "2.9.0"
    assert record.files[f"{FOLDS[0]}/cuts.csv"] == hashlib.sha256(Path(FOLDS[0], "cuts.csv").read_bytes()).hexdigest()


def test_settings_of_restored_weights_from_elsewhere_come_from_their_card(package: Path, elsewhere: Path) -> None:
    bring_back(package)
    Path(FOLDS[0], "run.json").unlink()
    assert SplitResult(Path(FOLDS[0])).settings == {"checkpoint": "last"}


def test_what_was_restored_and_changed_since_is_refused(
    package: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bring_back(package)
    plans: dict[str, str | None] = dict.fromkeys(FOLDS)
    caplog.set_level("INFO", "ham")
    caplog.clear()
    refuse_other_plans(plans)
    assert f"results restored from {package}, sha256 {hashlib.sha256(package.read_bytes()).hexdigest()}" in caplog.text
    Path(FOLDS[1], "cuts.csv").write_text("made here")
    with pytest.raises(DataError, match=r"fold2/cuts.csv is not what was restored from .*phantom.zip"):
        refuse_other_plans(plans)
    Path(BASE, RECORD).unlink()
    with pytest.raises(DataError, match=r"restored\.json cannot be read"):
        refuse_other_than_restored([Path(FOLDS[0])])


def test_a_split_that_was_not_in_the_package_is_not_taken_for_restored(package: Path, elsewhere: Path) -> None:
    bring_back(package)
    shutil.copytree(FOLDS[0], FOLDS[0].replace("fold1", "fold3"))
    with pytest.raises(DataError, match="fold3 is not what was restored"):
        refuse_other_plans({FOLDS[0].replace("fold1", "fold3"): None})


def test_no_gallery_is_drawn_on_another_data_set(package: Path, elsewhere: Path) -> None:
    bring_back(package)
    refuse_other_data([Path(folder) for folder in FOLDS], elsewhere.parent / "made/datasets/Phantom")
    write_dataset(Path("datasets/Phantom"), IMAGES[:-1])
    with pytest.raises(DataError, match=r"another data set than datasets/Phantom \(.*images.csv"):
        refuse_other_data([Path(folder) for folder in FOLDS], Path("datasets/Phantom"))
    restored = dict.fromkeys(FOLDS)
    assert accepted_splits(restored) == [Path(folder) for folder in FOLDS]
    assert accepted_splits(restored, elsewhere.parent / "made/datasets/Phantom") == [Path(folder) for folder in FOLDS]
    with pytest.raises(DataError, match="another data set than datasets/Phantom"):
        accepted_splits(restored, Path("datasets/Phantom"))


def test_other_settings_than_asked_for_are_one_sentence(package: Path, elsewhere: Path) -> None:
    other = json.loads(json.dumps(SETTINGS))
    other["training"]["batch_size"] = 16
    other["training"]["loss"]["weights"]["box"] = 0.4
    made = r"made with training.batch_size 24 \(16 is asked for\), training.loss.weights.box 0.5 \(0.4 is asked for\)"
    refused(package, made, splits={FOLDS[0]: SETTINGS, FOLDS[1]: other})
    refused(package, r"data of the package was made with folds.seed 0 \(1 ", data={"folds": {"count": 5, "seed": 1}})


def test_settings_that_the_package_does_not_know_are_told(
    package: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newer = {**SETTINGS, "training": {**SETTINGS["training"], "invented_later": 1}}  # type: ignore[dict-item]
    bring_back(package, splits=dict.fromkeys(FOLDS, newer))
    assert "nobody can compare training.invented_later" in caplog.text


def test_a_split_or_data_set_that_the_package_lacks_is_one_sentence(package: Path, elsewhere: Path) -> None:
    third = FOLDS[0].replace("fold1", "fold3")
    refused(package, f"has no {third}; it has {FOLDS[0]}, {FOLDS[1]}", splits={third: SETTINGS})
    refused(package, "of the data set phantom, and nih is asked for", key="nih")
    refused(package, "never.csv is not there, and is part of what is asked for", files={"never.csv": "never.csv"})


# What is refused


def test_another_sha256_is_refused(package: Path, elsewhere: Path) -> None:
    refused(package, "it is another one", sha256="0" * 64)


def test_a_truncated_package_is_one_sentence(package: Path, elsewhere: Path) -> None:
    whole = package.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 30):
        package.write_bytes(whole[:length])
        refused(package, r"is no whole .zip|or part of one")


def test_a_flipped_bit_is_one_sentence(package: Path, elsewhere: Path) -> None:
    whole = bytearray(package.read_bytes())
    with zipfile.ZipFile(package) as archive:
        entry = archive.getinfo(f"{FOLDS[0]}/maps.npz")
    whole[entry.header_offset + entry.compress_size // 2] ^= 1
    package.write_bytes(whole)
    refused(package, "maps.npz cannot be read")


def test_a_file_that_is_not_what_its_checksum_says_is_refused(package: Path, elsewhere: Path) -> None:
    files = contents(package)
    files[f"{FOLDS[1]}/metrics.json"] = files[f"{FOLDS[1]}/metrics.json"].replace(b"0.9", b"1.0")
    refused(pack(package, files, sums=False), "metrics.json is not what its SHA256SUMS says")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(package.parent / "unpacked")
    refused(package.parent / "unpacked" / SUMS, "metrics.json is not what its SHA256SUMS says")


@pytest.mark.parametrize(
    "name", ["../outside.csv", "/tmp/outside.csv", "a/../../outside.csv", "a\\..\\outside.csv", "C:/a.csv", "./a.csv"]
)
def test_a_name_that_leads_elsewhere_is_refused(package: Path, elsewhere: Path, name: str) -> None:
    refused(pack(package, {**contents(package), name: b"evil"}), "nothing of it is used")
    assert not (elsewhere.parent / "outside.csv").exists()


def test_a_link_in_a_package_is_refused(package: Path, elsewhere: Path) -> None:
    with zipfile.ZipFile(package, "a") as archive:
        entry = zipfile.ZipInfo("link")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    refused(package, "is a link or device")


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_link_in_an_unpacked_package_is_refused(package: Path, elsewhere: Path, linked: str) -> None:
    unpacked = elsewhere.parent / "unpacked"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(unpacked)
    path = unpacked / FOLDS[0] / "cuts.csv" if linked == "file" else unpacked / FOLDS[0]
    path.rename(elsewhere.parent / "moved")
    path.symlink_to(elsewhere.parent / "moved")
    refused(unpacked / SUMS, "is a link: a package holds none")


def test_a_name_that_is_there_twice_is_refused(package: Path, elsewhere: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(package, "a") as archive:
        archive.writestr(f"{FOLDS[0]}/metrics.json", "{}")
    refused(package, "is there twice")


def test_a_file_without_a_checksum_or_no_checksums_at_all_are_refused(package: Path, elsewhere: Path) -> None:
    files = contents(package)
    refused(pack(package, {**files, "more.csv": b""}, sums=False), "'more.csv' stands in no SHA256SUMS")
    refused(pack(package, {name: it for name, it in files.items() if name != SUMS}, sums=False), "holds no SHA256SUMS")
    refused(pack(package, {**files, SUMS: b"\xff\x00"}, sums=False), "is no text")
    refused(pack(package, {**files, SUMS: b"<html>"}, sums=False), "is no list of checksums")


def test_a_package_that_would_fill_the_disk_is_refused(
    package: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LARGEST", 10_000)
    refused(package, "nothing of it is used")
    monkeypatch.undo()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(reader, "MOST_FILES", 3)
    refused(package, "this is no package of ham")


def test_a_package_that_contradicts_itself_is_refused(package: Path, elsewhere: Path) -> None:
    files = contents(package)
    swapped = {**files, f"{FOLDS[0]}/metrics.json": files[f"{FOLDS[1]}/metrics.json"]}
    refused(pack(package, swapped), "is of another split or plan")
    named = json.loads(files[f"{FOLDS[0]}/metrics.json"]) | {"split": "fold2"}
    refused(pack(package, {**files, f"{FOLDS[0]}/metrics.json": json.dumps(named).encode()}), "is of another split")
    named |= {"split": "fold1", "plan": "0" * 15 + "2"}
    refused(pack(package, {**files, f"{FOLDS[0]}/metrics.json": json.dumps(named).encode()}), "or plan")
    refused(pack(package, {**files, f"{FOLDS[0]}/metrics.json": b"[]"}), "cannot be read")
    newer = {**json.loads(files[MANIFEST]), "version": 2}
    refused(pack(package, {**files, MANIFEST: json.dumps(newer).encode()}), "form 2, and this ham reads up to 1")
    refused(pack(package, {**files, MANIFEST: b"[" * 100_000}), "cannot be read")
    refused(pack(package, {**files, MANIFEST: b"{}"}), "cannot be used")


def test_what_fails_half_way_leaves_nothing(package: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ham.packaging.restore.write_json", full)
    with pytest.raises(OSError, match="No space"):
        bring_back(package)
    assert [path for path in Path(BASE).rglob("*") if path.is_file()] == []
    assert not Path(BASE, ".restored").exists()


# What is fetched


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of ``tmp_path``, served."""
    handler: Callable[..., Any] = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_an_address_is_fetched_and_verified(
    package: Path, elsewhere: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    settings = RestoreSettings(source=f"{server}/phantom.zip", sha256=digest)
    fetch_package(settings, Path("fetched.zip"))
    restore(Path("fetched.zip"), settings, asked())
    assert Record.read(Path(BASE, RECORD)).source == f"{server}/phantom.zip"
    with pytest.raises(DownloadError, match=f"sha256 {digest}, {'0' * 64} is expected"):
        fetch_package(RestoreSettings(source=f"{server}/phantom.zip", sha256="0" * 64), Path("other.zip"))
    assert not Path("other.zip").exists()


def test_an_address_is_not_taken_without_its_sha256() -> None:
    with pytest.raises(ValueError, match="an address is taken with the sha256"):
        RestoreSettings.of({"source": "https://example.org/phantom.zip"})
