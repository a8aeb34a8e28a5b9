"""A DICOM radiograph to the grey image that a radiologist sees (PS3.3 C.7.6.3, C.11.1 and C.11.2; PS3.4 N.2).

Stored values -> modality rescale -> VOI window or table -> 0 to 255, black to white. Nothing of the header but what
that needs is looked at, and no value of it is ever told: it names patients.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ham.errors import DataError, EnvironmentProblem, HamError

if TYPE_CHECKING:
    from pydicom import Dataset

PREAMBLE = 128  # bytes before the letters DICM
LARGEST = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)  # pixels, as Pillow refuses them
RADIOGRAPHS = frozenset(
    {"", "CR", "DX", "RG", "SC", "OT", "XA", "RF", "IO"}
)  # modalities; the others are no radiographs
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM."""
    with open(path, "rb") as file:
        return file.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"


def read_dicom(path: Path) -> Image.Image:
    """A radiograph as one channel of 8 bits, bones light, of its own size.

    The first window of a file counts where it has several; one without window or table is shown from its least to its
    greatest value, padding left out. DataError names what is wrong; EnvironmentProblem where pydicom, or what
    decompresses the file, is not installed.
    """
    pydicom = import_pydicom()
    try:
        header = pydicom.dcmread(path)
        _refuse(header, path)
        _require_decoder(header, path)
        return Image.fromarray(_shown(header))
    except HamError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged file leads to, with values of the header in its text
        raise _unusable(path, f"{type(error).__name__} while it was read") from None


def import_pydicom():  # type: ignore[no-untyped-def]
    """pydicom; EnvironmentProblem where it is not installed."""
    try:
        import pydicom
    except ImportError:
        raise EnvironmentProblem("DICOM needs pydicom, which is not installed: pip install 'ham[dicom]'.") from None
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings quote the header
    return pydicom


def _refuse(header: Dataset, path: Path) -> None:
    """DataError for what is no single radiograph, before any pixel is decoded."""
    if "PixelData" not in header:
        raise _unusable(path, "it holds no pixels")
    modality = str(header.get("Modality", "") or "")
    if modality not in RADIOGRAPHS:
        kind = modality if modality.isalnum() and len(modality) <= 16 else "unknown"
        raise _unusable(path, f"its modality is {kind}, no radiograph")
    if int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise _unusable(path, "it has several frames, and nothing says which one to look at")
    interpretation = str(header.get("PhotometricInterpretation", ""))
    if interpretation not in (*GREY, *COLOUR):
        raise _unusable(path, "its pixels are neither grey nor colour as they stand (PhotometricInterpretation)")
    rows, columns = int(header.get("Rows", 0) or 0), int(header.get("Columns", 0) or 0)
    if not 0 < rows * columns <= LARGEST:
        raise _unusable(path, f"{columns} x {rows} pixels are no size of a radiograph")


def _require_decoder(header: Dataset, path: Path) -> None:
    """EnvironmentProblem where nothing that is installed decompresses the file."""
    from pydicom.pixels import get_decoder

    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax.is_deflated:
        return
    try:
        there = get_decoder(syntax).is_available
    except NotImplementedError:
        there = False
    if not there:
        raise EnvironmentProblem(
            f"{path}: nothing that is installed decompresses {syntax.name}; pip install 'ham[dicom]' brings what there "
            "is."
        )


def _shown(header: Dataset) -> np.ndarray:
    """uint8 [h, w]."""
    from pydicom.pixels import apply_modality_lut, apply_voi

    stored = header.pixel_array
    if stored.ndim == 3:  # pydicom gives RGB
        if stored.dtype != np.uint8:
            raise ValueError("colour of more than 8 bits")
        return np.asarray(Image.fromarray(np.asarray(stored, np.uint8)).convert("L"))
    there = _not_padding(stored, header)
    values = np.asarray(apply_modality_lut(stored, header))
    if header.get("VOILUTSequence"):
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        grey = np.asarray(apply_voi(values, header), np.float64) / (2**bits - 1)
    elif header.get("WindowWidth") not in (None, "") and header.get("WindowCenter") not in (None, ""):
        centre, width = (float(np.atleast_1d(header[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
        grey = _windowed(values.astype(np.float64), centre, width, str(header.get("VOILUTFunction", "LINEAR")))
    else:
        low, high = (float(of(values[there])) for of in (np.min, np.max)) if there.any() else (0.0, 0.0)
        grey = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    if header.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    grey = np.where(there, grey, 0)  # outside the exposed field is black, whichever way round
    return np.asarray((grey.clip(0, 1) * 255).round(), np.uint8)


def _windowed(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to 0 to 1."""
    width = max(width, 1e-9)
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(-4 * ((values - centre) / width).clip(-9, 9))))
    if function == "LINEAR_EXACT" or width <= 1:
        return np.asarray((values - centre) / width + 0.5).clip(0, 1)
    return np.asarray((values - (centre - 0.5)) / (width - 1) + 0.5).clip(0, 1)


def _not_padding(stored: np.ndarray, header: Dataset) -> np.ndarray:
    """Where an image was exposed, bool [h, w]: not of PixelPaddingValue, nor from there to PixelPaddingRangeLimit."""
    first = header.get("PixelPaddingValue")
    if first is None:
        return np.ones(stored.shape, dtype=bool)
    last = header.get("PixelPaddingRangeLimit", first)
    # as stored: a padding of 63536 beside signed pixels is -2000
    low, high = sorted(int(value) for value in np.array([int(first), int(last)]).astype(stored.dtype))
    return (stored < low) | (stored > high)


def _unusable(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: cannot be used as a DICOM radiograph: {reason}.")
