"""A row of metrics.json: one number, what it is of, how much stands behind it, and why it is blank where it is.

====================================  ==================================================================================
key                                   meaning
metric, threshold                     such as t_iou and 0.3; null where a metric has no threshold
scope, finding                        what it is of: ``finding`` and its name; ``abnormality``; ``mean`` over findings;
                                      ``mean_without`` one of them (``mean_without_<finding>``). The scope decides, not
                                      the name: a finding may bear any
value                                 null where it is undefined, and then ``reason`` says why
n_images, n_positive                  images whose label is known, and those of them that have the finding
n_pairs                               pairs of image and finding
findings                              of a mean: those that are in it
====================================  ==================================================================================

Imports nothing: reporting reads what is written here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

WITHOUT = "mean_without_"


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
    metric: str, threshold: float | None, subject: Subject, value: float, reason: str = "", **counts: Any
) -> dict[str, Any]:
    """One row; ``reason`` is kept where the value is undefined. ``counts``: n_images, n_positive, n_pairs, findings."""
    why = {"reason": reason} if math.isnan(value) else {}
    return {"metric": metric, "threshold": threshold, **subject._asdict(), "value": value, **why, **counts}


def defined(values: dict[str, float]) -> list[str]:
    """The findings whose value is defined: those that a mean is over."""
    return [finding for finding, value in values.items() if not math.isnan(value)]


def list_names(names: Sequence[str]) -> str:
    """``Mass, Nodule and Hernia``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
