"""A small data set of one's own: six images of four patients in different sizes, two findings, boxes of one."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from ham.datasets.acquire.check import check_images
from ham.datasets.acquire.link_images import link_images
from ham.datasets.dataset import Dataset
from ham.datasets.description import Description
from ham.datasets.settings import DataSettings, FoldSettings
from ham.datasets.sources.conversion import ConversionRequest, convert

A1, A2, B1, C1, D1, D2 = "a/p1-1.png", "a/p1-2.jpg", "b/p2-1.png", "b/1.png", "c/1.png", "c/d/2.jpeg"
SIZES = {A1: (60, 40), A2: (40, 60), B1: (64, 64), C1: (30, 90), D1: (48, 32), D2: (50, 50)}
LABELS = f"""image,patient,findings,split
{A1},p1,Mass|Edema,train
{A2},p1,,train
{B1},p2,Mass,validation
{C1},p3,No Finding,test
{D1},NA,Edema,test
{D2},NA, Mass ,
"""
BOXES = f"""image,finding,x,y,w,h
{A1},Mass,10.1,5,20.2,30
{A1},Mass,0,0,5,5
{B1},Mass,1,2,3,4
{D2},Mass,40,40,10.5,10
"""


def encoded(size: tuple[int, int], form: str, mode: str = "L") -> bytes:
    """An image of one shade."""
    data = io.BytesIO()
    Image.new(mode, size, 90 if mode == "L" else (90, 20, 200)).save(data, form)
    return data.getvalue()


@dataclass
class Own:
    """What a user has; tests change it before they convert."""

    root: Path
    labels: str = LABELS
    boxes: str = BOXES
    images: dict[str, bytes] = field(
        default_factory=lambda: {
            image: encoded(size, "PNG" if image.endswith("png") else "JPEG") for image, size in SIZES.items()
        }
    )
    keys: dict[str, Any] = field(
        default_factory=lambda: {
            "name": "Own",
            "source": "table",
            "images": "pictures",
            "labels": {"file": "labels.csv", "findings": "findings", "split": "split"},
            "boxes": {"file": "boxes.csv", "xywh": ["x", "y", "w", "h"]},
            "findings": ["Mass", "Edema"],
            "boxed_findings": ["Mass"],
            "licence": "none",
            "attribution": "nobody",
        }
    )

    @property
    def folder(self) -> Path:
        """The user's folder."""
        return self.root / "mine"

    @property
    def dataset(self) -> Path:
        """Where the data set is built."""
        return self.root / "datasets/Own"

    def write(self) -> Description:
        """Write everything; the description, read."""
        for name, content in self.images.items():
            (self.folder / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "pictures" / name).write_bytes(content)
        (self.folder / "labels.csv").write_text(self.labels)
        boxes = (self.keys.get("boxes") or {}).get("file")
        if boxes:
            (self.folder / boxes).write_text(self.boxes)
        (self.folder / "own.yaml").write_text(yaml.safe_dump(self.keys))
        return Description.read(self.folder / "own.yaml")

    def build(self, partial: bool = False) -> Dataset:
        """Write, link, check, convert and open."""
        description = self.write()
        record, checks = self.dataset / ".unpacked/linked.csv", self.dataset / ".checked/linked.csv"
        link_images(Path(str(description.images)), self.dataset / "images", record, by_path=True)
        check_images(self.dataset / "images", record, checks)
        data = DataSettings(partial=partial, folds=FoldSettings(count=2, validation=0.3))
        fetched = self.dataset / ".sources"
        convert(ConversionRequest(self.dataset, "own", description, data, fetched, (checks,)))
        return Dataset.open(self.dataset)
