"""Small result folders and data sets in the form that scoring and conversion write, from seeded numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ham.datasets import writer
from ham.datasets.dataset import pair_key
from ham.runtime.files import write_json
from ham.scoring import localization
from ham.scoring.curves import PLACES
from ham.scoring.cuts import CUTS
from ham.scoring.intervals import Resampling
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject, metric_row
from ham.scoring.run import pairs_drawn, take_samples
from ham.scoring.settings import ScoringSettings
from ham.scoring.truth import Truth

BOXED = ("Atelectasis", "Cardiomegaly", "Pleural_Thickening", "<script>alert('x')</script>")
FINDINGS = (*BOXED, "Hernia & 50% $x$")
T_IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
T_IOR = (0.1, 0.25, 0.5, 0.75, 0.9)
FLOORS = {"location-prior": 0.28, "random-map": 0.06, "whole-image": 0.1}
LOSSES = ("loss", "loss_abnormality", "loss_classification", "loss_box", "loss_bound", "loss_union")
VALIDATION = (
    "validation_loss", "validation_auc", "validation_auc_published", "validation_accuracy",
    "validation_auc_abnormality",
)  # fmt: skip


def rows(path: Path, names: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
    """A csv file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(lines)


def localization_rows(
    values: dict[str, dict[str, Any]], left_out: str = "Cardiomegaly", resampling: Resampling | None = None
) -> list[dict[str, Any]]:
    """Metric rows from {finding: {"iou": …, "ior": …, "patient": …}}; an overlap of 0 is of an empty region."""
    table = pd.concat([pd.DataFrame({"finding": finding, **v}) for finding, v in values.items()], ignore_index=True)
    settings = ScoringSettings(t_iou=T_IOU, t_ior=T_IOR, leave_out=left_out)
    return localization.metric_rows(
        table.assign(empty=table["iou"] == 0), list(values), list(values), settings, resampling
    )


def roc(rng: np.random.Generator, strength: float) -> tuple[dict[str, list[float]], float]:
    """A ROC curve of made up scores and its area."""
    positive, negative = np.sort(rng.normal(strength, 1, 60)), np.sort(rng.normal(0, 1, 80))
    cuts = np.sort(np.concatenate([positive, negative, [np.inf]]))[::-1]
    tpr = [float((positive >= cut).mean()) for cut in cuts]
    fpr = [float((negative >= cut).mean()) for cut in cuts]
    return {"fpr": fpr, "tpr": tpr}, float(np.trapezoid(tpr, fpr))


def curves_of(curves: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """curves.json of ROC curves at the places that scoring keeps, with bands; precision-recall curves that fall."""
    roc, both = {}, {}
    for name, curve in curves.items():
        up = np.interp(PLACES, curve["fpr"], curve["tpr"])
        band = {"low": (0.9 * up).tolist(), "high": (0.9 * up + 0.1).tolist()}
        roc[name] = {"fpr": PLACES.tolist(), "tpr": up.tolist(), **band}
        both[name] = {"recall": PLACES.tolist(), "precision": (1 - 0.5 * PLACES).tolist(), "prevalence": 0.3}
    return {"roc": roc, "precision_recall": both}


def write_split(
    folder: Path,
    images: Sequence[str],
    findings: Sequence[str] = FINDINGS,
    boxed: Sequence[str] = BOXED,
    pairs: int = 6,
    seed: int = 0,
    strength: float = 0.45,
    floors: Sequence[str] = tuple(FLOORS),
    epochs: int = 4,
    listed: int | None = None,
    dataset: str = "phantom",
    published: str | None = None,
    resamples: int = 100,
) -> Path:
    """The result folder ``…/<experiment>/<variant>/<split>`` of one split, ``pairs`` pairs a boxed finding; the samples
    of its classification are a value and noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    experiment, variant, split = folder.parts[-3:]
    areas, curves = {}, {}
    for finding in (*findings, "abnormality"):
        curves[finding], areas[finding] = roc(rng, rng.uniform(0.8, 2.0))
    counts = {"n_images": len(images), "n_positive": 12}
    subjects = [*map(Subject.of_finding, findings), ABNORMALITY]
    resampling = Resampling.of_strata({image[:8]: "" for image in images}, resamples, 0)
    noise = 0.02 * np.random.default_rng(99).standard_normal(resamples)

    def row(metric: str, level: float | None, subject: Subject, value: float, **about: Any) -> dict[str, Any]:
        return metric_row(metric, level, subject, value, samples=value + noise, **about)

    classification = [row("auc", None, s, areas[s.finding], **counts) for s in subjects]
    classification += [row("accuracy", 0.5, s, 0.9, **counts) for s in subjects]
    classification += [row("majority_rate", None, s, 0.8, **counts) for s in subjects]
    mean, of = float(np.mean([areas[f] for f in findings])), {"n_images": len(images), "findings": list(findings)}
    classification += [row(metric, None, MEAN, mean, **of) for metric in ("auc", "auc_published")]
    classification += [row("accuracy", 0.5, MEAN, 0.9, **of), row("majority_rate", None, MEAN, 0.8, **of)]
    chosen = {f: sorted(rng.choice(len(images), size=pairs, replace=False).tolist()) for f in boxed}

    def draw(level: float) -> dict[str, dict[str, Any]]:
        size = dict.fromkeys(boxed, (pairs, 1))
        values = {f: np.clip(rng.normal(level + 0.2 * (f == "Cardiomegaly"), 0.22, size[f][0]), 0, 1) for f in boxed}
        patients = {f: [images[i][:8] for i in chosen[f]] for f in boxed}
        return {f: {"iou": v, "ior": np.clip(v * 1.2, 0, 1), "patient": patients[f]} for f, v in values.items()}

    ours = draw(strength)
    lines = [
        (
            images[i],
            images[i][:8],
            f,
            1,
            ours[f]["iou"][k],
            ours[f]["ior"][k],
            900,
            1000,
            int(ours[f]["iou"][k] == 0),
            rng.uniform(),
        )
        for f in boxed
        for k, i in enumerate(chosen[f])
    ]
    names = ("image", "patient", "finding", "boxes", "iou", "ior", "predicted_area", "true_area", "empty", "score")
    rows(folder / "localization.csv", names, lines)
    cut = [(line[0], line[1], line[2], *(line[4] * (1 - abs(level - 0.45)) for level in CUTS)) for line in lines]
    rows(folder / "cuts.csv", ("image", "patient", "finding", *(f"{level:g}" for level in CUTS)), cut)
    others = {name: draw(FLOORS[name]) for name in floors}
    floor_lines = [
        (name, images[i], images[i][:8], f, values[f]["iou"][k], values[f]["ior"][k], int(values[f]["iou"][k] == 0))
        for name, values in others.items()
        for f in boxed
        for k, i in enumerate(chosen[f])
    ]
    rows(folder / "floors.csv", ("floor", "image", "patient", "finding", "iou", "ior", "empty"), floor_lines)
    write_maps(folder / "maps.npz", images, chosen, rng)
    write_history(folder / "history.csv", epochs, rng)
    metrics: dict[str, Any] = {
        "dataset": dataset, "published": published, "experiment": experiment, "variant": variant, "split": split,
        "digests": {"images.csv": "ab" * 32, "localization.csv": f"{seed:064x}"},
        "counts": {
            "listed": len(images) if listed is None else listed, "present": len(images), "images": len(images),
            "boxes_listed": len(images) if boxed else 0, "boxes_present": len(images) if boxed else 0,
            "patients": len(images), "pairs": pairs * len(boxed),
            "findings": {f: {"positives": 12, "pairs": pairs if f in boxed else 0} for f in findings},
        },
        "location_prior_from": "training boxes",
        "region": {"size": 64, "threshold": 0.4, "slope": 100.0, "certainty": 0.999},
        "classification": classification,
        "localization": localization_rows(ours, resampling=resampling) if boxed else [],
        "floors": {
            name: localization_rows(values, resampling=resampling) for name, values in others.items() if boxed
        },
    }  # fmt: skip
    metrics["resamples"] = {"count": resamples, "seed": 0, "drawn_from": resampling.drawn_from}
    pairs_of = pd.DataFrame([(line[1], line[2]) for line in lines], columns=["patient", "finding"])
    truth = Truth("", tuple(findings), tuple(boxed), (), (), np.zeros(0), ())
    samples = take_samples(metrics) | pairs_drawn(pairs_of, truth, resampling)
    np.savez(folder / "resamples.npz", **samples)
    run = {
        "hours": 0.0086 * (seed + 1), "device": "cpu", "threads": 2, "epochs": epochs, "steps": 130,
        "images_per_second": 61.5, "versions": {"python": "3.12.1", "torch": "2.9.0", "ham": "0.1.0"},
        "git": {"commit": "0123456789abcdef", "changed": False}, "train_images": 192, "train_boxed_images": 61,
        "validation_images": len(images), "parameters": 13_000_000,
    }  # fmt: skip
    (folder / "curves.json").write_text(json.dumps(curves_of(curves)))
    labels = {
        f"label_{name}": [(place + number) % 3 == 0 for place in range(len(images))]
        for number, name in enumerate(findings)
    }
    scores = {f"probability_{name}": rng.random(len(images)) for name in findings}
    table = pd.DataFrame({"image": images, "patient": [image[:8] for image in images]} | labels | scores)
    table.to_csv(folder / "classification.csv", index=False)
    write_json(folder / "metrics.json", metrics)
    (folder / "run.json").write_text(json.dumps(run, indent=1))
    return folder


def write_maps(path: Path, images: Sequence[str], chosen: dict[str, list[int]], rng: np.random.Generator) -> None:
    """Raw maps with a bump somewhere, 9 x 11."""
    y, x = np.mgrid[0:9, 0:11]
    maps = {}
    for finding, members in chosen.items():
        for i in members:
            v, u = rng.uniform(1, 8), rng.uniform(1, 10)
            maps[pair_key(images[i], finding)] = np.exp(-((y - v) ** 2 + (x - u) ** 2) / 6).astype(np.float32)
    with open(path, "wb") as file:
        np.savez(file, **maps)  # type: ignore[arg-type]


def write_history(path: Path, epochs: int, rng: np.random.Generator) -> None:
    """A row an epoch of falling losses and rising scores."""
    scores = [f"validation_t_iou_{t}" for t in T_IOU] + [f"validation_t_ior_{t}" for t in T_IOR]
    names = ["epoch", "steps", "learning_rate", *LOSSES, "seconds", "images_per_second", *VALIDATION, *scores]
    lines = []
    for epoch in range(1, epochs + 1):
        fall = float(np.exp(-epoch / epochs) + rng.uniform(0, 0.03))
        losses = [fall * scale for scale in (1, 0.6, 0.3, 0.8, 0.4, 0.5)]
        checks = [fall, 1 - fall / 2, 1 - fall / 2, 0.9 - fall / 10, 1 - fall / 2]
        lines.append(
            [epoch, epoch * 30, 7e-4, *losses, 3.2, 60.0, *checks, *[(1 - fall) * (1 - t) for t in T_IOU + T_IOR]]
        )
    rows(path, names, lines)


def write_dataset(
    folder: Path,
    images: Sequence[str],
    findings: Sequence[str] = FINDINGS,
    boxed: Sequence[str] = BOXED,
    size: tuple[int, int] = (48, 60),
    drawn: str | None = "phantom",
    published: str | None = None,
) -> Path:
    """A partial data set: grey images of ``size`` (width, height) with a box for every boxed finding; two absent."""
    rng = np.random.default_rng(7)
    width, height = size
    absent = ["99999998_000.png", "99999999_000.png"]
    (folder / "images").mkdir(parents=True)
    boxes: dict[str, dict[str, list[list[float]]]] = {}
    for image in images:
        grey = np.clip(rng.normal(120, 30, (height, width)), 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(folder / "images" / image)
        boxes[image] = {f: [[*rng.integers(2, width // 2, 2).tolist(), width / 3, height / 4]] for f in boxed}
    test = folder.parent / "test.txt"
    test.write_text("\n".join([*images, *absent]))
    names = [*images, *absent]
    described: dict[str, Any] = {
        "patient": [name[:8] for name in names],
        "width": width,
        "height": height,
        "view": "PA",
        "sex": "",
        "age": "",
    }
    table = pd.DataFrame(described | dict.fromkeys(findings, 1.0), index=pd.Index(names, name="image"))
    content = writer.Content(
        key="phantom", name=folder.name, source="nih", findings=tuple(findings), boxed_findings=tuple(boxed),
        box_grid=width, table=table, boxes=boxes, lists={"Main/test": test}, missing=absent, partial=True, problems=[],
        sources=[{"file": "images_001.tar.gz", "bytes": 123456, "sha256": "3" * 64}], image_digest="4" * 64,
        licence="free to use <with> thanks", attribution="Drawn by ham & nobody else, see https://example.org/set",
        drawn=drawn, published=published,
    )  # fmt: skip
    writer.write_dataset(folder, content)
    return folder


IMAGES = tuple(f"{i:08d}_000.png" for i in range(12))
