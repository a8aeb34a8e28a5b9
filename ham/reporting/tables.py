"""The tidy table of an experiment: the numbers of its splits, with mean, standard deviation and pooled value."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ham.errors import DataError
from ham.reporting import result_tables
from ham.reporting.comparison_tables import Beside
from ham.reporting.cuts import compare_cuts, cuts_beside
from ham.reporting.differences import differences, differences_beside
from ham.reporting.image_counts import images_line
from ham.reporting.latex import latex
from ham.reporting.markdown import markdown
from ham.reporting.results import SplitResult, once_a_split, prior_note, published_of, read_results, seeds_of
from ham.reporting.settings import ReportingSettings
from ham.reporting.summaries import COUNTS, TidyRow, join_pairs, over_seeds, pooled_numbers, with_summaries
from ham.runtime.files import write_text
from ham.scoring.decision_names import DECIDED

COLUMNS = (
    "experiment", "variant", "split", "truth", "kind", "metric", "threshold", "scope", "finding", "value", "low",
    "high", "n_undefined", "n_images", "n_positive", "n_pairs", "n_findings", "n_splits", "reason",
    "checkpoint", "cut", "group", "seed", "n_seeds",
)  # fmt: skip
TEXT = (
    "experiment", "variant", "split", "truth", "kind", "metric", "scope", "finding", "reason", "checkpoint", "cut",
    "group",
)  # fmt: skip
VALUES = ("value", "low", "high")
KIND_OF = {"auc": "classification", "t_iou": "localization"} | dict.fromkeys(DECIDED, "decisions")  # of subgroups
# Rows of images with a finding, and their names in metrics.json
OF_FINDING = {
    "listed": "positives_listed", "present": "positives", "boxes_listed": "pairs_listed", "boxes_present": "pairs",
}  # fmt: skip


def write_tables(splits: Sequence[Path], output_csv: Path, settings: ReportingSettings) -> None:
    """Write the tidy table of one experiment, beside it its .md and .tex views, and differences/, subgroups/,
    cuts/ and seeds/<experiment>.csv.

    ``splits`` are result folders of all splits and variants of the experiment. DataError where they belong to several
    experiments, or a folder lacks its scores.
    """
    results = read_results(splits)
    rows = tidy_rows(results)
    table, subgroups = framed(of_all_images(rows)), framed([row for row in rows if row["group"]])
    compared = differences(rows)
    cuts = compare_cuts([result for result in results if result.base == result.variant])
    output_csv = Path(output_csv)
    for path, written in (
        (output_csv, table),
        (differences_beside(output_csv), compared),
        (subgroups_beside(output_csv), subgroups),
        (cuts_beside(output_csv), cuts),
        (seeds_beside(output_csv), framed(seed_rows(results))),
    ):
        write_text(path, written.to_csv(index=False, lineterminator="\n"))
    beside = Beside(compared, cuts, subgroups)
    shown = result_tables.build_tables(table, settings, prior_note(results), published_of(results), beside)
    images = images_line(table)
    write_text(output_csv.with_suffix(".md"), markdown(shown, images))
    write_text(output_csv.with_suffix(".tex"), latex(shown, images, output_csv.stem))


def read_table(path: Path) -> pd.DataFrame:
    """A tidy table as ``tidy`` gives it; blank numbers are NaN, blank texts are ''."""
    numbers = {column: [""] for column in COLUMNS if column not in TEXT}
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=numbers)


def tidy(results: Sequence[SplitResult]) -> pd.DataFrame:
    """All numbers of all images of one experiment, one a row, with the columns ``COLUMNS``."""
    return framed(of_all_images(tidy_rows(results)))


def of_all_images(rows: Iterable[TidyRow]) -> list[TidyRow]:
    """The rows that are of no subgroup."""
    return [row for row in rows if not row["group"]]


def subgroups_beside(table: Path) -> Path:
    """Where the numbers of an experiment's subgroups stand, whose tidy table is ``table``; columns are the same."""
    return table.parent / "subgroups" / table.name


def seeds_beside(table: Path) -> Path:
    """Where the numbers of each seed stand, whose means are in the tidy table ``table``; columns are the same."""
    return table.parent / "seeds" / table.name


def framed(rows: Sequence[TidyRow]) -> pd.DataFrame:
    """Rows as the table that is written."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in COUNTS:
        table[column] = table[column].astype("Int64")
    return table


def tidy_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """All numbers of one experiment, those of subgroups among them.

    A row of a split is one of metrics.json (:mod:`ham.scoring.metric_rows`). With more than one split of a variant
    follow, for each number, ``mean`` and ``sd`` over the splits where it is defined (ddof 1) and, for localization,
    ``pooled``: the share over all pairs of all splits. A mean over findings that is not over the same findings in each
    of these splits has no mean over them: blank, with the reason.
    A variant that was trained with several seeds has in each split the mean over them, and last ``seed sd``: the
    standard deviation over seeds of each seed's mean over splits.

    ==========  ========================================================================================================
    column      meaning, blank where it has none
    ==========  ========================================================================================================
    low, high   95 % interval (:mod:`ham.scoring.intervals`): of ``mean`` and ``pooled`` each split resampled by itself
    n_undefined resamples, of a thousand unless configured otherwise, in which the value was undefined; blank: none
    scope       what the number is of: finding, abnormality, mean, mean_without (one finding), images
    n_images    test images whose label is known; of kind ``images`` those that are counted
    n_positive  those of them that have the finding
    n_pairs     pairs of image and finding
    n_findings  findings in a mean
    n_splits    splits behind the value: 1 in the row of a split; of ``mean``, ``sd`` and ``pooled`` those where it is
                defined, over which the other counts are sums
    reason      why there is no value
    checkpoint  which weights were tested, and on which images they were chosen
    cut         of localization: where the normalised map is cut, and the frame in which regions are compared
    group       of subgroups: the images that it is of, such as ``view=AP``; blank: all
    seed        of the training; blank where it is not recorded, or the value is the mean over several
    n_seeds     seeds in the value
    ==========  ========================================================================================================

    Kind ``images`` counts the test images that the lists name and that were present, and those of the list with boxes
    (pooled: their sum); where some are absent, also those with each finding. Kind ``boxes``: ``box_share_median`` …,
    the share of the image that a finding's boxes cover. Variants named like a floor are the maps that never look at the
    image. DataError where the results are of several experiments.
    """
    experiments = {result.experiment for result in results}
    if len(experiments) != 1:
        raise DataError(f"A table is of one experiment, not of {len(experiments)}: {', '.join(sorted(experiments))}.")
    rows: list[TidyRow] = []
    for base, group in seeds_of(results).items():
        of_seeds = [_rows_of_variant(own, base) for own in group]
        pooled = [_pooled_variant(own, scored) for own, scored in zip(group, of_seeds, strict=True)]
        rows += with_summaries(of_seeds[0], pooled[0]) if len(group) == 1 else over_seeds(of_seeds, pooled)
    rows += _floor_rows(results)
    return rows + _image_rows(results) + _box_rows(results)


def seed_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """The numbers of each seed by itself, as :func:`tidy_rows` has them, ``seed`` beside the variant; nothing of
    variants with one seed."""
    rows: list[TidyRow] = []
    for base, group in seeds_of(results).items():
        for own in group if len(group) > 1 else ():
            scored = _rows_of_variant(own, base)
            rows += with_summaries(scored, _pooled_variant(own, scored))
    return of_all_images(rows)


def _rows_of_variant(group: Sequence[SplitResult], base: str) -> list[TidyRow]:
    """Rows of all splits of one seed, under the name of its variant."""
    return [row | {"variant": base} for result in group for row in _scored(result)]


def _pooled_variant(group: Sequence[SplitResult], scored: Sequence[TidyRow]) -> dict[tuple, dict[str, Any]]:
    localized = [row for row in scored if row["kind"] == "localization"]
    return pooled_numbers(localized, join_pairs(result.localization for result in group))


def _tidy_row(result: SplitResult, kind: str, scores: Mapping[str, Any], variant: str | None = None) -> TidyRow:
    value, low, high = (math.nan if scores.get(name) is None else float(scores[name]) for name in VALUES)
    threshold = scores.get("threshold")
    findings = scores.get("findings")
    return {
        "experiment": result.experiment,
        "variant": result.variant if variant is None else variant,
        "split": result.split,
        "truth": result.truth,
        "kind": kind,
        "metric": scores["metric"],
        "threshold": math.nan if threshold is None else float(threshold),
        "scope": scores["scope"],
        "finding": scores["finding"],
        "value": value,
        "low": low,
        "high": high,
        "n_undefined": scores.get("n_undefined", pd.NA),
        **{name: pd.NA if scores.get(name) is None else int(scores[name]) for name in COUNTS[:3]},
        "n_findings": pd.NA if findings is None else len(findings),
        "n_splits": 1,
        "reason": scores.get("reason") or "",
        "checkpoint": "" if variant or kind in ("images", "boxes") else result.checkpoint,
        "cut": _cut(result, variant) if kind == "localization" else "",
        "group": scores.get("group") or "",
        "seed": pd.NA if variant or result.seed is None else result.seed,
        "n_seeds": pd.NA if variant else 1,
        "findings": None if findings is None else tuple(findings),
        "samples": None,
        "drawn": None,
        "drawn_from": result.drawn_from,
    }


def _cut(result: SplitResult, floor: str | None) -> str:
    if floor:
        return "best on the boxes it is made from" if floor == "location-prior" else ""
    return (
        f"fixed at {result.fixed_cut:.3g}, in {result.metrics['region']['size']} x {result.metrics['region']['size']}"
    )


def _scored(result: SplitResult) -> list[TidyRow]:
    kinds = ("classification", "decisions", "localization", "subgroups")
    rows = [row for kind in kinds for row in _rows_of(result, kind, result.metrics.get(kind) or [])]
    return rows + [_tidy_row(result, "decisions", row) for row in result.threshold_rows]


def _rows_of(result: SplitResult, kind: str, scores: Sequence[Mapping[str, Any]], floor: str = "") -> list[TidyRow]:
    """Rows of metrics.json as tidy rows, with their samples."""
    rows = [_tidy_row(result, KIND_OF.get(row["metric"], kind), row, variant=floor or None) for row in scores]
    samples = result.samples.get(f"floor {floor}" if floor else kind)
    if samples is not None:
        for row, own in zip(rows, samples, strict=True):
            drawn = result.samples.get(f"pairs {row['group']}".rstrip())
            weighed = row["scope"] == "finding" and row["kind"] == "localization" and drawn is not None
            place = result.boxed_findings.index(row["finding"]) if weighed else 0
            row |= {"samples": own, "drawn": drawn[place] if weighed and drawn is not None else None}
    return rows


def _floor_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """Floors of each split once: they look at the truth only, so that all variants of a split have the same."""
    once = once_a_split([result for result in results if result.metrics.get("floors")])
    names = dict.fromkeys(name for result in once for name in result.metrics["floors"])
    out: list[TidyRow] = []
    for name in names:
        rows = [
            row
            for result in once
            for row in _rows_of(result, "localization", result.metrics["floors"].get(name) or [], floor=name)
        ]
        pairs = join_pairs(result.floors[result.floors["floor"] == name] for result in once)
        out += with_summaries(rows, pooled_numbers(rows, pairs))
    return out


def _image_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    out: list[TidyRow] = []
    for group in (seeds[0] for seeds in seeds_of(results).values()):
        for name in ("listed", "present", "boxes_listed", "boxes_present"):
            out += _summed(group, name, "", [result.counts.get(name) for result in group])
        counts = [result.counts.get("findings") or {} for result in group]
        for finding in dict.fromkeys(finding for count in counts for finding in count):
            of_finding = [count.get(finding) or {} for count in counts]
            if any(_lacks(count) for count in of_finding):
                for name, key in OF_FINDING.items():
                    out += _summed(group, name, finding, [count.get(key) for count in of_finding])
    return out


def _box_rows(results: Sequence[SplitResult]) -> list[TidyRow]:
    """Share of the scored frame that the true regions of each finding cover, all splits together: the least, the median
    and the largest of its pairs."""
    once = [result for result in once_a_split(results) if len(result.localization)]
    shares: dict[str, list[float]] = {}
    for result in once:
        if "true_area" in result.localization:
            part = result.localization["true_area"] / int(result.metrics["region"]["size"]) ** 2
            for finding, own in part.groupby(result.localization["finding"], sort=False):
                shares.setdefault(str(finding), []).extend(own.tolist())
    out = []
    for finding, of_finding in shares.items():
        for name, value in (
            ("least", min(of_finding)),
            ("median", statistics.median(of_finding)),
            ("largest", max(of_finding)),
        ):
            about = {"metric": f"box_share_{name}", "scope": "finding", "finding": finding, "value": value}
            row = _tidy_row(once[0], "boxes", {**about, "n_pairs": len(of_finding)})
            out.append(row | {"split": "pooled" if len(once) > 1 else once[0].split, "n_splits": len(once)})
    return out


def _lacks(count: Mapping[str, Any]) -> bool:
    return any(count.get(f"{key}_listed", count.get(key)) != count.get(key) for key in ("positives", "pairs"))


def _summed(group: Sequence[SplitResult], metric: str, finding: str, numbers: Sequence[int | None]) -> list[TidyRow]:
    """Rows of counts, one a split where it is known, and their sum."""
    about = {"metric": metric, "scope": "finding" if finding else "images", "finding": finding}
    rows = [
        _tidy_row(result, "images", {**about, "value": number, "n_images": number})
        for result, number in zip(group, numbers, strict=True)
        if number is not None
    ]
    total = sum(int(row["n_images"]) for row in rows)
    summed = {"split": "pooled", "value": float(total), "n_images": total, "n_splits": len(rows)}
    return [*rows, rows[0] | summed] if len(rows) > 1 else rows
