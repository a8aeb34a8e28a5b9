"""DICOM objects that other programs accept, and that say what was predicted."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_checkpoint import radiograph
from small_dicom import PATIENT, write_dicom

import ham
from ham.inference.dicom_out import NOTE, DicomFinding, ModelName, code_of, write_objects
from ham.inference.run import PredictOptions, predict_images

pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
pytest.importorskip("highdicom", reason="the extra dicom is not installed")
MODEL = ModelName("a network", "ab" * 32)
STORED = np.asarray(radiograph(0), np.uint16)


def written_objects(folder: Path) -> tuple[Path, list[Path]]:
    """A source, and objects of two findings in it: a square each, of 100 and 4 pixels; a third has none."""
    source = write_dicom(folder / "source.dcm", STORED)
    regions = {name: np.zeros(STORED.shape, bool) for name in ("Mass", "Hernia", "Edema")}
    regions["Mass"][10:20, 30:40] = regions["Hernia"][0:2, 0:2] = True
    found = [DicomFinding(name, 0.7, region) for name, region in regions.items()]
    overlay = Image.fromarray(STORED.astype(np.uint8)).convert("RGB")
    return source, write_objects(source, found, overlay, MODEL, folder / "out")


def test_a_segment_a_finding_with_its_pixels(tmp_path: Path) -> None:
    """Read back by pydicom; codes, algorithm, references; nothing private."""
    source, paths = written_objects(tmp_path)
    assert [path.name for path in paths] == ["out-overlay.dcm", "out-segmentation.dcm"]
    overlay, made = (pydicom.dcmread(path) for path in paths)
    original = pydicom.dcmread(source)
    assert [segment.SegmentLabel for segment in made.SegmentSequence] == ["Mass", "Hernia"]
    assert {segment.SegmentDescription for segment in made.SegmentSequence} == {"probability 0.700"}
    kinds = [segment.SegmentedPropertyTypeCodeSequence[0] for segment in made.SegmentSequence]
    assert [(kind.CodeValue, kind.CodingSchemeDesignator) for kind in kinds] == [
        ("4147007", "SCT"),
        ("HERNIA", "99HAM"),
    ]
    algorithm = made.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("ham", f"{ham.__version__} {'ab' * 8}")
    frames = made.pixel_array
    assert frames.shape == (2, *STORED.shape)
    assert frames[0].sum() == 100
    assert frames[0, 10:20, 30:40].all()
    assert frames[1].sum() == 4
    for new in (overlay, made):
        assert (new.StudyInstanceUID, new.PatientID) == (original.StudyInstanceUID, original.PatientID)
        assert new.SeriesInstanceUID != original.SeriesInstanceUID
        assert new.SeriesDescription == NOTE
        assert not [element for element in new.iterall() if element.tag.is_private]
    assert overlay.BurnedInAnnotation == "YES"
    assert overlay.Modality == "OT"


def test_the_same_again_has_the_same_identifiers(tmp_path: Path) -> None:
    """And another model's objects others."""
    _, first = written_objects(tmp_path)
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in first]
    _, again = written_objects(tmp_path)
    assert [pydicom.dcmread(path).SOPInstanceUID for path in again] == uids
    other = write_objects(
        tmp_path / "source.dcm", [], Image.new("RGB", (9, 9)), MODEL._replace(digest="cd" * 32), tmp_path / "other"
    )
    assert [path.name for path in other] == ["other-overlay.dcm"]
    assert pydicom.dcmread(other[0]).SOPInstanceUID not in uids


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    """David Clunie's validator, of both objects."""
    for path in written_objects(tmp_path)[1]:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        errors = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        assert errors == [], path.name


def test_codes_fit_their_value_representation() -> None:
    """Sixteen letters at most."""
    for name in ("Pleural_Thickening", "Enlarged Cardiomediastinum", "Mass"):
        assert len(code_of(name).value) <= 16


def test_predict_writes_them_for_dicom_alone(checkpoint: Path, tmp_path: Path) -> None:
    """Beside a PNG; no name of a patient stands in any file but the DICOM ones."""
    folder = tmp_path / "scans"
    folder.mkdir()
    write_dicom(folder / "a.dcm", STORED)
    radiograph(1).save(folder / "b.png")
    predict_images([folder], ham.load(checkpoint), tmp_path / "out", PredictOptions(workers=0, dicom_out=True))
    made = sorted((tmp_path / "out/dicom").iterdir())
    assert [path.name.rsplit("-", 1)[1] for path in made] == ["overlay.dcm", "segmentation.dcm"]
    assert pydicom.dcmread(made[1]).pixel_array.any()
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            assert PATIENT.encode() not in path.read_bytes()


def test_a_study_that_cannot_take_objects_is_listed_and_the_rest_done(checkpoint: Path, tmp_path: Path) -> None:
    """Here one without an identifier of its study."""
    folder = tmp_path / "scans"
    folder.mkdir()
    write_dicom(folder / "a.dcm", STORED, StudyInstanceUID=None)
    write_dicom(folder / "b.dcm", STORED)
    model, options = ham.load(checkpoint), PredictOptions(dicom_out=True)
    outcome = predict_images([folder], model, tmp_path / "out", options)
    assert outcome.predicted == 1
    ((name, reason),) = outcome.unreadable
    assert name.endswith("a.dcm")
    assert "has no StudyInstanceUID" in reason


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """Address of an Orthanc of this test alone."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("Orthanc (Debian: orthanc) is not installed")
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, dicom = free.getsockname()[1], other.getsockname()[1]
    place = tmp_path / "orthanc"
    place.mkdir()
    settings = {
        "StorageDirectory": str(place),
        "IndexDirectory": str(place),
        "HttpPort": port,
        "DicomPort": dicom,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (place / "orthanc.json").write_text(json.dumps(settings))
    with open(place / "log", "w") as log, subprocess.Popen([program, place / "orthanc.json"], stderr=log) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(100):
                try:
                    ask(f"{address}/system")
                    break
                except OSError:
                    time.sleep(0.2)
            yield address
        finally:
            server.terminate()


def ask(address: str, body: bytes | None = None) -> bytes:
    """What a server on this machine answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(address, data=body), timeout=20) as answer:
        return bytes(answer.read())


def test_an_archive_takes_finds_and_gives_them_back(archive: str, tmp_path: Path) -> None:
    """Stored, found below the source's study, and fetched byte for byte."""
    source, paths = written_objects(tmp_path)
    for path in (source, *paths):
        ask(f"{archive}/instances", path.read_bytes())
    study = pydicom.dcmread(source).StudyInstanceUID
    query = {"Level": "Instance", "Query": {"StudyInstanceUID": study, "Modality": "SEG"}}
    found = json.loads(ask(f"{archive}/tools/find", json.dumps(query).encode()))
    assert len(found) == 1
    assert ask(f"{archive}/instances/{found[0]}/file") == paths[1].read_bytes()
    query = {"Level": "Series", "Query": {"StudyInstanceUID": study}}
    assert len(json.loads(ask(f"{archive}/tools/find", json.dumps(query).encode()))) == 3
