"""A reader who trusts nobody: every number of the tables again from what stands an image and a pair a row, without ham.

Only pandas, numpy and scikit-learn; patients are drawn again here, in another way and from another seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from .conftest import Checkout

SPLITS = ("fold1", "fold2")
TEXT = {"image": str, "patient": str, "finding": str}


@pytest.fixture(scope="module")
def results(finished: Checkout) -> Path:
    return finished.folder / "results/phantom"


@pytest.fixture(scope="module")
def table(results: Path) -> pd.DataFrame:
    return pd.read_csv(results / "tables/localization-5fold.csv")


def read(results: Path, split: str, name: str) -> pd.DataFrame:
    return pd.read_csv(results / "localization-5fold/ham" / split / f"{name}.csv", dtype=TEXT)


def t_iou(pairs: pd.DataFrame, level: float) -> float:
    """Share of each finding, then the mean over findings."""
    return float((pairs["iou"] >= level).groupby(pairs["finding"]).mean().mean())


def aucs(images: pd.DataFrame) -> dict[str, float]:
    out = {}
    for name in (column.removeprefix("label_") for column in images if column.startswith("label_")):
        known = images[images[f"label_{name}"].notna()]
        if known[f"label_{name}"].nunique() == 2:
            out[name] = float(roc_auc_score(known[f"label_{name}"], known[f"probability_{name}"]))
    return out


def test_every_number_follows_from_the_rows_of_images_and_pairs(results: Path, table: pd.DataFrame) -> None:
    ham = table[table["variant"] == "ham"]
    checked = 0
    for split in SPLITS:
        own = ham[ham["split"] == split]
        found, pairs = aucs(read(results, split, "classification")), read(results, split, "localization")
        for row in own[own["metric"] == "auc"].itertuples():
            if row.scope != "mean" and not np.isnan(row.value):
                assert row.value == pytest.approx(found[row.finding], abs=1e-9)
                checked += 1
        (mean,) = own[(own["metric"] == "auc") & (own["scope"] == "mean")]["value"]
        assert mean == pytest.approx(np.mean([found[name] for name in found if name != "abnormality"]))
        for row in own[own["metric"] == "t_iou"].itertuples():
            if row.scope == "finding" and not np.isnan(row.value):
                hits = pairs.loc[pairs["finding"] == row.finding, "iou"] >= row.threshold
                assert (row.value, row.n_pairs) == (pytest.approx(hits.mean()), len(hits))
                checked += 1
            elif row.scope == "mean":
                assert row.value == pytest.approx(t_iou(pairs, row.threshold))
    assert checked > 50
    together = pd.concat([read(results, split, "localization") for split in SPLITS])
    pooled = ham[(ham["split"] == "pooled") & (ham["metric"] == "t_iou") & (ham["scope"] == "mean")]
    for row in pooled.itertuples():
        assert row.value == pytest.approx(t_iou(together, row.threshold))


def test_intervals_are_those_of_patients_drawn_again(results: Path, table: pd.DataFrame) -> None:
    images, pairs = (read(results, "fold1", name) for name in ("classification", "localization"))
    draw, found = np.random.default_rng(1), []
    strata = rarest(images, pairs)
    for _ in range(2000):
        drawn = pd.concat([own.sample(len(own), replace=True, random_state=draw) for _, own in strata.groupby("has")])
        times = drawn["patient"].value_counts()
        again = pairs.loc[np.repeat(pairs.index, pairs["patient"].map(times).fillna(0).astype(int))]
        found.append(t_iou(again, 0.1))
    row = table[(table["variant"] == "ham") & (table["split"] == "fold1") & (table["metric"] == "t_iou")]
    row = row[(row["scope"] == "mean") & np.isclose(row["threshold"], 0.1)].iloc[0]
    low, high = np.percentile(found, [2.5, 97.5])
    width = max(high - low, 0.02)
    assert row["low"] == pytest.approx(low, abs=0.15 * width)
    assert row["high"] == pytest.approx(high, abs=0.15 * width)


def rarest(images: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Each patient and the rarest of what it has, counted in patients: a finding as a label or as a pair."""
    labels = images.melt("patient", [name for name in images if name.startswith("label_")], "what", "label")
    labels = labels[(labels["label"] == 1) & (labels["what"] != "label_abnormality")][["patient", "what"]]
    has = pd.concat([labels.assign(what=labels["what"].str.replace("_", " ", n=1)),
                     pairs.assign(what="pair " + pairs["finding"])[["patient", "what"]]]).drop_duplicates()  # fmt: skip
    has["patients"] = has.groupby("what")["patient"].transform("nunique")
    first = has.sort_values(["patients", "what"]).drop_duplicates("patient").set_index("patient")["what"]
    patients = sorted({*images["patient"], *pairs["patient"]})
    return pd.DataFrame({"patient": patients, "has": [first.get(name, "") for name in patients]})
