"""A table of predictions is read, or what is wrong with it is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ham.errors import DataError
from ham.scoring.predictions import read_predictions

HEAD = "image,Mass,Nodule,abnormality\n"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_columns_and_rows_may_be_more_and_in_another_order(tmp_path: Path, mark: str) -> None:
    text = mark + "Nodule,other,image,abnormality,Mass\n0.25,x,007,1,5e-1\n,y,unlisted,,\n0,z,a/b.png,0.5,0.125\n"
    found = read_predictions(written(tmp_path / "predictions.csv", text), ["a/b.png", "007"], ["Mass", "Nodule"])
    assert found.loc["007"].tolist() == [0.5, 0.25, 1.0]
    assert found.loc["a/b.png"].tolist() == [0.125, 0.0, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "a,0.1,,0.3\nb,0.1,0.2,0.3\n", r"image a, column Nodule: the cell is blank \(1 such"),
        (HEAD + "a,0.1,0.2,0.3\nb,high,0.2,0.3\n", r"image b, column Mass: 'high' is no probability"),
        (HEAD + "a,0.1,0.2,nan\nb,0.1,0.2,NaN\n", r"image a, column abnormality: 'nan' is no .* \(2 such cells"),
        (HEAD + "a,0.1,0.2,inf\nb,0.1,0.2,0.3\n", r"'inf' is no probability"),
        (HEAD + "a,-3.2,0.2,0.1\nb,0.1,0.2,0.3\n", r"'-3.2' is no probability from 0 to 1"),
        (HEAD + 'a,"0,5",0.2,0.1\nb,0.1,0.2,0.3\n', r"'0,5' is no probability"),
        ("image,Mass\na,0.1\nb,0.1\n", r"no column Nodule, abnormality but image, Mass"),
        ("name,Mass,Nodule,abnormality\na,0,0,0\n", r"no column image but name, Mass"),
        (HEAD + "a,0.1,0.2,0.3\n", r"1 test images are not in it, b for one"),
        (HEAD + "a,0.1,0.2,0.3\na,0.1,0.2,0.3\nb,0,0,0\n", r"image a occurs twice"),
        ("", r"cannot be read as a table of predictions"),
        (b"image,Mass\n\xff\xfe,0", r"cannot be read as a table of predictions"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=rf"predictions\.csv: .*{said}") as caught:
        read_predictions(written(tmp_path / "predictions.csv", text), ["a", "b"], ["Mass", "Nodule"])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"predictions\.csv is not there: run the prediction"):
        read_predictions(tmp_path / "predictions.csv", ["a"], ["Mass"])
