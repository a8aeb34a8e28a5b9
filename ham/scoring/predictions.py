"""The reader of predictions.csv: probabilities of findings, an image a row, ours or anyone's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ham.errors import DataError


def read_predictions(path: Path, tested: Sequence[str], findings: Sequence[str]) -> pd.DataFrame:
    """Probabilities by image: a column of each of ``findings`` and of abnormality, a row of each of ``tested``.

    DataError names the first image, column or cell that is missing or no probability.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is not there: run the prediction of this split.") from None
    except (
        OSError,
        ValueError,
        pd.errors.ParserError,
    ) as error:  # an empty file and one that is no UTF-8 are ValueErrors
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a table of predictions ({reason}); predict again.") from None
    columns = [*findings, "abnormality"]
    lacking = [name for name in ("image", *columns) if name not in table.columns]
    if lacking:
        raise DataError(
            f"{path}: it has no column {', '.join(lacking)} but {', '.join(map(str, table.columns[:20]))}; predict "
            "again, or add the column."
        )
    table = table.set_index("image")
    if not table.index.is_unique:
        raise DataError(f"{path}: image {table.index[table.index.duplicated()][0]} occurs twice; predict again.")
    absent = [image for image in tested if image not in table.index]
    if absent:
        raise DataError(f"{path}: {len(absent)} test images are not in it, {absent[0]} for one; predict again.")
    return pd.DataFrame({name: _probabilities(path, table.loc[list(tested), name]) for name in columns})


def _probabilities(path: Path, texts: pd.Series[str]) -> pd.Series[float]:
    """A column as float64; DataError names the first cell that is no number in [0, 1]."""
    values = pd.to_numeric(texts, errors="coerce").astype(float)
    wrong = ~values.between(0, 1)
    if wrong.any():
        image = str(wrong.idxmax())
        given = str(texts[image]).strip()
        what = f"{given!r} is no probability from 0 to 1" if given else "the cell is blank"
        raise DataError(
            f"{path}: image {image}, column {texts.name}: {what} ({int(wrong.sum())} such cells in the column); "
            "predict again, or write the number."
        )
    return values
