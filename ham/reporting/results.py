"""Reading the result folders of splits: results/<dataset>/<experiment>/<variant>/<split>/."""

from __future__ import annotations

import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ham.errors import DataError
from ham.model.card import Card
from ham.packaging.manifest import CARD
from ham.packaging.restored import refuse_other_data, refuse_other_than_restored
from ham.scoring.decision_names import UNCHOSEN, YOUDEN
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject, metric_row

TEXT = {"image": str, "patient": str, "finding": str, "floor": str}  # columns that may look like numbers
LOCALIZATION_COLUMNS = ("image", "patient", "finding", "boxes", "iou", "ior", "empty", "score")
FLOOR_COLUMNS = ("floor", "image", "patient", "finding", "iou", "ior", "empty")


@dataclass(frozen=True)
class SplitResult:
    """One split of one variant of one experiment; each file of its folder is read when asked for."""

    folder: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json; DataError where it is absent, no JSON, or says not what it is about."""
        metrics = _json(self.folder / "metrics.json", required=True)
        missing = [key for key in ("dataset", "experiment", "variant", "split") if key not in metrics]
        if missing:
            raise DataError(f"{self.folder / 'metrics.json'} lacks {', '.join(missing)}; score this split again.")
        rows = [row for kind in ("classification", "localization") for row in metrics.get(kind) or []]
        if any("scope" not in row for row in rows):
            raise DataError(f"{self.folder / 'metrics.json'} is of an older version of ham; score this split again.")
        return metrics

    @property
    def dataset(self) -> str:
        """The data set's key, such as nih."""
        return str(self.metrics["dataset"])

    @property
    def truth(self) -> str:
        """Whose labels and boxes the scores compare with; the data set's own unless metrics.json names another."""
        return str(self.metrics.get("truth", self.dataset))

    @property
    def experiment(self) -> str:
        """Such as localization-5fold."""
        return str(self.metrics["experiment"])

    @property
    def variant(self) -> str:
        """Such as ham."""
        return str(self.metrics["variant"])

    @property
    def base(self) -> str:
        """The variant that this is a further seed of, or itself."""
        return str(self.metrics.get("base", self.variant))

    @property
    def seed(self) -> int | None:
        """The seed that it was trained with; None where it is not recorded."""
        seed = self.metrics.get("seed")
        return None if seed is None else int(seed)

    @property
    def split(self) -> str:
        """Such as fold1."""
        return str(self.metrics["split"])

    @property
    def counts(self) -> dict[str, Any]:
        """listed and present test images, patients, pairs."""
        return dict(self.metrics.get("counts", {}))

    def images(self, boxes: bool = False) -> tuple[int, int]:
        """Test images present and listed; with ``boxes`` those of the list that localization is tested on."""
        names = ("boxes_present", "boxes_listed") if boxes and "boxes_listed" in self.counts else ("present", "listed")
        present, listed = (int(self.counts.get(name) or 0) for name in names)
        return present, listed

    @property
    def published(self) -> str | None:
        """The data set whose published numbers may stand beside these, as its description says; None: no such."""
        value = self.metrics.get("published")
        return None if value is None else str(value)

    @property
    def left_out(self) -> list[str]:
        """Findings without which a second mean is taken, such as Cardiomegaly."""
        subjects = dict.fromkeys(map(subject_of, self.metrics.get("localization") or []))
        return [subject.left_out for subject in subjects if subject.left_out is not None]

    @property
    def prior_from(self) -> str:
        """Which boxes the location prior knows."""
        return str(self.metrics.get("location_prior_from", ""))

    @property
    def boxed_findings(self) -> list[str]:
        """Findings with localization scores, in the data set's order."""
        return findings_of(self.metrics.get("localization") or [])

    @property
    def threshold_rows(self) -> list[dict[str, Any]]:
        """The chosen thresholds as rows of metrics.json, ``threshold_at_youden`` of each finding; where none could be
        chosen one blank row with the reason. Nothing of scores that know no operating points."""
        chosen = self.metrics.get("operating_points")
        if chosen is None:
            return []
        if "thresholds" not in chosen:
            return [metric_row(f"threshold_at_{YOUDEN}", None, MEAN, math.nan, str(chosen["reason"]))]
        return [
            metric_row(
                f"threshold_at_{point}",
                None,
                ABNORMALITY if finding == ABNORMALITY.finding else Subject.of_finding(finding),
                math.nan if level is None else float(level),
                UNCHOSEN,
                n_images=chosen["images"],
            )
            for point, levels in chosen["thresholds"].items()
            for finding, level in levels.items()
        ]

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """resamples.npz: float32 [rows, B] of the rows of ``classification``, ``decisions``, ``localization``,
        ``subgroups`` and ``floor <name>``, and ``pairs``, ``pairs <group>`` [F, B] drawn of each boxed finding; nothing
        where the scores have no intervals.

        DataError where it does not fit metrics.json.
        """
        if "resamples" not in self.metrics:
            return {}
        path, count = self.folder / "resamples.npz", int(self.metrics["resamples"]["count"])
        rows = {
            kind: self.metrics.get(kind) or [] for kind in ("classification", "decisions", "localization", "subgroups")
        }
        rows |= {f"floor {name}": of_floor for name, of_floor in (self.metrics.get("floors") or {}).items()}
        wanted = {kind: (len(of_kind), count) for kind, of_kind in rows.items() if of_kind}
        if rows["localization"]:
            groups = dict.fromkeys(["", *(row["group"] for row in rows["subgroups"])])
            wanted |= {f"pairs {group}".rstrip(): (len(self.boxed_findings), count) for group in groups}
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
            raise DataError(f"{path} cannot be read ({problem}); score this split again.") from None
        if {name: samples.shape for name, samples in found.items()} != wanted:
            raise DataError(f"{path} holds other numbers than metrics.json beside it; score this split again.")
        return found

    @property
    def drawn_from(self) -> str | None:
        """What the resamples were drawn from: scores of the same have paired differences."""
        return (self.metrics.get("resamples") or {}).get("drawn_from")

    @cached_property
    def run(self) -> dict[str, Any]:
        """run.json, or nothing where the variant was not trained here."""
        return _json(self.folder / "run.json", required=False)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Training settings, from run.json or the card of the tested weights; nothing where neither holds them."""
        if "settings" in self.run:
            return dict(self.run["settings"])
        model, card = self.folder / "model.safetensors", self.folder / CARD  # of restored results only the card
        if model.exists():
            return dict(Card.read(model).settings)
        return dict(Card.parse(_json(card, required=True), card).settings) if card.exists() else {}

    @property
    def undefined_checkpoint(self) -> str | None:
        """Why no epoch is the checkpoint that is tested, so that the last stands in its place; None where one is."""
        reason = (self.run.get("undefined_checkpoints") or {}).get(self.settings.get("checkpoint"))
        return None if reason is None else str(reason)

    @property
    def empty_maps(self) -> list[str]:
        """Findings with pairs whose predicted regions are all empty."""
        empty = self.localization["empty"].astype(bool)
        return [str(name) for name, pairs in empty.groupby(self.localization["finding"], sort=False) if pairs.all()]

    @cached_property
    def curves(self) -> dict[str, Any]:
        """curves.json: ``roc``, ``precision_recall`` and ``reliability``, each finding to its curve."""
        return _json(self.folder / "curves.json", required=False)

    @cached_property
    def reliability(self) -> dict[str, dict[str, list[float]]]:
        """curves.json's reliability diagrams: finding to probability, positives and images of its bins."""
        return dict(self.curves.get("reliability") or {})

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """history.csv, a row an epoch; None where the variant was not trained here."""
        return _csv(self.folder / "history.csv", ("epoch",))

    @cached_property
    def localization(self) -> pd.DataFrame:
        """localization.csv, a row a pair of image and finding; empty where no test image has boxes."""
        return _table(self.folder / "localization.csv", LOCALIZATION_COLUMNS)

    @cached_property
    def classification(self) -> pd.DataFrame:
        """classification.csv, a row a test image: labels and probabilities; empty where it was not scored."""
        return _table(self.folder / "classification.csv", ("image", "patient"))

    @cached_property
    def cuts(self) -> pd.DataFrame | None:
        """cuts.csv: IoU of the same pairs where their maps are cut elsewhere; None where it was not scored."""
        return _csv(self.folder / "cuts.csv", ("image", "patient", "finding"))

    @property
    def fixed_cut(self) -> float:
        """Where the normalised map is cut for localization.csv (method, section 1)."""
        rule = self.metrics["region"]
        return float(rule["threshold"] + math.log(rule["certainty"] / (1 - rule["certainty"])) / rule["slope"])

    @property
    def checkpoint(self) -> str:
        """Which weights are tested and what chose them: ``last epoch``, ``best-t-iou on test images``, ``best-auc on
        other images``; blank where it is not recorded."""
        name = str(self.settings.get("checkpoint") or "")
        if not name or name == "last" or self.undefined_checkpoint is not None:
            return "last epoch" if name else ""
        where = {True: " on test images", False: " on other images", None: ""}[self.validated_on_test]
        return name + where

    @property
    def validated_on_test(self) -> bool | None:
        """Whether the list that chose the checkpoint is a test list; None where the lists are not recorded."""
        trained, tested = self.run.get("lists"), self.metrics.get("lists")
        if not trained or not tested:
            return None
        chosen = {trained.get("validation"), trained.get("validation_boxes")} - {None}
        return bool(chosen & ({tested.get("test"), tested.get("test_boxes")} - {None}))

    @cached_property
    def floors(self) -> pd.DataFrame:
        """floors.csv: the same pairs for each map that never looks at the image; empty where there are none."""
        return _table(self.folder / "floors.csv", FLOOR_COLUMNS)


def read_results(folders: Iterable[Path | str]) -> list[SplitResult]:
    """The result folders as SplitResult, each once; DataError where one has no metrics.json.

    Experiments and variants stand in the order given, the splits of each in the order people count.
    """
    results = [SplitResult(folder) for folder in dict.fromkeys(map(Path, folders))]
    for result in results:
        _ = result.metrics
    return [
        result
        for experiment in experiments_of(results).values()
        for group in variants_of(experiment).values()
        for result in sorted(group, key=lambda result: _counting(result.split))
    ]


def refuse_other_plans(plans: Mapping[str, str | None]) -> None:
    """DataError where the results in a folder were made with other settings or code than those now asked for.

    ``plans`` is the folder of each split to the digest that its metrics.json must bear; None: the split was restored,
    and its files must be those of the package (:mod:`ham.packaging`).
    """
    refuse_other_than_restored([Path(folder) for folder, plan in plans.items() if plan is None])
    made = {folder: plan for folder, plan in plans.items() if plan is not None}
    others = [folder for folder, plan in made.items() if SplitResult(Path(folder)).metrics.get("plan") != plan]
    if others:
        more = f" (and {len(others) - 1} others)" if len(others) > 1 else ""
        raise DataError(
            f"{others[0]}/metrics.json{more} comes from other settings or code than those asked for now: make it again "
            f"with snakemake {others[0]}/metrics.json --cores all"
        )


def accepted_splits(plans: Mapping[str, str | None], dataset_folder: Path | None = None) -> list[Path]:
    """The folders of ``plans``, in their order, once :func:`refuse_other_plans` has none to refuse; for what puts the
    data set in ``dataset_folder`` beside the scores, DataError also where restored ones are of another."""
    refuse_other_plans(plans)
    if dataset_folder is not None:
        refuse_other_data([Path(folder) for folder, plan in plans.items() if plan is None], dataset_folder)
    return [Path(folder) for folder in plans]


def natural(names: Iterable[str]) -> list[str]:
    """Names in the order people count: fold9 before fold10."""
    return sorted(names, key=_counting)


def _counting(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def once_a_split(results: Sequence[SplitResult]) -> list[SplitResult]:
    """A result of each split, whichever variant has it: what is counted of the truth is the same for all."""
    once: dict[str, SplitResult] = {}
    for result in results:
        once.setdefault(result.split, result)
    return [once[split] for split in natural(once)]


def subject_of(row: Mapping[str, Any]) -> Subject:
    """What a row of metrics.json is of."""
    return Subject(str(row["scope"]), str(row["finding"]))


def findings_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Findings of a list of metric rows in their order, without means and abnormality."""
    return list(dict.fromkeys(str(row["finding"]) for row in rows if row["scope"] == "finding"))


def prior_note(results: Sequence[SplitResult]) -> str:
    """A sentence on what the location prior knows; empty where it is not recorded."""
    sources = dict.fromkeys(result.prior_from for result in results if result.boxed_findings and result.prior_from)
    return f"The location prior is made from {' or '.join(sources)}." if sources else ""


def published_of(results: Sequence[SplitResult]) -> str | None:
    """The data set whose published numbers may stand beside ``results``, which are of one data set; None: no such."""
    return results[0].published if results else None


def variants_of(results: Sequence[SplitResult]) -> dict[str, list[SplitResult]]:
    """Results of each variant, in order of first appearance."""
    groups: dict[str, list[SplitResult]] = {}
    for result in results:
        groups.setdefault(result.variant, []).append(result)
    return groups


def seeds_of(results: Sequence[SplitResult]) -> dict[str, list[list[SplitResult]]]:
    """Results of each seed of each variant, in order of first appearance."""
    groups: dict[str, list[list[SplitResult]]] = {}
    for group in variants_of(results).values():
        groups.setdefault(group[0].base, []).append(group)
    return groups


def experiments_of(results: Sequence[SplitResult]) -> dict[str, list[SplitResult]]:
    """Results of each experiment, in order of first appearance."""
    groups: dict[str, list[SplitResult]] = {}
    for result in results:
        groups.setdefault(result.experiment, []).append(result)
    return groups


def _json(path: Path, required: bool) -> dict[str, Any]:
    if not path.exists():
        if required:
            raise DataError(f"{path} is not there; score this split before its report.")
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise DataError(f"{path} is not JSON ({problem}); remove it and make it again.") from None
    if not isinstance(value, dict):
        raise DataError(f"{path} should hold an object; remove it and make it again.")
    return value


def _csv(path: Path, needed: Sequence[str]) -> pd.DataFrame | None:
    if not path.exists() or path.stat().st_size == 0:
        return None
    table = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=["", "nan", "NaN"])
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the column {', '.join(missing)}; remove it and make it again.")
    return table


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    table = _csv(path, columns)
    return pd.DataFrame(columns=list(columns)) if table is None else table
