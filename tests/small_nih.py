"""A small distribution in NIH's form: eight 32 x 32 images of four patients, three findings of which two have boxes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from ham.datasets.acquire.check import check_images
from ham.datasets.acquire.download import fetch
from ham.datasets.acquire.unpack import unpack
from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings, FoldSettings
from ham.datasets.sources.conversion import ConversionRequest, convert

GRID = 32
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
LABELS = {
    "00000001_000.png": "Mass",
    "00000001_001.png": "Infiltration|Mass",
    "00000002_000.png": "No Finding",
    "00000002_001.png": "Infiltration",
    "00000003_000.png": "Edema",
    "00000003_001.png": "No Finding",
    "00000004_000.png": "Edema|Mass",
    "00000004_001.png": "No Finding",
}
NAMES = list(LABELS)
BOXES = [("00000001_000.png", "Mass", "1.5,2.25,10.125,7"), ("00000001_001.png", "Infiltrate", "3,4,20.5,27.9")]
LISTS = {
    "Main/train_val_list": NAMES[4:],
    "Main/test_list": NAMES[:4],
    "Main/fold1/test_0_0.2": NAMES[:1],
    "bbox/empty": [],
}

FOLDS = FoldSettings(count=2, validation=0.25)  # a patient to validate, a patient to train on


def png(value: int = 0, size: int = GRID, mode: str = "L") -> bytes:
    """A PNG image of one shade, ``size`` x ``size``."""
    data = io.BytesIO()
    colour: Any = value if mode in ("L", "I;16") else (value,) * 3 + (255,) * (len(mode) - 3)
    Image.new(mode, (size, size), colour).save(data, "PNG")
    return data.getvalue()


def archive(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A .tar.gz of regular files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=0))
    return path


def entries(labels: dict[str, str] | None = None) -> str:
    """Data_Entry as NIH writes it now."""
    rows = [f"{n},{text},0,{int(n[:8])},57,M,PA,2682,2749,0.143,0.143" for n, text in (labels or LABELS).items()]
    return "\n".join([HEADER, *rows]) + "\n"


def box_list(boxes: Iterable[tuple[str, str, str]] = BOXES) -> str:
    """BBox_List: nine fields in the header, six in the rows."""
    return "\n".join(["Image Index,Finding Label,Bbox [x,y,w,h],,,", *(",".join(row) for row in boxes)]) + "\n"


@dataclass
class Mirror:
    """The distribution's files; tests change them before they build the data set."""

    root: Path
    files: dict[str, bytes] = field(default_factory=dict)
    archives: dict[str, dict[str, bytes]] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The mirror."""
        return self.root / "mirror"

    @property
    def dataset(self) -> Path:
        """Where the data set is built."""
        return self.root / "datasets/Small"

    def text(self, name: str, text: str) -> None:
        """Replace a table or list."""
        self.files[name] = text.encode()

    def write(self) -> Description:
        """Write the mirror with its SHA256SUMS; returns the description that goes with it."""
        for name, content in self.files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)
        for name, images in self.archives.items():
            archive(self.folder / name, ((f"images/{image}", content) for image, content in images.items()))
        sums = [
            f"{hashlib.sha256((self.folder / name).read_bytes()).hexdigest()}  {name}\n"
            for name in (*self.files, *self.archives)
        ]
        (self.folder / "SHA256SUMS").write_text("".join(sums))
        path = self.root / "small.yaml"
        path.write_text(yaml.safe_dump(self.keys))
        return Description.read(path)

    def build(self, partial: bool = False) -> Dataset:
        """Fetch, unpack, check, convert and open."""
        description = self.write()
        sources = self.dataset / ".sources"
        for name in (*description.archive_names, *description.table_names, *description.list_names):
            fetch(description.file(name), sources / name, str(self.folder))
        checks = []
        for name in description.archive_names:
            record = f"{name.partition('.')[0]}.csv"
            checks.append(self.dataset / ".checked" / record)
            unpack(sources / name, self.dataset / "images", self.dataset / ".unpacked" / record)
            check_images(self.dataset / "images", self.dataset / ".unpacked" / record, checks[-1])
        data = DataSettings(partial=partial, folds=FOLDS)
        convert(ConversionRequest(self.dataset, "small", description, data, sources, tuple(checks)))
        return Dataset.open(self.dataset)
