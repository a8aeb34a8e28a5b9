"""All figures of an experiment that are drawn from the results of its splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ham.reporting.area_figure import write_area
from ham.reporting.calibration_figure import write_calibration
from ham.reporting.co_occurrence_figure import write_co_occurrence
from ham.reporting.curve_figures import write_precision_recall, write_roc
from ham.reporting.iou_figure import write_iou
from ham.reporting.settings import ReportingSettings
from ham.reporting.threshold_figures import write_thresholds
from ham.reporting.training_figure import write_training


def write_figures(splits: Sequence[Path], stem: Path, settings: ReportingSettings) -> None:
    """Write ``stem``-roc.svg and .png and the rest of ``plans.FIGURES`` but those that are drawn from tables.

    ``splits`` are result folders of all splits and variants. DataError where they are of several experiments.
    """

    def named(kind: str) -> Path:
        return stem.with_name(f"{stem.name}-{kind}")

    write_roc(splits, named("roc"))
    write_precision_recall(splits, named("precision-recall"))
    write_thresholds(splits, "t_iou", named("t-iou"), settings)
    write_thresholds(splits, "t_ior", named("t-ior"), settings)
    write_iou(splits, named("iou"))
    write_area(splits, named("area"))
    write_calibration(splits, named("calibration"))
    write_co_occurrence(splits, named("co-occurrence"))
    write_training(splits, named("training"), settings)
