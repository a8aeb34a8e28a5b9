"""A row of metrics.json: one number, what it is of, how much stands behind it, and why it is blank where it is.

====================================  ==================================================================================
key                                   meaning
metric, threshold                     such as t_iou and 0.3; null where a metric has no threshold
scope, finding                        what it is of: ``finding`` and its name; ``abnormality``; ``mean`` over findings;
                                      ``mean_without`` one of them (``mean_without_<finding>``). The scope decides, not
                                      the name: a finding may bear any
value                                 null where it is undefined, and then ``reason`` says why
low, high                             its 95 % interval (:mod:`ham.scoring.intervals`); null where there is none
n_undefined                           resamples in which it was undefined, where there are any
n_images, n_positive                  images whose label is known, and those of them that have the finding
n_pairs                               pairs of image and finding
findings                              of a mean: those that are in it
group                                 of a row of ``subgroups``: the images that it is of, such as ``view=AP``
====================================  ==================================================================================

``samples``, its value in each resample, leaves a row for resamples.npz before metrics.json is written.

Imports nothing of scoring: reporting reads what is written here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

WITHOUT = "mean_without_"
BINS = 15  # of probabilities, of equal width, as Guo et al. (2017) take
LEVEL = 95  # per cent of resamples that an interval holds


class Subject(NamedTuple):
    """What a number is of. ``left_out`` is the finding that a ``mean_without`` leaves out."""

    scope: str  # finding, abnormality, mean, mean_without
    finding: str

    @classmethod
    def of_finding(cls, name: str) -> Subject:
        """A finding by its name, whatever that is."""
        return cls("finding", name)

    @classmethod
    def without(cls, name: str) -> Subject:
        """The mean over the findings other than ``name``."""
        return cls("mean_without", WITHOUT + name)

    @property
    def left_out(self) -> str | None:
        """The finding that this mean leaves out."""
        return self.finding.removeprefix(WITHOUT) if self.scope == "mean_without" else None

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean over findings."""
        return self.scope in ("mean", "mean_without")

    def covers(self, finding: str) -> bool:
        """Whether ``finding`` goes into it."""
        return finding == self.finding if self.scope == "finding" else self.is_mean and finding != self.left_out


MEAN = Subject("mean", "mean")
ABNORMALITY = Subject("abnormality", "abnormality")


def metric_row(
    metric: str,
    threshold: float | None,
    subject: Subject,
    value: float,
    reason: str = "",
    samples: np.ndarray | None = None,
    **counts: Any,
) -> dict[str, Any]:
    """One row; ``reason`` is kept where the value is undefined, ``samples`` [B] make its interval where it is not.
    ``counts``: n_images, n_positive, n_pairs, findings.
    """
    row = {"metric": metric, "threshold": threshold, **subject._asdict(), "value": value}
    if samples is not None:
        samples = samples if math.isfinite(value) else np.full(len(samples), math.nan)
        low, high = interval(samples)
        undefined = int(np.isnan(samples).sum()) if math.isfinite(value) else 0
        row |= {"low": low, "high": high, **({"n_undefined": undefined} if undefined else {}), "samples": samples}
    return row | ({"reason": reason} if math.isnan(value) else {}) | counts


def interval(samples: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the defined ``samples`` [B]; nan, nan where none is."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, nan where ``whole`` is 0."""
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)


def defined(values: dict[str, float]) -> list[str]:
    """The findings whose value is defined: those that a mean is over."""
    return [finding for finding, value in values.items() if not math.isnan(value)]


def list_names(names: Sequence[str]) -> str:
    """``Mass, Nodule and Hernia``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
