"""The YAML front matter of a model card, in the form that model hubs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ham.reporting.results import SplitResult, subject_of
from ham.scoring.metric_rows import MEAN, Subject

TAGS = ("chest-radiograph", "radiology", "weakly-supervised-localization", "attention", "research-only")
METRICS = {"auc": "roc_auc", "t_iou": "t_iou", "t_ior": "t_ior"}  # as hubs call them, where they do
SHOWN_AS = {"auc": "AUC", "t_iou": "T(IoU)", "t_ior": "T(IoR)"}
FINDING = Subject.of_finding("").scope
TASKS = {
    "image-classification": ("Findings of a chest radiograph", ("auc",)),
    "object-detection": ("Regions of findings, from attention maps", ("t_iou", "t_ior")),
}


def front_matter(result: SplitResult, info: Mapping[str, Any], thresholds: Mapping[str, Sequence[float]]) -> str:
    """The front matter between its two lines of dashes; any name is safe in it.

    ``info`` is dataset.json; ``thresholds`` of t_iou and t_ior are those that are told. Means and abnormality stand in
    it, findings only in the card itself; a number that is undefined is left out, because a hub takes none but numbers.
    """
    header = {
        "license": "other",  # weights stand under the terms of the images that they were trained on
        "license_name": "terms-of-the-training-images",
        "library_name": "ham",
        "pipeline_tag": "image-classification",
        "tags": [*TAGS, *(["synthetic", "phantom"] if info.get("drawn") else [])],
        "datasets": [str(info["name"])],
        "metrics": list(dict.fromkeys(METRICS[metric] for metric in _measured(result, thresholds))),
        "model-index": [{"name": model_name(result), "results": _results(result, info, thresholds)}],
    }
    text: str = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n"


def model_name(result: SplitResult) -> str:
    """Such as ``localization-5fold-ham-fold1``."""
    return f"{result.experiment}-{result.variant}-{result.split}"


def subject_name(subject: Subject) -> str:
    """``Mass``, ``abnormality``, ``mean over findings``, ``mean without Cardiomegaly``."""
    if subject.left_out is not None:
        return f"mean without {subject.left_out}"
    return "mean over findings" if subject == MEAN else subject.finding


def told(rows: Sequence[Mapping[str, Any]], thresholds: Mapping[str, Sequence[float]]) -> list[Mapping[str, Any]]:
    """The rows of metrics.json whose metric has no threshold, or one that is told."""
    return [
        row
        for row in rows
        if row["threshold"] is None or row["threshold"] in thresholds.get(row["metric"], [row["threshold"]])
    ]


def _measured(result: SplitResult, thresholds: Mapping[str, Sequence[float]]) -> list[str]:
    rows = told([*result.metrics["classification"], *result.metrics["localization"]], thresholds)
    return [row["metric"] for row in rows if row["metric"] in METRICS and row["value"] is not None]


def _results(
    result: SplitResult, info: Mapping[str, Any], thresholds: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    lists = result.metrics.get("lists") or {}
    rows = {
        "image-classification": result.metrics["classification"],
        "object-detection": result.metrics["localization"],
    }
    out = []
    for task, (name, metrics) in TASKS.items():
        measured = [
            _metric(row)
            for row in told(rows[task], thresholds)
            if row["metric"] in metrics and row["value"] is not None and row["scope"] != FINDING
        ]
        tested = lists.get("test" if task == "image-classification" else "test_boxes") or "test"
        data = {"type": str(info["name"]), "name": str(info["name"]), "split": str(tested)}
        if measured:
            out.append({"task": {"type": task, "name": name}, "dataset": data, "metrics": measured})
    return out


def _metric(row: Mapping[str, Any]) -> dict[str, Any]:
    level = row["threshold"]
    at = "" if level is None else f" at {level:g}"
    counts = {name: row[name] for name in ("n_images", "n_positive", "n_pairs") if row.get(name) is not None}
    interval = {f"{end}_95": round(row[end], 4) for end in ("low", "high") if row.get(end) is not None}
    return {
        "type": METRICS[row["metric"]],
        "name": f"{SHOWN_AS[row['metric']]}{at}, {subject_name(subject_of(row))}",
        "value": round(row["value"], 4),
        "args": {**({} if level is None else {"threshold": level}), **interval, **counts},
    }
