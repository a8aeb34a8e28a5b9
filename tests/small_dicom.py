"""DICOM radiographs of numbers that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

PATIENT = "Secret^Name"


def write_dicom(path: Path, stored: np.ndarray, compressed: str | None = None, **elements: Any) -> Path:
    """Write ``stored`` [h, w] (or [h, w, 3]) as a DX image; ``elements`` over its header, None: without it."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    header.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    header.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    header.Modality, header.PatientName, header.PatientID = "DX", PATIENT, "ID-of-a-patient"
    header.PatientBirthDate, header.PatientSex = "19500101", "F"
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20200101", "120000", "1", ""
    header.ReferringPhysicianName, header.SeriesNumber, header.InstanceNumber = "", 1, 1
    header.Manufacturer = "Drawn"
    header.Rows, header.Columns = stored.shape[:2]
    bits = stored.dtype.itemsize * 8
    header.BitsAllocated, header.BitsStored, header.HighBit = bits, bits, bits - 1
    header.PixelRepresentation = int(stored.dtype.kind == "i")
    colour = stored.ndim == 3
    header.SamplesPerPixel = 3 if colour else 1
    if colour:
        header.PlanarConfiguration = 0
    header.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    header.PixelData = stored.tobytes()
    for name, value in elements.items():
        if value is None:
            delattr(header, name)
        else:
            setattr(header, name, value)
    if compressed:
        header.compress(getattr(pydicom.uid, compressed))
    header.save_as(path, enforce_file_format=True)
    return path
