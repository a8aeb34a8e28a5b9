"""How many of the listed test images were there, from the rows of kind ``images`` of a tidy table."""

from __future__ import annotations

import pandas as pd

from ham.reporting.results import natural

KINDS = (("present", "listed"), ("boxes_present", "boxes_listed"))


def images_line(table: pd.DataFrame, short: bool = False) -> str:
    """``Test images present: 481 of 880 (fold1 98 of 186, …).``; ``short`` leaves the splits out."""
    count = _count(table[(table["kind"] == "images") & (table["scope"] == "images")])
    if not count:
        return "Test images present: not recorded."
    splits = natural(dict.fromkeys(split for split, _, _ in count))
    pairs, boxed = ([[count.get((split, "", name), 0) for name in kind] for split in splits] for kind in KINDS)
    present, listed, boxes_present, boxes_listed = (sum(p[i] for p in kind) for kind in (pairs, boxed) for i in (0, 1))
    line = f"Test images present: {present:,} of {listed:,}"
    if boxes_listed:
        line += f"; with boxes: {boxes_present:,} of {boxes_listed:,}"
    if short:
        return f"{line}."
    parts = ", ".join(f"{split} {have:,} of {want:,}" for split, (have, want) in zip(splits, pairs, strict=True))
    whole = (present, boxes_present) == (listed, boxes_listed)
    missing = "" if whole else " Incomplete: numbers are of the images present."
    return line + (f" ({parts})." if len(splits) > 1 else ".") + missing


def tested_images(table: pd.DataFrame) -> tuple[int, int]:
    """Test images present of the only split (0 where there are several), and those with boxes of all splits."""
    count = _count(table[(table["kind"] == "images") & (table["scope"] == "images")])
    splits = dict.fromkeys(split for split, _, _ in count)
    present, boxed = (sum(count.get((split, "", name), 0) for split in splits) for name in ("present", "boxes_present"))
    return present if len(splits) == 1 else 0, boxed


def count_by_finding(table: pd.DataFrame) -> dict[str, list[tuple[int, int]]]:
    """Present and listed images with each finding, and with boxes of it, of all splits together."""
    count = _count(table[(table["kind"] == "images") & (table["scope"] == "finding")])
    splits = dict.fromkeys(split for split, _, _ in count)
    return {
        finding: [
            (
                sum(count.get((split, finding, present), 0) for split in splits),
                sum(count.get((split, finding, listed), 0) for split in splits),
            )
            for present, listed in KINDS
        ]
        for finding in dict.fromkeys(finding for _, finding, _ in count)
    }


def _count(rows: pd.DataFrame) -> dict[tuple[str, str, str], int]:
    """By split, finding and metric; each split once: its images are the same whichever variant has it."""
    columns = (rows[name] for name in ("split", "finding", "metric", "value"))
    return {(s, f, metric): int(value) for s, f, metric, value in zip(*columns, strict=True) if s != "pooled"}
