"""T(IoU) of the same maps under three ways to find the cut, from the IoU of each pair at every cut.

``fixed``: where the published rule cuts. ``held-out boxes``: patients in two halves, each scored at the cut that does
best on the other. ``oracle``: the cut that does best on the very boxes that are scored, and so no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ham.reporting.results import SplitResult, variants_of
from ham.scoring.chosen_cuts import best_cut, half_of, mean_share

COLUMNS = (
    "experiment", "variant", "truth", "cut_from", "cut", "metric", "threshold", "scope", "value", "n_pairs",
    "n_findings",
)  # fmt: skip
FIXED, HELD_OUT, ORACLE = "fixed", "held-out boxes", "oracle"


def cuts_beside(table: Path) -> Path:
    """Where the cuts of an experiment stand, whose tidy table is ``table``."""
    return table.parent / "cuts" / table.name


def compare_cuts(results: Sequence[SplitResult]) -> pd.DataFrame:
    """A row a variant, way to find the cut and threshold, with the columns ``COLUMNS``: T(IoU) over the pairs of all
    splits, mean over findings; ``cut`` is the place in the normalised map, of two halves ``0.4/0.45``."""
    rows = []
    for variant, group in variants_of(results).items():
        own = [result for result in group if len(result.localization)]
        if not own or any(result.cuts is None for result in own):
            continue
        fixed = pd.concat([result.localization for result in own], ignore_index=True)
        tried = pd.concat([result.cuts for result in own if result.cuts is not None], ignore_index=True)
        levels = sorted({row["threshold"] for row in own[0].metrics["localization"] if row["metric"] == "t_iou"})
        about = {
            "experiment": own[0].experiment, "variant": variant, "truth": own[0].truth, "metric": "t_iou",
            "scope": "mean", "n_pairs": len(fixed), "n_findings": fixed["finding"].nunique(),
        }  # fmt: skip
        for level in levels:
            rows += [about | {"threshold": level} | row for row in _ways(fixed, tried, level, own[0].fixed_cut)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ways(fixed: pd.DataFrame, tried: pd.DataFrame, level: float, fixed_cut: float) -> list[dict[str, object]]:
    """``fixed`` and ``tried`` are localization.csv and cuts.csv of all splits; the published cut is tried as well."""
    tried = tried.assign(**{f"{fixed_cut:.3g}": fixed["iou"]})  # the same pairs in the same order
    names = sorted((name for name in tried.columns if name not in ("image", "patient", "finding")), key=float)
    ious, findings = tried[names].to_numpy(float), tried["finding"].to_numpy()
    first = np.array([half_of(patient) == 0 for patient in tried["patient"]])
    whole = np.ones(len(tried), dtype=bool)
    on_second, on_first = (best_cut(ious, findings, ~half, level) for half in (first, ~first))
    halves = np.where(first, ious[:, on_second], ious[:, on_first])
    best = best_cut(ious, findings, whole, level)
    return [
        {
            "cut_from": FIXED,
            "cut": f"{fixed_cut:.3g}",
            "value": mean_share(fixed["iou"].to_numpy(), fixed["finding"].to_numpy(), level),
        },
        {
            "cut_from": HELD_OUT,
            "cut": f"{names[on_second]}/{names[on_first]}",
            "value": mean_share(halves, findings, level),
        },
        {"cut_from": ORACLE, "cut": names[best], "value": mean_share(ious[:, best], findings, level)},
    ]


def read_cuts(path: Path) -> pd.DataFrame:
    """The table of :func:`compare_cuts` as it was written."""
    return pd.read_csv(path, dtype={"variant": str, "cut": str, "experiment": str, "truth": str}, keep_default_na=False)
