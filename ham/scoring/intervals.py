"""95 % intervals: scores of the same predictions on resampled patients (the percentile bootstrap).

Patients are drawn, not images: radiographs of one patient resemble each other, and an interval that takes them for
independent is too narrow. Each patient is drawn among those who have the same rarest finding, so that no finding
vanishes from a resample. Who is drawn follows from the patients and the seed alone: all maps of a split, of models and
of floors, are scored on the same resamples, so that their differences have intervals too.

No metric is called again: a share over resampled patients is a ratio of sums with weights, an AUC a sum over ranks.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ham.scoring.metric_rows import ratio
from ham.scoring.truth import Truth

AT_ONCE = 4_000_000  # weights in memory together


@dataclass(frozen=True)
class Resampling:
    """How often each of P patients was drawn in each of B resamples: ``weights`` uint8 [B, P].

    ``place`` is a patient's column; ``drawn_from`` a digest of all that decides the weights.
    """

    place: dict[str, int]
    weights: np.ndarray
    drawn_from: str

    @classmethod
    def of_truth(cls, truth: Truth, count: int, seed: int) -> Resampling:
        """``count`` resamples of all patients of ``truth``."""
        return cls.of_strata(strata_of(truth), count, seed)

    @classmethod
    def of_strata(cls, strata: dict[str, str], count: int, seed: int) -> Resampling:
        """``count`` resamples of the patients in ``strata``, patient to stratum, each stratum as often as it is."""
        patients = sorted(strata)
        digest = hashlib.sha256(repr((count, seed, [(name, strata[name]) for name in patients])).encode())
        generator = np.random.default_rng(np.frombuffer(digest.digest(), dtype=np.uint32))
        weights = np.zeros((count, len(patients)), dtype=np.uint8)
        names = np.array([strata[name] for name in patients], dtype=object)
        for stratum in dict.fromkeys(names):
            members = np.flatnonzero(names == stratum)
            drawn = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), size=count)
            weights[:, members] = drawn
        return cls({name: place for place, name in enumerate(patients)}, weights, digest.hexdigest()[:16])

    def __len__(self) -> int:
        return len(self.weights)

    def places(self, patients: Sequence[str]) -> np.ndarray:
        """Columns intp [N] of the patients of N images or pairs."""
        return np.array([self.place[patient] for patient in patients], dtype=np.intp)

    def sums(self, places: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sum float64 [B, K] over the drawn images or pairs of ``values`` [N, K], whose patients are ``places`` [N]."""
        of_patients = np.zeros((len(self.place), values.shape[1]))
        np.add.at(of_patients, places, values)
        there = np.flatnonzero(np.bincount(places, minlength=len(self.place)))
        step = max(AT_ONCE // max(len(there), 1), 1)
        parts = [
            self.weights[start : start + step, there].astype(np.float64) @ of_patients[there]
            for start in range(0, len(self), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, values.shape[1]))

    def shares(self, places: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Share [B, K] of the drawn that ``hits`` bool [N, K]; nan where none is drawn."""
        found = self.sums(places, np.column_stack([hits, np.ones(len(places))]))
        return ratio(found[:, :-1], found[:, -1:])

    def auc(self, places: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Area under the ROC curve [B], ties by trapezoid, of known ``labels`` [N] of 1 and 0; nan of one class.

        It is the share of pairs of a positive and a negative in which the positive scores higher, equal ones counting
        half (Mann and Whitney): for each positive the drawn negatives below it, counted along the sorted scores.
        """
        positive = labels == 1
        order = np.argsort(scores[~positive], kind="stable")
        negatives, of_negatives = scores[~positive][order], places[~positive][order]
        below, not_above = (np.searchsorted(negatives, scores[positive], side) for side in ("left", "right"))
        step = max(AT_ONCE // max(len(scores), 1), 1)
        out = []
        for start in range(0, len(self), step):
            weights = self.weights[start : start + step]
            counted = np.zeros((len(weights), len(negatives) + 1), dtype=np.int64)
            np.cumsum(weights[:, of_negatives], axis=1, out=counted[:, 1:])
            of_positives = weights[:, places[positive]].astype(np.int64)
            halves = (of_positives * (counted[:, below] + counted[:, not_above])).sum(axis=1)
            out.append(ratio(halves, 2 * of_positives.sum(axis=1) * counted[:, -1]))
        return np.concatenate(out) if out else np.zeros(0)

    def average_precision(self, places: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Average precision [B] of known ``labels`` [N] of 1 and 0: the sum over the scores, from the highest down, of
        the precision from there on times the gain in recall; nan where nothing drawn is positive."""
        order = np.argsort(-scores, kind="stable")
        ranked, positive, of_patients = -scores[order], labels[order] == 1, places[order]
        among = ranked[positive]  # precision is asked for at positives alone, each at the last of its run of equals
        ends, ends_among = (np.searchsorted(of, among, side="right") - 1 for of in (ranked, among))
        step = max(AT_ONCE // max(len(scores), 1), 1)
        out = []
        for start in range(0, len(self), step):
            weights = self.weights[start : start + step][:, of_patients]
            gained = weights[:, positive].astype(np.int32)
            called = weights.cumsum(axis=1, dtype=np.int32)[:, ends]
            found = gained.cumsum(axis=1, dtype=np.int32)
            precision = np.divide(found[:, ends_among], called, out=np.zeros(found.shape), where=called != 0)
            out.append(ratio((precision * gained).sum(axis=1), gained.sum(axis=1)))
        return np.concatenate(out) if out else np.zeros(0)


def mean_samples(every: Sequence[np.ndarray | None], count: int, resampling: Resampling | None) -> np.ndarray | None:
    """The sum of ``every`` by ``count`` in each resample, [B]: undefined where one of them is, or there is none; None
    without resampling."""
    if resampling is None:
        return None
    known = [value for value in every if value is not None]
    return np.sum(known, axis=0) / count if known else np.full(len(resampling), np.nan)


def strata_of(truth: Truth) -> dict[str, str]:
    """Of each patient of ``truth`` the rarest of what its images have, by the number of patients who have it: a finding
    as a label or as a pair; empty where there is none."""
    has: dict[str, list[str]] = {patient: [] for patient in truth.patients}
    for patient, labels in zip(truth.patients, truth.labels == 1, strict=True):
        has[patient] += [f"label {name}" for name, present in zip(truth.findings, labels, strict=True) if present]
    for pair in truth.pairs:
        has.setdefault(pair.patient, []).append(f"pair {pair.finding}")
    patients = Counter(what for own in has.values() for what in set(own))
    return {patient: min(own, key=lambda what: (patients[what], what), default="") for patient, own in has.items()}
