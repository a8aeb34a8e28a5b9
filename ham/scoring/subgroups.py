"""The same scores of groups of the test images: by view, and by what else images.csv says of a patient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ham.scoring import classification, localization, operating_points
from ham.scoring.decision_names import BY_GROUP
from ham.scoring.intervals import Resampling
from ham.scoring.operating_points import OperatingPoints
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

SHOWN = ("auc", "t_iou", *BY_GROUP)


def split_groups(truth: Truth, table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each group, such as ``view=AP``, and its rows of a table of images or pairs; none where all images are alike."""
    for grouping, of_images in truth.groups.items():
        values = sorted(set(of_images.values()))
        for value in values if len(values) > 1 else ():
            yield f"{grouping}={value}", table[table[grouping] == value]


def subgroup_rows(
    truth: Truth,
    joined: pd.DataFrame,
    pairs: pd.DataFrame,
    settings: ScoringSettings,
    resampling: Resampling | None,
    points: OperatingPoints | None = None,
) -> list[dict[str, Any]]:
    """AUC, T(IoU) and sensitivity and specificity at the operating points of every group as rows of metrics.json that
    name their ``group``.

    ``joined`` and ``pairs`` are classification.csv and localization.csv with a column a grouping. All groups are scored
    on the same resamples as the whole, so that their differences have intervals.
    """
    out = []
    for (group, images), (_, own) in zip(split_groups(truth, joined), split_groups(truth, pairs), strict=True):
        rows = classification.metric_rows(images, truth.findings, settings, resampling, classification.AUC_ALONE)
        if points is not None:
            rows += operating_points.metric_rows(images, truth.findings, points, resampling)
        if truth.pairs:
            rows += localization.metric_rows(own, truth.findings, truth.boxed_findings, settings, resampling)
        out += [{**row, "group": group} for row in rows if row["metric"] in SHOWN]
    return out
