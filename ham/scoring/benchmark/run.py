"""Any method against any truth: a tidy table of methods, floors and truths (docs/benchmark.md).

Images are those of one list of the data set that are there and that the truth says anything of; those that a method
was trained on are left out of its rows and counted. A map that is missing predicts nothing; a finding that a method
does not look for is in none of its means. Intervals are of resampled patients, with the cuts as they were chosen.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from ham.boxes import Box, resized_mask
from ham.datasets.dataset import Dataset
from ham.errors import DataError, SettingsError, list_some
from ham.model.metrics import auc
from ham.runtime.files import write_json, written
from ham.runtime.progress import track
from ham.scoring.benchmark.detections import Detection, average_precisions
from ham.scoring.benchmark.maps import MapsDescription, names_of
from ham.scoring.benchmark.measures import Measured
from ham.scoring.benchmark.methods import PRIOR, Method, OutsideDetector, OutsideMethod, make_floors, open_method
from ham.scoring.benchmark.rows import COLUMNS, About, Compared, CutChoice, ap_rows, auc_rows, pair_rows
from ham.scoring.benchmark.settings import Protocol
from ham.scoring.benchmark.tables import read_header, read_rows
from ham.scoring.benchmark.truths import OutsideTruth, TruthDescription, describe_truth, read_truth
from ham.scoring.intervals import Resampling
from ham.scoring.truth import Pair, Truth

log = logging.getLogger("ham")
TRUTHS = Path(__file__).resolve().parents[3] / "config/truths"
TEST_LIST = "Main/test_list"
DEFAULTS = Protocol()
Probabilities = Mapping[str, Mapping[str, float]]  # {image: {our finding: probability}}


@dataclass(frozen=True)
class Request:
    """What is compared: folders of maps, descriptions of truths, and how."""

    dataset: Path
    maps: tuple[Path, ...]
    truths: tuple[Path, ...]
    probabilities: Path | None = None
    cut: CutChoice = "published"
    protocol: Protocol = DEFAULTS

    @property
    def truth_files(self) -> Path:
        """Where the files of truths lie that do not lie beside their description."""
        given = self.protocol.truth_files
        return Path(given) if given else self.dataset.parent / "truths"


@dataclass(frozen=True)
class Contender:
    """Anyone's method as it was given: its folder, description, images in training and probabilities."""

    folder: Path
    description: MapsDescription
    trained: frozenset[str]
    probabilities: Probabilities

    @classmethod
    def read(cls, folder: Path, probabilities: Path | None) -> Contender:
        """From ``folder``; ``probabilities`` in place of those that maps.yaml names."""
        description = MapsDescription.read(folder)
        named = folder / description.probabilities if description.probabilities else None
        path = probabilities or named
        found = read_probabilities(path, description) if path else {}
        return cls(folder, description, description.trained_images(folder), found)

    def knew(self, image: str) -> bool:
        """Whether an image was in training."""
        return not self.trained.isdisjoint(names_of(image))


def find_truth(name: str) -> Path:
    """The description of a truth by its name in config/truths, or the YAML file that ``name`` is."""
    kept = TRUTHS / f"{name}.yaml"
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    if not kept.is_file():
        names = list_some(sorted(path.stem for path in TRUTHS.glob("*.yaml")))
        raise SettingsError(f"{name[:100]} is no truth: there are {names}, or name a YAML file.")
    return kept


def choose_cut(name: str) -> CutChoice:
    """How maps are cut, by its name."""
    for choice in get_args(CutChoice):
        if choice == name:
            return choice
    raise SettingsError(f"cut: {name[:100]} is none of {', '.join(get_args(CutChoice))}.")


def evaluate(request: Request, output: Path) -> None:
    """Write benchmark.csv (``COLUMNS``), pairs.csv, missing.csv and benchmark.json into ``output``.

    DataError or SettingsError where maps, truth or data set cannot be read, or nothing is left to score.
    """
    dataset = Dataset.open(request.dataset)
    truths = [read_truth(path, dataset, request.truth_files) for path in request.truths]
    contenders = [Contender.read(folder, request.probabilities) for folder in request.maps]
    _check(request, contenders, truths, dataset)
    found = _Found([], [], [])
    listed = request.protocol.images or (TEST_LIST if TEST_LIST in dataset.info["lists"] else None)
    size = request.protocol.size
    for truth in truths:
        log.info("%s", describe_truth(truth))
        scored = _Scored.of(truth, dataset, listed, request)
        below = _Found([], [], [])
        for floor in make_floors(scored.truth.pairs, size) if scored.truth.pairs else ():
            scored.score(floor, None, below)
        for contender in contenders:
            with open_method(contender.folder, contender.description, truth.findings, size, dataset) as method:
                scored.score(method, contender, found)
        found.add(below)
    _write(output, found, request, {"dataset": dataset.name, "list": listed})


def _check(request: Request, contenders: Sequence[Contender], truths: Sequence[OutsideTruth], dataset: Dataset) -> None:
    kept = [TruthDescription.read(path).findings for path in sorted(TRUTHS.glob("*.yaml"))]
    known = [
        *dataset.findings,
        *(finding for findings in [*kept, *(t.findings for t in truths)] for finding in findings),
    ]
    for contender in contenders:
        contender.description.require_known(contender.folder, known)
    for kind, names in (
        ("methods", [contender.description.method for contender in contenders]),
        ("truths", [truth.name for truth in truths]),
    ):
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise DataError(f"two {kind} are called {twice[0]}: give each a name of its own.")
    if request.probabilities and len(request.maps) > 1:
        raise DataError("--probabilities is of one method: name each one's as probabilities: in its maps.yaml.")


class _Found(NamedTuple):
    """Rows of benchmark.csv, tables of pairs, and what was counted, a method and truth each."""

    rows: list[dict[str, Any]]
    tables: list[pd.DataFrame]
    counts: list[dict[str, Any]]

    def add(self, other: _Found) -> None:
        """Add what was found of others."""
        self.rows.extend(other.rows)
        self.tables.extend(other.tables)
        self.counts.extend(other.counts)


@dataclass(frozen=True)
class _Scored:
    """A truth as scoring takes it, on the images that are scored; ``prior`` is filled by the location prior: IoU by
    image and finding."""

    truth: Truth
    boxes: Mapping[str, Mapping[str, Sequence[Box]]]
    parts: Mapping[str, Sequence[str]]
    dataset: Dataset
    request: Request
    resampling: Resampling
    prior: dict[tuple[str, str], float]

    @classmethod
    def of(cls, given: OutsideTruth, dataset: Dataset, listed: str | None, request: Request) -> _Scored:
        listed_images = (
            dataset.listed(listed) if listed else [i for i in dataset.table.index if i not in dataset.missing]
        )
        images = [image for image in listed_images if image in given.images]
        if not images:
            raise DataError(f"no image of {listed or dataset.name} that is there is in the truth {given.name}.")
        findings = tuple(given.findings)
        labels = np.array([[given.labels[i].get(name, math.nan) for name in findings] for i in images], np.float32)
        truth = Truth(
            given.name, findings, findings, tuple(images), tuple(map(dataset.patient, images)), labels,
            tuple(given.pairs(dataset, images)),
        )  # fmt: skip
        resampling = Resampling.of_truth(truth, request.protocol.scoring.resamples, request.protocol.scoring.seed)
        return cls(truth, given.boxes, given.findings, dataset, request, resampling, {})

    def score(self, method: Method, contender: Contender | None, found: _Found) -> None:
        """Add rows, pairs and counts of a method to what was ``found``."""
        about = About(method.name, self.truth.name)
        pairs = [
            pair
            for pair in self.truth.pairs
            if method.looks_for(pair.finding) and not (contender and contender.knew(pair.image))
        ]
        measured, size = Measured.empty(len(pairs), method.cut, method.rule), self.request.protocol.size
        for row, pair in enumerate(track(pairs, f"{method.name}, {self.truth.name}", len(pairs))):
            measured.measure(row, method.scaled(pair), pair.mask(size), list(self._on_square(pair)))
        absent = int(measured.missing.sum())
        if pairs and absent == len(pairs):
            raise DataError(
                f"{contender.folder if contender else method.name}: none of {len(pairs)} maps for {self.truth.name} "
                f"is there, {pairs[0].image}/{pairs[0].finding} for one: see how files are named in docs/benchmark.md."
            )
        if absent:
            log.warning("%s, %s: %d of %d maps are missing (missing.csv)", *about, absent, len(pairs))
        if method.name == PRIOR:
            own = zip(pairs, measured.iou[:, measured.published], strict=True)
            self.prior.update({(pair.image, pair.finding): iou for pair, iou in own})
        if pairs:
            protocol = self.request.protocol.scoring
            prior = None if method.floor else np.array([self.prior[pair.image, pair.finding] for pair in pairs])
            compared = Compared(pairs, measured, prior)
            found.rows.extend(pair_rows(about, compared, self.request.cut, protocol, self.resampling))
            found.tables.append(_pair_table(about, pairs, measured))
        if contender and contender.probabilities:
            found.rows.extend(self._auc_rows(about, contender))
        if pairs and contender and isinstance(method, OutsideMethod | OutsideDetector):
            found.rows.extend(self._ap_rows(about, contender, method))
        found.counts.append(
            about._asdict()
            | {"floor": method.floor, "findings": list(dict.fromkeys(pair.finding for pair in pairs))}
            | {"images": len({pair.image for pair in pairs}), "pairs": len(pairs), "missing": absent}
            | {"left_out_trained_on": sum(map(contender.knew, self.truth.images)) if contender else 0}
        )

    def _on_square(self, pair: Pair) -> Iterator[Box]:
        width, height = self.dataset.size(pair.image)
        across, down = self.request.protocol.size / width, self.request.protocol.size / height
        for box in self.boxes[pair.image][pair.finding]:
            yield Box(box.x0 * across, box.y0 * down, box.x1 * across, box.y1 * down)

    def _ap_rows(
        self, about: About, contender: Contender, method: OutsideMethod | OutsideDetector
    ) -> list[dict[str, Any]]:
        """COCO's AP over all images of the truth, of a detector or of maps whose probabilities are given."""
        if not (contender.probabilities or isinstance(method, OutsideDetector)):
            return []
        images = [image for image in self.truth.images if not contender.knew(image)]
        findings = [finding for finding in self.parts if method.looks_for(finding)]
        detections = []
        for image in track(images, f"{about.method}, {about.truth}: detections", len(images)):
            for finding in findings:
                pair = Pair(image, finding, self.dataset.patient(image), 0, partial(resized_mask, [], 1, 1))
                found = method.detections(pair, self._probability(contender, image, finding))
                detections += [Detection(image, finding, box, score) for box, score in found]
        inside = frozenset(images)
        own = [pair for pair in self.truth.pairs if pair.image in inside and pair.finding in findings]
        truth = {(pair.image, pair.finding): list(self._on_square(pair)) for pair in own}
        counts = Counter(finding for (_, finding), boxes in truth.items() for _ in boxes)
        found_ap = average_precisions(images, findings, truth, detections)
        return ap_rows(about, found_ap, counts, method.rule, self.request.protocol.scoring.leave_out)

    def _probability(self, contender: Contender, image: str, finding: str) -> float | None:
        """The highest probability of a finding of the truth, or of ours that say it; None where none is given."""
        names = [finding, *self.parts[finding]]
        given = [p for name in names if (p := _probability(contender, image, name)) is not None]
        return max(given, default=None)

    def _auc_rows(self, about: About, contender: Contender) -> list[dict[str, Any]]:
        """AUC of every finding whose labels the truth knows, both present and absent, by the given probabilities."""
        found: dict[str, tuple[np.ndarray, np.ndarray, list[str]]] = {}
        rows = [n for n, image in enumerate(self.truth.images) if not contender.knew(image)]
        for column, finding in enumerate(self.truth.findings):
            known = [
                (self.truth.labels[n, column], score, self.truth.patients[n])
                for n in rows
                if not math.isnan(self.truth.labels[n, column])
                and (score := self._probability(contender, self.truth.images[n], finding)) is not None
            ]
            labels = np.array([label for label, _, _ in known])
            scores = np.array([score for _, score, _ in known])
            if len(known) and not math.isnan(auc(labels, scores)):
                found[finding] = labels, scores, [patient for _, _, patient in known]
        return auc_rows(about, found, self.resampling, self.request.protocol.scoring.leave_out)


def _probability(contender: Contender, image: str, finding: str) -> float | None:
    for name in names_of(image):
        if name in contender.probabilities:
            return contender.probabilities[name].get(finding)
    return None


def read_probabilities(path: Path, description: MapsDescription) -> dict[str, dict[str, float]]:
    """Probabilities by image and finding (our names) of a CSV: image, a column a finding of ``description``."""
    header, ours = read_header(path), description.ours
    columns = [name for name in header if ours.get(name)]
    if not columns:
        raise DataError(f"{path} has no column of a finding of maps.yaml ({list_some(list(ours))}).")
    out: dict[str, dict[str, float]] = {}
    for line, row in read_rows(path, ["image"]):
        values = {}
        for name in columns:
            try:
                value = float(row[name])
            except ValueError:
                value = math.nan
            if not 0 <= value <= 1:
                raise DataError(f"{path}, line {line}: {row[name][:50]!r} is no probability of {name} from 0 to 1.")
            values[str(ours[name])] = value
        if row["image"] in out:
            raise DataError(f"{path}, line {line}: the image {row['image'][:100]} stands there twice.")
        out[row["image"]] = values
    return out


def _pair_table(about: About, pairs: Sequence[Pair], measured: Measured) -> pd.DataFrame:
    cut = measured.published
    return pd.DataFrame(
        {
            "method": about.method, "truth": about.truth,
            "image": [pair.image for pair in pairs], "patient": [pair.patient for pair in pairs],
            "finding": [pair.finding for pair in pairs], "boxes": [pair.boxes for pair in pairs],
            "iou": measured.iou[:, cut], "ior": measured.ior[:, cut], "predicted_area": measured.area[:, cut],
            "pointing": measured.pointing, "missing": measured.missing.astype(int),
        }
    )  # fmt: skip


def _write(output: Path, found: _Found, request: Request, about: dict[str, Any]) -> None:
    if not found.rows:
        raise DataError(
            "nothing was scored: the truths have no boxes, and no probabilities were given for their labels."
        )
    pairs = pd.concat(found.tables, ignore_index=True) if found.tables else pd.DataFrame(columns=["missing"])
    for name, table in (
        ("benchmark", pd.DataFrame(found.rows, columns=list(COLUMNS))),
        ("pairs", pairs),
        ("missing", pairs[pairs["missing"] == 1].drop(columns="missing")),
    ):
        with written(output / f"{name}.csv") as path:
            table.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")
    protocol = {"cut": request.cut, "size": request.protocol.size, **request.protocol.scoring.plain()}
    write_json(output / "benchmark.json", about | {"protocol": protocol, "scored": found.counts})
