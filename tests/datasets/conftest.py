"""Fixtures of the data stage's tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_nih import BOXES, GRID, LISTS, NAMES, Mirror, box_list, entries, png


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """The distribution, not written yet."""
    tables = ["Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"]
    lists = [f"published/ImageSets/{name}.txt" for name in LISTS]
    keys = {
        "name": "Small",
        "source": "nih",
        "box_grid": GRID,
        "findings": ["Infiltration", "Mass", "Edema"],
        "boxed_findings": ["Infiltration", "Mass"],
        "licence": "none",
        "attribution": "nobody",
        "archives": ["images_001.tar.gz", "images_002.tar.gz"],
        "tables": tables,
        "lists": ["published/Annotations/BBoxes.json", *lists],
    }
    made = Mirror(tmp_path, keys=keys)
    made.text(tables[0], entries())
    made.text(tables[1], box_list())
    made.text(tables[2], "\n".join(LISTS["Main/train_val_list"]))
    made.text(tables[3], "\n".join(LISTS["Main/test_list"]))
    for name, listed in LISTS.items():
        made.text(f"published/ImageSets/{name}.txt", "\n".join(listed))
    boxes: dict[str, dict[str, list[list[float]]]] = {}
    for image, finding, numbers in BOXES:
        named = finding.replace("Infiltrate", "Infiltration")
        boxes.setdefault(image, {})[named] = [[float(number) for number in numbers.split(",")]]
    made.text("published/Annotations/BBoxes.json", json.dumps(boxes))
    made.archives["images_001.tar.gz"] = {name: png(i) for i, name in enumerate(NAMES[:5])}
    made.archives["images_002.tar.gz"] = {name: png(9 + i) for i, name in enumerate(NAMES[5:])}
    return made
