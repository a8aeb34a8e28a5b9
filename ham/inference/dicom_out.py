"""What was predicted in a DICOM radiograph as DICOM objects of the same study: a Segmentation and a Secondary Capture.

The references to patient and study are the source's own, as an archive needs them; nothing else of its header is
copied. A second run writes the same identifiers, so that an archive does not hold an object twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from ham import __version__
from ham.errors import DataError, EnvironmentProblem
from ham.inference.dicom import import_pydicom
from ham.runtime.files import written

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.sr.coding import Code

# SNOMED CT; findings that are not here get a code of this program's own
SNOMED = {
    "Atelectasis": ("46621007", "Atelectasis"),
    "Cardiomegaly": ("8186001", "Cardiomegaly"),
    "Consolidation": ("95436008", "Lung consolidation"),
    "Edema": ("19242006", "Pulmonary edema"),
    "Effusion": ("60046008", "Pleural effusion"),
    "Pleural Effusion": ("60046008", "Pleural effusion"),
    "Emphysema": ("87433001", "Pulmonary emphysema"),
    "Fibrosis": ("51615001", "Pulmonary fibrosis"),
    "Infiltration": ("409609008", "Radiologic infiltrate of lung"),
    "Mass": ("4147007", "Mass"),
    "Nodule": ("27925004", "Nodule"),
    "Pneumonia": ("233604007", "Pneumonia"),
    "Pneumothorax": ("36118008", "Pneumothorax"),
}
CATEGORY = ("49755003", "Morphologically abnormal structure")
MAKER = "ham"
NUMBER = 9901  # of the first series, away from those of the machine
NOTE = "RESEARCH USE, NOT FOR DIAGNOSIS"


class DicomFinding(NamedTuple):
    """A finding and its region, bool [h, w] in pixels of the source."""

    name: str
    probability: float
    region: np.ndarray


class ModelName(NamedTuple):
    """What predicted: its description, in one line, and the digest of its files."""

    description: str
    digest: str


def write_objects(
    source: Path, findings: Sequence[DicomFinding], overlay: Image.Image, model: ModelName, stem: Path
) -> list[Path]:
    """Write ``<stem>-overlay.dcm``, the picture ``overlay`` as Secondary Capture, and, where a finding has pixels,
    ``<stem>-segmentation.dcm`` with a segment a finding; returns what was written.

    DataError where the source lacks what an object of its study needs; EnvironmentProblem without highdicom.
    """
    pydicom = import_pydicom()
    try:
        import highdicom
    except ImportError:
        raise EnvironmentProblem(
            "writing DICOM needs highdicom, which is not installed: pip install 'ham[dicom]'."
        ) from None
    header = pydicom.dcmread(source, stop_before_pixels=True)
    missing = [name for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID") if not header.get(name)]
    if missing:
        raise DataError(f"{source}: has no {missing[0]}, so nothing can be written into its study.")
    _complete(header)
    seen = [found for found in findings if found.region.any()]
    objects = {"overlay": _overlay(highdicom, header, overlay, model)}
    if seen:
        objects["segmentation"] = _segmentation(highdicom, header, seen, model)
    paths = []
    for kind, made in objects.items():
        paths.append(stem.with_name(f"{stem.name}-{kind}.dcm"))
        with written(paths[-1]) as temporary:
            made.save_as(temporary, enforce_file_format=True)
    return paths


def _complete(header: Dataset) -> None:
    """Elements that must be in the new objects, if only empty, and that a source may lack."""
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        if name not in header:
            setattr(header, name, None if name != "PatientName" else "")
    for name in ("AccessionNumber", "ReferringPhysicianName"):
        if name not in header:
            setattr(header, name, "")


def _segmentation(highdicom: Any, header: Dataset, found: Sequence[DicomFinding], model: ModelName) -> Dataset:
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentationTypeValues, SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = AlgorithmIdentificationSequence(
        name=MAKER, family=codes.DCM.ArtificialIntelligence, version=f"{__version__} {model.digest[:16]}"
    )
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=finding.name[:64],
            segmented_property_category=Code(CATEGORY[0], "SCT", CATEGORY[1]),
            segmented_property_type=code_of(finding.name),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, finding in enumerate(found, 1)
    ]
    made = highdicom.seg.Segmentation(
        source_images=[header],
        pixel_array=np.stack([finding.region for finding in found], axis=-1)[None].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_description=NOTE,
        content_label="HAM",
        content_description=NOTE,
        omit_empty_frames=False,
        **_identity(header, model, "segmentation", 0),
    )
    for segment, finding in zip(made.SegmentSequence, found, strict=True):
        segment.SegmentDescription = f"probability {finding.probability:.3f}"
    made.PatientOrientation = header.get("PatientOrientation")  # empty where the source does not say
    return made


def _overlay(highdicom: Any, header: Dataset, overlay: Image.Image, model: ModelName) -> Dataset:
    identity = _identity(header, model, "overlay", 1)
    made = highdicom.sc.SCImage.from_ref_dataset(
        ref_dataset=header,
        pixel_array=np.asarray(overlay.convert("RGB")),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=header.get("PatientOrientation") or ("L", "F"),  # a must here, corrected below
        series_instance_uid=identity["series_instance_uid"],
        series_number=identity["series_number"],
        sop_instance_uid=identity["sop_instance_uid"],
        instance_number=identity["instance_number"],
        manufacturer=MAKER,
        series_description=NOTE,
    )
    made.PatientOrientation = header.get("PatientOrientation")
    made.BodyPartExamined = "CHEST"  # no paired part, so no laterality is wanted
    made.BurnedInAnnotation = "YES"
    made.ImageComments = f"{NOTE}. {model.description}"[:10240]
    return made


def _identity(header: Dataset, model: ModelName, kind: str, place: int) -> dict[str, Any]:
    """Identifiers that depend on the source, the model and the kind of object alone."""
    from pydicom.uid import generate_uid

    seeds = [str(header.SOPInstanceUID), model.digest, kind]
    return {
        "series_instance_uid": generate_uid(entropy_srcs=["series", *seeds]),
        "series_number": NUMBER + place,
        "sop_instance_uid": generate_uid(entropy_srcs=["object", *seeds]),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": __version__,
        "device_serial_number": model.digest[:16],
    }


def code_of(finding: str) -> Code:
    """The coded concept of a finding: SNOMED CT's where one is known, else this program's own, of scheme 99HAM."""
    from pydicom.sr.coding import Code

    if finding in SNOMED:
        value, meaning = SNOMED[finding]
        return Code(value, "SCT", meaning)
    return Code(finding.upper().replace(" ", "_")[:16], "99HAM", finding.replace("_", " ")[:64])
