"""The leakage audit as a reader sees it: two lines an experiment, its splits added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ham.errors import DataError
from ham.reporting.cells import Table, TableRow
from ham.reporting.results import SplitResult
from ham.scoring.leakage import COLUMNS
from ham.scoring.metric_rows import list_names

Run = tuple[str, str, str]  # experiment, variant, split

KINDS = {"classification": "all test images", "localization": "those with boxes"}
ALL_BOXED = "test images, all with boxes"
TITLE = "Test images that training or validation has seen"
CAPTION = (
    "How many test images are in training or validation themselves, and how many are of a patient who is. Added up "
    "over the splits of each experiment; tables/leakage/ has each split by itself."
)
COUNTS = {
    ("training has seen", "the image"): "test_images_in_train",
    ("training has seen", "the patient"): "test_images_of_train_patients",
    ("validation has seen", "the image"): "test_images_in_validation",
    ("validation has seen", "the patient"): "test_images_of_validation_patients",
}


def undefined_checkpoints(results: Sequence[SplitResult]) -> frozenset[Run]:
    """Experiment, variant and split of the trainings whose last epoch is tested for want of a best one."""
    return frozenset((r.experiment, r.variant, r.split) for r in results if r.undefined_checkpoint is not None)


def seen_of_the_test(paths: Sequence[Path], undefined: frozenset[Run] = frozenset()) -> Table:
    """The table of the audits of experiments; of a partial download only the images that were there. DataError where a
    file is none. ``undefined`` are trainings whose checkpoint nothing chose.

    All test images and those with boxes are one line where they are the same.
    """
    audit = pd.concat([read_audit(path) for path in paths], ignore_index=True)
    partial = (audit["images"] == "present").any()
    audit = audit[audit["images"] == ("present" if partial else "listed")]
    rows: list[TableRow] = []
    for (experiment, kind), group in audit.groupby(["experiment", "kind"], sort=False):
        row = TableRow(KINDS[str(kind)], _cells(group, undefined), "split", [], str(experiment))
        if rows and (rows[-1].block, rows[-1].cells) == (row.block, row.cells):
            rows[-1] = replace(row, label=ALL_BOXED)
        else:
            rows.append(row)
    columns = [("", "splits"), ("", "test images"), *COUNTS, ("", "tested weights chosen on")]
    notes = ["Images that are absent from this download are not counted here."] if partial else []
    return Table(TITLE, CAPTION, columns, rows, notes)


def read_audit(path: Path) -> pd.DataFrame:
    """The audit of an experiment; DataError where the file is none."""
    try:
        text = dict.fromkeys(("experiment", "variant", "split"), str)
        # blank where the weights were trained elsewhere
        audit = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"chosen_on_test": [""]})
        return audit[list(COLUMNS)]
    except (OSError, ValueError, KeyError) as problem:
        raise DataError(f"{path} is no leakage audit as ham writes it ({problem}): remove it and run again.") from None


def _cells(group: pd.DataFrame, undefined: frozenset[Run]) -> list[str]:
    """Of one experiment and kind: counts do not depend on the variant, the choice of the checkpoint does."""
    counted = group.drop_duplicates("split")
    total = int(counted["test_images"].sum())
    choices = {str(variant): _choices(rows, undefined) for variant, rows in group.groupby("variant", sort=False)}
    alike = len(set(choices.values())) == 1
    chosen = next(iter(choices.values())) if alike else "; ".join(f"{name}: {how}" for name, how in choices.items())
    return [
        str(len(counted)),
        f"{total:,}",
        *(_share(int(counted[column].sum()), total) for column in COUNTS.values()),
        chosen,
    ]


def _share(number: int, total: int) -> str:
    return f"{number:,} ({100 * number / total:.1f} %)" if number else "0"


def _choices(rows: pd.DataFrame, undefined: frozenset[Run]) -> str:
    """Of one variant; where its checkpoint is undefined in some splits, nothing chose the weights of these."""
    runs = [run in undefined for run in zip(rows["experiment"], rows["variant"], rows["split"], strict=True)]
    parts = [_choice(rows[[not run for run in runs]])] if not all(runs) else []
    if any(runs):
        parts.append(
            f"nothing in {list_names(list(rows['split'][runs]))} (last: {rows['checkpoint'].iloc[0]} is undefined)"
        )
    return ", ".join(parts)


def _choice(rows: pd.DataFrame) -> str:
    checkpoint = str(rows["checkpoint"].iloc[0])
    if checkpoint == "last":
        return "nothing (last)"
    if checkpoint == "given":
        return "not known (weights trained elsewhere)"
    where = "the test images" if rows["chosen_on_test"].any() else "other images"
    return f"{where} ({checkpoint})"
