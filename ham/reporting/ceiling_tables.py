"""How large the boxes are, and what maps of the tested shape can reach on them: at most, and at least."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ham.reporting.cells import NOTHING, Table, TableRow, number_text
from ham.reporting.numbers import Numbers, Wanted
from ham.scoring.metric_rows import Subject

LIMITS = {"t_iou_ceiling": "no map{} exceeds", "t_iou_reached": "a map{} reaches"}
SIZES = {"box_share_median": "median", "box_share_least": "least", "box_share_largest": "largest"}


def ceiling_rows(numbers: Numbers, wanted: Sequence[Wanted], pooled: bool, block: str = "") -> list[TableRow]:
    """Rows beneath T(IoU) of what no map exceeds and what a map is known to reach, of each variant whose maps have
    other limits; a row for both where they are the same, none where nothing is known."""
    rows: list[TableRow] = []
    shown: list[dict[str, list[str]]] = []
    for variant in numbers.variants:
        texts = {label: _limit(numbers, variant, wanted, pooled, metric) for metric, label in LIMITS.items()}
        texts = {label: cells for label, cells in texts.items() if any(cells)}
        if not texts or texts in shown:
            continue
        of = f" of {variant}" if shown else ""
        shown.append(texts)
        if len(texts) == 2 and len({tuple(cells) for cells in texts.values()}) == 1:
            texts = {f"{'; '.join(texts)} it": next(iter(texts.values()))}
        rows += [TableRow(label.replace("{}", of), cells, "ceiling", [], block) for label, cells in texts.items()]
    return rows


def _limit(numbers: Numbers, variant: str, wanted: Sequence[Wanted], pooled: bool, limit: str) -> list[str]:
    """Cells of a limit of T(IoU) beneath ``wanted``, empty beneath other numbers."""
    split = numbers.summary(variant, pooled)
    values = [
        numbers.value(variant, split, (limit, level, subject)) if metric == "t_iou" else math.nan
        for metric, level, subject in wanted
    ]
    return [number_text(value) if math.isfinite(value) else "" for value in values]


def box_sizes_table(numbers: Numbers, levels: Sequence[float]) -> Table:
    """Share of the image that a finding's boxes cover, and the limits of T(IoU) on them."""
    variant = numbers.variants[0] if numbers.variants else ""
    rows = []
    for finding in numbers.findings("localization"):
        subject = Subject.of_finding(finding)
        sizes = [numbers.box_share(metric, finding) for metric in SIZES]
        if not math.isfinite(sizes[0]):
            continue
        split = numbers.summary(variant, pooled=True)
        bounds = [numbers.number(variant, split, (limit, level, subject)) for limit in LIMITS for level in levels]
        texts = [f"{100 * size:.2g} %" for size in sizes]
        bound = [number_text(number.value) if math.isfinite(number.value) else NOTHING for number in bounds]
        rows.append(TableRow(finding, [f"{max(n.n_pairs for n in bounds):,}", *texts, *bound], "model"))
    caption = (
        "Share of the image that the union of a finding's boxes covers, all pairs of all splits; and the T(IoU) that "
        f"no map of the shape of {variant or 'these'} can exceed, whatever it shows (proven), beside the one that such "
        "maps reach (constructed for the boxes by a search): the best there is lies between. A map of few cells cannot "
        "draw a small region."
    )
    columns = [("", "pairs"), *(("share of the image", name) for name in SIZES.values())]
    columns += [(f"T(IoU), {label.replace('{}', '')}", f"{level:g}") for label in LIMITS.values() for level in levels]
    return Table("Box sizes and ceilings", caption, columns, rows, main=False)
