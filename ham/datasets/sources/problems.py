"""What is wrong with a source, collected: one conversion finds all of it, and validation.csv lists it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ham.datasets.sources.conversion import ConversionRequest
from ham.datasets.writer import Problem, write_validation
from ham.errors import DataError


def mistake(text: str, image: str = "") -> Problem:
    """A problem that nothing was done about: the data set cannot be made until it is mended."""
    return Problem(image, text, "")


@contextmanager
def collect_mistakes(problems: list[Problem], image: str = "") -> Iterator[None]:
    """A DataError inside becomes one of ``problems``, and the work goes on behind it."""
    try:
        yield
    except DataError as error:
        problems.append(mistake(str(error), image))


@contextmanager
def end_on_mistake(request: ConversionRequest, problems: Sequence[Problem]) -> Iterator[None]:
    """A DataError inside is the last of ``problems``: without this table there is nothing to hold the rest against."""
    try:
        yield
    except DataError as error:
        refuse_mistakes(request, [*problems, mistake(str(error))])


def refuse_mistakes(request: ConversionRequest, problems: Sequence[Problem]) -> None:
    """Write ``problems`` to validation.csv, mistakes first; raise DataError when there is one."""
    mistakes = [problem for problem in problems if not problem.repair]
    if not mistakes:
        return
    path = write_validation(request.folder, [*mistakes, *(problem for problem in problems if problem.repair)])
    counted = f"{len(mistakes)} mistakes, the first is:" if len(mistakes) > 1 else "a mistake:"
    raise DataError(
        f"data set {request.description.name} has {counted} {mistakes[0].problem}; {path} lists all (rows without a "
        "repair): mend them and run again"
    )
