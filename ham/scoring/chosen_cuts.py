"""Where maps are cut when the place is chosen on boxes: on those of other patients, or on the very ones scored."""

from __future__ import annotations

import hashlib

import numpy as np

from ham.model.metrics import share_at_least


def best_cut(ious: np.ndarray, findings: np.ndarray, among: np.ndarray, level: float) -> int:
    """The cut of ``ious`` [P, K] with the highest share of at least ``level``, mean over findings, among these pairs
    (bool [P]); the middle one of equals."""
    if not among.any():
        return ious.shape[1] // 2
    scores = np.array([mean_share(ious[among, cut], findings[among], level) for cut in range(ious.shape[1])])
    best = np.flatnonzero(scores == scores.max())
    return int(best[len(best) // 2])


def mean_share(ious: np.ndarray, findings: np.ndarray, level: float) -> float:
    """Share of pairs of at least ``level``, mean over the findings of pairs."""
    values, names = np.asarray(ious, dtype=float), np.asarray(findings)
    return float(np.mean([share_at_least(values[names == name], level) for name in dict.fromkeys(names)]))


def half_of(patient: str) -> int:
    """0 or 1, by the patient's name alone."""
    return hashlib.sha256(str(patient).encode()).digest()[0] % 2
