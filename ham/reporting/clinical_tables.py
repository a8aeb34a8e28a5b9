"""Tables that a clinician asks for: at which threshold, and for whom."""

from __future__ import annotations

import math

import pandas as pd

from ham.reporting.cells import NOTHING, Table, TableRow, number_text
from ham.reporting.comparison_tables import difference_cell
from ham.reporting.differences import Differences
from ham.reporting.numbers import Numbers, Wanted
from ham.reporting.settings import ReportingSettings
from ham.scoring.decision_names import MEASURES, POINTS, TARGET, YOUDEN
from ham.scoring.metric_rows import ABNORMALITY, MEAN, Subject

POINT_NAMES = {YOUDEN: "Youden's threshold", TARGET: "threshold of the target sensitivity"}
SHOWN_AS = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}


def operating_points_table(numbers: Numbers) -> Table:
    """Sensitivity, specificity and predictive values of each finding at the thresholds of the validation images."""
    subjects = [*map(Subject.of_finding, numbers.findings("classification")), ABNORMALITY, MEAN]
    rows = []
    for variant in numbers.variants:
        for point in POINTS:
            for subject in subjects:
                wanted: list[Wanted] = [(f"{measure}_at_{point}", None, subject) for measure in MEASURES]
                found = [numbers.number(variant, numbers.summary(variant), number) for number in wanted]
                if any(math.isfinite(number.value) for number in found):
                    chosen = "" if subject.is_mean else _thresholds(numbers, variant, point, subject)
                    rows.append(
                        TableRow(
                            subject.finding,
                            [chosen, *(number_text(number.value) for number in found)],
                            "model",
                            block=f"{variant}: {POINT_NAMES[point]}",
                            intervals=["", *(number.interval for number in found)],
                        )
                    )
    none = ("threshold_at_youden", None, MEAN)
    reasons = dict.fromkeys(
        number.reason
        for variant in numbers.variants
        for split in numbers.splits_of[variant]
        if (number := numbers.number(variant, split, none)).reason
    )
    if reasons and not rows:
        rows.append(TableRow("none", [NOTHING] * (1 + len(MEASURES)), "model"))
    caption = (
        "An image is called positive from a probability on that was chosen on validation images, none of them a test "
        "image: where sensitivity plus specificity is largest (Youden), and the highest at which sensitivity reaches "
        "the target. What is shown is of the test images, mean over the splits; thresholds from the least to the "
        "largest. PPV and NPV depend on how frequent the finding is among these images."
    )
    columns = [("", "threshold"), *(("", SHOWN_AS[measure]) for measure in MEASURES)]
    notes = [f"{reason[0].upper()}{reason[1:]}." for reason in reasons]
    return Table("Operating points", caption, columns, rows, notes, main=False)


def _thresholds(numbers: Numbers, variant: str, point: str, subject: Subject) -> str:
    """``0.312``, or ``0.280 to 0.341`` of several splits."""
    chosen = (numbers.value(variant, split, (f"threshold_at_{point}", None, subject)) for split in numbers.splits)
    texts = [number_text(level) for level in sorted(level for level in chosen if math.isfinite(level))]
    return " to ".join(dict.fromkeys([texts[0], texts[-1]])) if texts else NOTHING


def subgroups_table(table: pd.DataFrame, compared: pd.DataFrame | None, settings: ReportingSettings) -> Table:
    """AUC, T(IoU) and what is decided of each group of images, and less those of the largest group; no rows where all
    are alike."""
    rows: list[TableRow] = []
    columns: list[tuple[str, str]] = []
    for group in dict.fromkeys(table["group"]):
        numbers = Numbers(table, group)
        levels = numbers.thresholds("t_iou", settings.t_iou_thresholds)
        decided = [name for name in (f"sensitivity_at_{YOUDEN}", f"specificity_at_{YOUDEN}") if numbers.has(name)]
        wanted: list[tuple[Wanted, bool]] = [(("auc", None, MEAN), False)]
        wanted += [((name, None, MEAN), False) for name in decided]
        wanted += [(("t_iou", level, MEAN), True) for level in levels]
        columns = [
            ("", "images"),
            ("", "pairs"),
            ("AUC", "mean"),
            *((POINT_NAMES[YOUDEN], name.split("_")[0]) for name in decided),
            *(("T(IoU), mean", f"{level:g}") for level in levels),
        ]
        differences = Differences(compared, group) if compared is not None else None
        for variant in numbers.variants:
            rows += _subgroup(numbers, differences, variant, group, wanted, settings.subgroup_minimum)
    caption = (
        "The same weights, thresholds and maps on groups of the test images: AUC, sensitivity and specificity, mean "
        "over the splits; T(IoU), all pairs of all splits together; means over the findings that a group has. Less: "
        "paired difference to the largest group, the mean over the splits in which both have the same findings. *: the "
        "interval does not hold 0. Groups differ in more than their name: in how ill they are, and in which findings "
        "they have."
    )
    return Table("Subgroups", caption, columns, sorted(rows, key=lambda row: row.block), main=False)


def _subgroup(
    numbers: Numbers,
    differences: Differences | None,
    variant: str,
    group: str,
    wanted: list[tuple[Wanted, bool]],
    minimum: int,
) -> list[TableRow]:
    """A row of a group, and one of its differences to the largest."""
    found = [numbers.number(variant, numbers.summary(variant, pooled), number) for number, pooled in wanted]
    counts = [numbers.images(variant), max(number.n_pairs for number in found)]
    enough = [counts[number[0] == "t_iou"] >= minimum for number, _ in wanted]
    grouping, value = group.split("=", 1)

    def row(label: str, first: list[str], shown: list[tuple[str, str]], kind: str) -> TableRow:
        texts = [text if few else f"n < {minimum}" for (text, _), few in zip(shown, enough, strict=True)]
        intervals = [span if few else "" for (_, span), few in zip(shown, enough, strict=True)]
        return TableRow(label, first + texts, kind, [], f"{variant}: {grouping}", intervals=["", "", *intervals])

    scores = [(number_text(number.value), number.interval) for number in found]
    out = [row(value, [f"{count:,}" for count in counts], scores, "model")]
    if differences is None or not any(enough):
        return out
    for _, reference in differences.compared:
        less = [difference_cell(differences.number(variant, reference, number)) for number, _ in wanted]
        out.append(row(f"{value} less {reference.split('=', 1)[1]}", ["", ""], less, "split"))
    return out
