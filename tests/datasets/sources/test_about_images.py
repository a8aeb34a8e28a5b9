"""View, sex and age: read where a word is clear, unknown and told where it is not."""

from __future__ import annotations

import pytest

from ham.datasets.sources.about_images import About, AboutReader, read_age
from ham.datasets.writer import Problem


@pytest.mark.parametrize(
    ("word", "years"),
    [
        ("58", "58"),
        ("058Y", "58"),
        ("58.0", "58"),
        ("7.9", "7"),
        ("0", "0"),
        ("011M", "0"),
        ("025M", "2"),
        ("060W", "1"),
        ("013D", "0"),
        ("99", "99"),
        ("100", None),
        ("414", None),
        ("-3", None),
        ("old", None),
        ("5e1", None),
    ],
)
def test_an_age_is_whole_years_below_a_hundred_or_none(word: str, years: str | None) -> None:
    assert read_age(word) == years


def test_words_of_every_source_mean_the_same() -> None:
    reader = AboutReader()
    assert reader.read("PA", "M", "058Y") == reader.read("pa", "Male", "58") == About("PA", "M", "58")
    assert reader.read("Lateral", "Female", "") == reader.read("LL", "f", "Unknown") == About("lateral", "F", "")
    assert reader.problems() == []


def test_what_cannot_be_read_is_unknown_and_told() -> None:
    reader = AboutReader()
    assert reader.read("oblique", "2", "414") == About("", "", "")
    assert reader.read("AP", "1", "58") == About("AP", "", "58")
    assert reader.problems() == [
        Problem("", "1 views are not PA, AP or lateral, such as 'oblique'", "read as unknown"),
        Problem("", "2 sexes are not F or M, such as '2'", "read as unknown"),
        Problem("", "1 ages are no years from 0 to 99, such as '414'", "read as unknown"),
    ]
