"""How large the boxes are, and what no map of the tested shape can exceed on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ham.reporting.cells import NOTHING, Table, TableRow, number_text
from ham.reporting.numbers import Numbers, Wanted
from ham.scoring.metric_rows import Subject

CEILING = "t_iou_ceiling"
SIZES = {"box_share_median": "median", "box_share_least": "least", "box_share_largest": "largest"}


def ceiling_rows(numbers: Numbers, wanted: Sequence[Wanted], pooled: bool, block: str = "") -> list[TableRow]:
    """A row of bounds beneath T(IoU), of each variant whose maps have other bounds; none where nothing is bounded."""
    rows: list[TableRow] = []
    bounded = [(CEILING, level, subject) if metric == "t_iou" else None for metric, level, subject in wanted]
    for variant in numbers.variants:
        split = numbers.summary(variant, pooled)
        values = [math.nan if number is None else numbers.value(variant, split, number) for number in bounded]
        known = [value for value in values if math.isfinite(value)]
        texts = [number_text(value) if math.isfinite(value) else "" for value in values]
        if known and texts not in [row.cells for row in rows]:
            label = "no map exceeds" if not rows else f"no map of {variant} exceeds"
            rows.append(TableRow(label, texts, "ceiling", [], block))
    return rows


def box_sizes_table(numbers: Numbers, levels: Sequence[float]) -> Table:
    """Share of the image that a finding's boxes cover, and the ceilings of T(IoU) on them."""
    findings = numbers.findings("localization")
    variant = numbers.variants[0] if numbers.variants else ""
    rows = []
    for finding in findings:
        subject = Subject.of_finding(finding)
        sizes = [numbers.box_share(metric, finding) for metric in SIZES]
        if not math.isfinite(sizes[0]):
            continue
        split = numbers.summary(variant, pooled=True)
        bounds = [numbers.number(variant, split, (CEILING, level, subject)) for level in levels]
        texts = [f"{100 * size:.2g} %" for size in sizes]
        bound = [number_text(number.value) if math.isfinite(number.value) else NOTHING for number in bounds]
        rows.append(TableRow(finding, [f"{max(n.n_pairs for n in bounds):,}", *texts, *bound], "model"))
    caption = (
        "Share of the image that the union of a finding's boxes covers, all pairs of all splits; and the T(IoU) that "
        f"no map of the shape of {variant or 'these'} can exceed, whatever it shows (proven; what can be reached may "
        "be less): a map of few cells cannot draw a small region."
    )
    columns = [("", "pairs"), *(("share of the image", name) for name in SIZES.values())]
    columns += [("ceiling of T(IoU)", f"{level:g}") for level in levels]
    return Table("Box sizes and ceilings", caption, columns, rows, main=False)
