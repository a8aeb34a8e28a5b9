"""How much of each list a partial data set has, finding by finding."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd


class ListCount(NamedTuple):
    """A row of present.csv: images of a list, those with boxes, and how many of both are there; blank finding: all."""

    list: str
    finding: str
    listed: int
    present: int
    boxes_listed: int
    boxes_present: int


class ListCounts:
    """Counts images, and images with boxes, that lists name and that are there.

    ``table`` is images.csv, ``boxed`` has the boxes of an image by finding, ``missing`` are images without a file.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        findings: Sequence[str],
        boxed: Mapping[str, Mapping[str, Sequence[object]]],
        missing: Collection[str],
    ) -> None:
        self.row_of = {image: row for row, image in enumerate(table.index)}
        self.findings = ["", *findings]
        there = ~table.index.isin(list(missing))
        has = np.zeros((len(table), len(self.findings)), dtype=bool)
        has[:, 0] = True
        has[:, 1:] = table[list(findings)].to_numpy() == 1
        boxes = np.zeros_like(has)
        for image, named in boxed.items():
            for finding, found in named.items():
                if found:
                    boxes[self.row_of[image], [0, self.findings.index(finding)]] = True
        # [N, 1 + C, 4]: listed, present, boxes listed, boxes present
        self.counted = np.stack([has, has & there[:, None], boxes, boxes & there[:, None]], axis=2).astype(np.int32)

    def rows(self, name: str, images: Sequence[str]) -> list[ListCount]:
        """A row for all images of the list ``name`` (finding blank), then one a finding."""
        total = self.counted[[self.row_of[image] for image in images]].sum(axis=0, dtype=np.int64)
        return [
            ListCount(name, finding, *map(int, counts)) for finding, counts in zip(self.findings, total, strict=True)
        ]
