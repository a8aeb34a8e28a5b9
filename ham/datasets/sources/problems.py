"""What is wrong with a source, collected: one conversion finds all of it, and validation.csv lists it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ham.datasets.writer import Problem, write_validation
from ham.errors import DataError


def mistake(text: str, image: str = "") -> Problem:
    """A problem that nothing was done about: the data set cannot be made until it is mended."""
    return Problem(image, text, "")


@contextmanager
def collected(problems: list[Problem], image: str = "") -> Iterator[None]:
    """A DataError inside becomes one of ``problems``, and the work goes on behind it."""
    try:
        yield
    except DataError as error:
        problems.append(mistake(str(error), image))


def refuse_mistakes(folder: Path, name: str, problems: Sequence[Problem]) -> None:
    """Write ``problems`` to validation.csv, mistakes first; raise DataError when there is one."""
    mistakes = [problem for problem in problems if not problem.repair]
    if not mistakes:
        return
    path = write_validation(folder, [*mistakes, *(problem for problem in problems if problem.repair)])
    counted = f"{len(mistakes)} mistakes, the first is:" if len(mistakes) > 1 else "a mistake:"
    raise DataError(
        f"data set {name} has {counted} {mistakes[0].problem}; {path} lists all (rows without a repair): mend them "
        "and run again"
    )
