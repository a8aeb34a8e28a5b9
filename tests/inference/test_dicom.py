"""DICOM radiographs, against grey values worked out by hand from PS3.3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_dicom import PATIENT, write_dicom

from ham.errors import DataError, EnvironmentProblem, HamError
from ham.inference.reader import is_candidate, read_radiograph

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

VALUES = np.array([[0, 1000, 2000, 3000, 4000]], np.uint16)


def grey(path: Path) -> list[int]:
    return np.asarray(read_radiograph(path))[0].tolist()


@pytest.mark.parametrize(
    ("elements", "wanted"),
    [
        ({}, [0, 64, 128, 191, 255]),  # from least to greatest
        ({"PhotometricInterpretation": "MONOCHROME1"}, [255, 191, 128, 64, 0]),
        # (x - 1999.5) / 2000 + .5, so 1000 is at .00025 and 3000 at 1.00025
        ({"WindowCenter": 2000, "WindowWidth": 2001}, [0, 0, 128, 255, 255]),
        ({"WindowCenter": [2000, 9], "WindowWidth": [2001, 9]}, [0, 0, 128, 255, 255]),  # the first of two
        ({"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"}, [0, 64, 128, 191, 255]),
        # 1 / (1 + exp(-4 (x - 2000) / 4000)): .1192 .2689 .5 .7311 .8808
        ({"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "SIGMOID"}, [30, 69, 128, 186, 225]),
        # the window is of rescaled values: x / 2 - 500 is -500, 0, 500, 1000, 1500
        (
            {"RescaleSlope": 0.5, "RescaleIntercept": -500, "WindowCenter": 500.5, "WindowWidth": 1001},
            [0, 0, 128, 255, 255],
        ),
        ({"PixelPaddingValue": 4000}, [0, 85, 170, 255, 0]),  # left out of the range, and black
        ({"PixelPaddingValue": 0, "PhotometricInterpretation": "MONOCHROME1"}, [0, 255, 170, 85, 0]),
        ({"WindowCenter": 2000, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, [0, 0, 128, 255, 255]),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 1000}, [0, 0, 0, 128, 255]),
    ],
)
def test_what_a_radiologist_sees(tmp_path: Path, elements: dict[str, object], wanted: list[int]) -> None:
    assert grey(write_dicom(tmp_path / "x.dcm", VALUES, **elements)) == wanted


def test_bits_signs_tables_and_colour(tmp_path: Path) -> None:
    """8 bit, signed 16 bit, a VOI table, and colour by Pillow's luminance."""
    assert grey(write_dicom(tmp_path / "8.dcm", np.array([[10, 20, 30, 30]], np.uint8))) == [0, 128, 255, 255]
    assert grey(write_dicom(tmp_path / "s.dcm", np.array([[-1000, 0, 1000]], np.int16))) == [0, 128, 255]
    padded = np.array([[-2000, 0, 1000]], np.int16)
    assert grey(write_dicom(tmp_path / "p.dcm", padded, PixelPaddingValue=-2000)) == [0, 0, 255]
    table = Dataset()
    table.LUTDescriptor = [3, 0, 8]
    table.add_new(0x00283006, "US", [5, 100, 250])
    stored = np.array([[0, 1, 2, 7]], np.uint16)
    assert grey(write_dicom(tmp_path / "t.dcm", stored, VOILUTSequence=[table])) == [5, 100, 250, 250]
    colour = np.zeros((1, 2, 3), np.uint8)
    colour[0, 0] = 200
    assert grey(write_dicom(tmp_path / "c.dcm", colour)) == [200, 0]


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEG2000Lossless", "JPEGLSLossless"])
def test_compressed_files_are_the_same(tmp_path: Path, syntax: str) -> None:
    stored = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)
    plain = read_radiograph(write_dicom(tmp_path / "plain.dcm", stored))
    try:
        packed = write_dicom(tmp_path / "packed.dcm", stored, syntax)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"nothing here writes {syntax}: {error}")
    assert np.array_equal(np.asarray(read_radiograph(packed)), np.asarray(plain))


def test_baseline_jpeg(tmp_path: Path) -> None:
    """As old film scanners write it: 8 bit, lossy."""
    import io

    stored = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(stored).save(packed, "JPEG", quality=95)
    path = write_dicom(tmp_path / "x.dcm", stored)
    import pydicom

    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    header.PixelData = encapsulate([packed.getvalue()])
    header["PixelData"].VR = "OB"
    header.save_as(path)
    assert np.abs(np.asarray(read_radiograph(path), float) - stored).max() < 8


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"Modality": "CT"}, "its modality is CT, no radiograph"),
        ({"NumberOfFrames": 3}, "several frames"),
        ({"PixelData": None}, "it holds no pixels"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "neither grey nor colour"),
        ({"Rows": 65535, "Columns": 65535}, "no size of a radiograph"),
        ({"PixelData": b"\0\0"}, "cannot be used as a DICOM radiograph"),
    ],
)
def test_what_is_no_radiograph_is_a_sentence_without_a_name(
    tmp_path: Path, elements: dict[str, object], said: str
) -> None:
    """Nothing of the header is told but the kind of file that it is."""
    path = write_dicom(tmp_path / "x.dcm", VALUES, **elements)
    with pytest.raises(DataError, match=said) as caught:
        read_radiograph(path)
    assert PATIENT not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_pixels_are_no_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a package that is missing is named as such, before anything is decoded."""
    path = write_dicom(tmp_path / "x.dcm", np.zeros((64, 64), np.uint16), "RLELossless")
    whole = path.read_bytes()
    path.write_bytes(whole[:-90] + b"\xff" * 82 + whole[-8:])
    with pytest.raises(DataError, match="cannot be used as a DICOM radiograph"):
        read_radiograph(path)
    path.write_bytes(whole)
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    with pytest.raises(EnvironmentProblem, match="nothing that is installed decompresses RLE"):
        read_radiograph(path)


def test_truncated_files_end_in_a_sentence(tmp_path: Path) -> None:
    """At whatever byte."""
    whole = write_dicom(tmp_path / "whole.dcm", np.zeros((8, 8), np.uint16)).read_bytes()
    for length in range(0, len(whole) - 1, 37):
        (tmp_path / "cut.dcm").write_bytes(whole[:length])
        with pytest.raises(HamError):
            read_radiograph(tmp_path / "cut.dcm")


def test_files_without_an_ending_are_found_by_their_bytes(tmp_path: Path) -> None:
    """As archives export them."""
    write_dicom(tmp_path / "x.dcm", VALUES).rename(tmp_path / "IM0001")
    (tmp_path / "README").write_text("text")
    assert is_candidate(tmp_path / "IM0001")
    assert not is_candidate(tmp_path / "README")
    assert grey(tmp_path / "IM0001") == [0, 64, 128, 191, 255]
