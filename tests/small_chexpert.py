"""A small folder in CheXpert's layout: eight images of six patients in seven sizes, and boxes by their corners."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings, FoldSettings
from ham.datasets.sources.conversion import ConversionRequest, convert

COLUMNS = ["No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Edema", "Atelectasis", "Pleural Effusion"]
FINDINGS = ("Enlarged_Cardiomediastinum", "Cardiomegaly", "Edema", "Atelectasis", "Pleural_Effusion")
HEADER = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *COLUMNS]
FIRST = "train/patient00001/study1/view1_frontal.jpg"
LATERAL = "train/patient00001/study1/view2_lateral.jpg"
SECOND = "train/patient00002/study1/view1_frontal.jpg"
THIRD = "train/patient00003/study1/view1_frontal.jpg"
LATER = "train/patient00003/study2/view1_frontal.jpg"
PLAIN = ["train/patient00004/study1/view1_frontal.jpg", "train/patient00005/study1/view1_frontal.jpg"]
VALID = "valid/patient64541/study1/view1_frontal.jpg"
LABELS = {  # as COLUMNS
    FIRST: ["", "", "1.0", "-1.0", "", "1.0"],
    LATERAL: ["", "", "1.0", "-1.0", "", "1.0"],
    SECOND: ["1.0", "", "0.0", "", "", ""],
    THIRD: ["", "-1.0", "-1.0", "1.0", "-1.0", "-1.0"],
    LATER: ["", "1.0", "", "0.0", "0.0", ""],
    PLAIN[0]: ["1.0", "", "", "", "", ""],
    PLAIN[1]: ["", "", "1.0", "", "0.0", ""],
    VALID: ["0.0", "1.0", "0.0", "0.0", "1.0", "0.0"],
}
SIZES = {
    FIRST: (60, 48),
    LATERAL: (48, 60),
    SECOND: (40, 40),
    THIRD: (64, 50),
    LATER: (50, 64),
    PLAIN[0]: (44, 40),
    PLAIN[1]: (44, 40),
    VALID: (72, 56),
}
BOXES: dict[str, dict[str, list[list[float]]]] = {
    FIRST: {"Cardiomegaly": [[20, 10, 50, 40]], "Pleural_Effusion": [[0, 30, 10, 48], [50, 30, 60, 48]]},
    LATERAL: {"Cardiomegaly": [[5, 20, 30, 50]]},
    SECOND: {},
    THIRD: {"edema": [[8, 8, 24, 40], [40, 8, 60, 40]]},
    VALID: {"Enlarg_Cardiomediastinum": [[10, 5, 60, 50]], "Atelectasis": [[3, 4, 5, 6]]},
}


def jpeg(width: int, height: int, value: int = 90) -> bytes:
    """A grey JPEG image of one shade."""
    data = io.BytesIO()
    Image.new("L", (width, height), value).save(data, "JPEG")
    return data.getvalue()


@dataclass
class Brought:
    """What a user has; tests change it before they convert."""

    root: Path
    labels: dict[str, list[str]] = field(default_factory=lambda: {image: [*row] for image, row in LABELS.items()})
    images: dict[str, bytes] = field(default_factory=lambda: {image: jpeg(*size) for image, size in SIZES.items()})
    boxes: Any = field(default_factory=lambda: json.loads(json.dumps(BOXES)))
    keys: dict[str, Any] = field(default_factory=dict)
    prefix: str = "CheXpert-v1.0/"

    @property
    def folder(self) -> Path:
        """The user's folder."""
        return self.root / "mine"

    @property
    def dataset(self) -> Path:
        """Where the data set is built."""
        return self.root / "datasets/Small"

    def write(self) -> None:
        """Write tables, images and boxes."""
        for part in ("train", "valid"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
            with open(self.folder / f"{part}.csv", "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(HEADER)
                for image, row in self.labels.items():
                    if image.startswith(part):
                        view = "Lateral" if image.endswith("lateral.jpg") else "Frontal"
                        taken = "PA" if image == FIRST else ""
                        writer.writerow([self.prefix + image, "Female", 68, view, taken, *row])
        for image, content in self.images.items():
            (self.folder / image).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / image).write_bytes(content)
        (self.dataset / ".sources").mkdir(parents=True, exist_ok=True)
        (self.dataset / ".sources/BBoxes.json").write_text(
            self.boxes if isinstance(self.boxes, str) else json.dumps(self.boxes)
        )

    def convert(self, **data: Any) -> Dataset:
        """Convert what stands in the folder and open it."""
        settings = DataSettings(
            folds=FoldSettings(count=2, validation=0.3), **{"folder": str(self.folder), "uncertain": "zeros", **data}
        )
        description = Description.of(
            {
                "name": "Small",
                "source": "chexpert",
                "findings": FINDINGS,
                "boxed_findings": FINDINGS,
                "licence": "none",
                "attribution": "nobody",
                "tables": ["BBoxes.json"],
                **self.keys,
            }
        )
        convert(ConversionRequest(self.dataset, "small", description, settings, self.dataset / ".sources"))
        return Dataset.open(self.dataset)

    def build(self, **data: Any) -> Dataset:
        """Write and convert."""
        self.write()
        return self.convert(**data)
