"""The rows of benchmark.csv: shares of pairs, means over findings, and their intervals by patient.

Where a cut is chosen on boxes, it is one for all findings of a method: ``held-out``, patients in two halves, each
scored at the cut that does best on the other; ``oracle``, the cut that does best on the very boxes that are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ham.model.metrics import auc
from ham.scoring.benchmark.measures import BINS, Measured, pixel_average_precision
from ham.scoring.chosen_cuts import best_cut, half_of
from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import WITHOUT, interval, ratio
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Pair

COLUMNS = ("method", "truth", "metric", "threshold", "cut", "finding", "value", "low", "high", "n")
BOX_LEVELS = (0.3, 0.5, 0.7)  # of MaxBoxAccV2
NOT_A_RESULT = "oracle, not a result"
CutChoice = Literal["published", "held-out", "oracle"]
Numbers = dict[str, tuple[float, np.ndarray, int]]  # finding: value, samples [B], n
Row = dict[str, Any]


class About(NamedTuple):
    """Whose rows they are."""

    method: str
    truth: str


class Compared(NamedTuple):
    """Pairs, what was measured of them, and the IoU [P] that the location prior reaches on the same pairs."""

    pairs: Sequence[Pair]
    measured: Measured
    prior: np.ndarray | None


class _Places(NamedTuple):
    """Pairs by finding, and what their patients weigh."""

    findings: np.ndarray  # [P] names
    patients: np.ndarray  # [P] names
    resampling: Resampling

    def shares(self, values: np.ndarray) -> Numbers:
        """Mean of ``values`` [P] in each finding."""
        out: Numbers = {}
        for name in dict.fromkeys(self.findings.tolist()):
            own = np.flatnonzero(self.findings == name)
            places = self.resampling.places(self.patients[own].tolist())
            drawn = self.resampling.sums(places, np.column_stack([values[own].astype(float), np.ones(len(own))]))
            out[name] = float(values[own].mean()), ratio(drawn[:, 0], drawn[:, 1]), len(own)
        return out

    def pixel_ap(self, pixels: np.ndarray) -> Numbers:
        """PxAP in each finding, of pixels [P, 2, BINS]."""
        out: Numbers = {}
        for name in dict.fromkeys(self.findings.tolist()):
            own = np.flatnonzero(self.findings == name)
            value = float(pixel_average_precision(pixels[own].sum(axis=0, keepdims=True))[0])
            places = self.resampling.places(self.patients[own].tolist())
            drawn = self.resampling.sums(places, pixels[own].reshape(len(own), -1)).reshape(-1, 2, BINS)
            out[name] = value, pixel_average_precision(drawn), len(own)
        return out


def pair_rows(
    about: About,
    compared: Compared,
    choice: CutChoice,
    settings: ScoringSettings,
    resampling: Resampling,
) -> list[Row]:
    """All rows of a method and truth that come from its pairs.

    T(IoU) and boxes at the cut of ``choice``; T(IoR) at the published one, because a cut chosen for it would be the
    highest; the pointing game and PxAP need none.
    """
    pairs, measured, prior = compared
    findings, patients = (np.array([getattr(pair, name) for pair in pairs]) for name in ("finding", "patient"))
    places = _Places(findings, patients, resampling)
    halves = np.array([half_of(patient) == 0 for patient in patients])
    rows: list[Row] = []

    def add(metric: str, level: float | None, cut: str, numbers: Numbers) -> None:
        rows.extend(_with_means(about, metric, level, cut, numbers, settings.leave_out))

    def cut_at(ious: np.ndarray, level: float) -> tuple[np.ndarray, str]:
        if choice == "published":
            return ious[:, measured.published], _name(measured, choice, measured.published)
        if choice == "oracle":
            best = best_cut(ious, findings, np.ones(len(pairs), dtype=bool), level)
            return ious[:, best], _name(measured, NOT_A_RESULT, best)
        on_second, on_first = (best_cut(ious, findings, ~half, level) for half in (halves, ~halves))
        return np.where(halves, ious[:, on_second], ious[:, on_first]), _name(measured, choice, on_second, on_first)

    for level in settings.t_iou:
        values, cut = cut_at(measured.iou, level)
        hits = (values >= level).astype(float)
        add("t_iou", level, cut, places.shares(hits))
        if prior is not None:
            add("t_iou_above_prior", level, cut, places.shares(hits - (prior >= level)))
    for level in settings.t_ior:
        values = measured.ior[:, measured.published]
        add("t_ior", level, _name(measured, "published", measured.published), places.shares(values >= level))
    add("pointing", None, "none", places.shares(measured.pointing))
    boxed = [cut_at(measured.box_iou, level) for level in BOX_LEVELS]
    hits = np.mean([values >= level for level, (values, _) in zip(BOX_LEVELS, boxed, strict=True)], axis=0)
    add("max_box_acc_v2", None, "; ".join(dict.fromkeys(cut for _, cut in boxed)), places.shares(hits))
    add("pxap", None, "none", places.pixel_ap(measured.pixels))
    add("missing", None, "none", places.shares(measured.missing))
    return rows


def ap_rows(
    about: About,
    found: Mapping[float | None, Mapping[str, float]],
    boxes: Mapping[str, int],
    rule: str,
    leave_out: str | None,
) -> list[Row]:
    """COCO's AP of each finding by its threshold, of ``boxes`` of each; without intervals."""
    rows: list[Row] = []
    for level, values in found.items():
        numbers = {name: (value, np.full(1, np.nan), boxes[name]) for name, value in values.items()}
        rows += _with_means(about, "coco_ap", level, rule, numbers, leave_out) if numbers else []
    return rows


def auc_rows(
    about: About,
    found: Mapping[str, tuple[np.ndarray, np.ndarray, list[str]]],
    resampling: Resampling,
    leave_out: str | None,
) -> list[Row]:
    """AUC of each finding, of its known labels [N] of 1 and 0, scores [N] and patients."""
    numbers: Numbers = {
        name: (auc(labels, scores), resampling.auc(resampling.places(patients), labels, scores), len(labels))
        for name, (labels, scores, patients) in found.items()
    }
    return _with_means(about, "auc", None, "none", numbers, leave_out) if numbers else []


def _with_means(
    about: About, metric: str, level: float | None, cut: str, numbers: Numbers, leave_out: str | None
) -> list[Row]:
    """A row a finding, their mean, and the mean without the finding that carries it."""
    shared = {**about._asdict(), "metric": metric, "threshold": level, "cut": cut}

    def row(finding: str, value: float, samples: np.ndarray, n: int) -> Row:
        low, high = interval(samples)
        return shared | {"finding": finding, "value": value, "low": low, "high": high, "n": n}

    def mean(name: str, inside: Callable[[str], bool]) -> list[Row]:
        own = [numbers[finding] for finding in numbers if inside(finding)]
        if not own:
            return []
        samples = np.mean([samples for _, samples, _ in own], axis=0)
        value = float(np.mean([value for value, _, _ in own]))
        return [row(name, value, samples, sum(n for _, _, n in own))]

    rows = [row(finding, *number) for finding, number in numbers.items()]
    rows += mean("mean", lambda _: True)
    return rows + (mean(f"{WITHOUT}{leave_out}", lambda finding: finding != leave_out) if leave_out in numbers else [])


def _name(measured: Measured, how: str, *cuts: int) -> str:
    """``held-out 0.4/0.45``."""
    how = measured.rule if how == "published" else how
    return f"{how} {'/'.join(f'{measured.cuts[cut]:.3g}' for cut in cuts)}"
