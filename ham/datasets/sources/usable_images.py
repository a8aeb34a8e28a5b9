"""Which of the images that are there the tables know, and which of them may be used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ham.datasets.acquire.image_records import DEEP, GREY, Checked
from ham.datasets.sources.problems import mistake
from ham.datasets.writer import Problem
from ham.errors import DataError


def usable(
    folder: Path,
    checks: Mapping[Path, Sequence[Checked]],
    sizes: Mapping[str, tuple[int, int] | None],
    problems: list[Problem],
) -> list[Checked]:
    """The checked images that the tables know, each once; what is wrong with one becomes one of ``problems``.

    ``folder`` has the files; ``checks`` is what each record of checked images holds; ``sizes`` are the width and height
    in pixels that the tables imply for each image, None where any will do.
    """
    places: dict[str, tuple[Checked, Path]] = {}
    for record, found in checks.items():
        for checked in found:
            first, place = places.setdefault(checked.image, (checked, record))
            if place is record:
                continue
            both = f"in the archives {place.stem} and {record.stem}"
            if first.sha256 == checked.sha256:
                problems.append(Problem(checked.image, both, "the same bytes, used once"))
            else:
                problems.append(mistake(f"{checked.image} is {both} with different content: use one", checked.image))
    known = []
    for checked, record in places.values():
        if checked.image not in sizes:
            problems.append(Problem(checked.image, f"in {record.stem} but in no table", "left out"))
            continue
        problem = _judged(folder / checked.image, checked, sizes[checked.image], record)
        problems += [problem] if problem else []
        known.append(checked)
    return known


def _judged(path: Path, checked: Checked, size: tuple[int, int] | None, record: Path) -> Problem | None:
    """What is wrong with an image, or was done about it."""
    again = f"remove {record.name} in .unpacked/ and .checked/ and run again"
    try:
        there = os.stat(path).st_size
    except OSError:
        there = 0
    if checked.problem:
        return mistake(f"{path} {checked.problem}: get it anew, {again}", checked.image)
    if there != checked.bytes:
        return mistake(f"{path} has {there} bytes, it had {checked.bytes} when it was checked: {again}", checked.image)
    if size is not None and (checked.width, checked.height) != size:
        return mistake(
            f"{path} has {checked.width} x {checked.height} pixels, {size[0]} x {size[1]} are expected: boxes would "
            "lie elsewhere; use the distributed images or correct box_grid in the description",
            checked.image,
        )
    if checked.form == DEEP:
        return mistake(
            f"{path} has 16 bit a channel, 8 are expected: use the distributed images, or reduce your own to 8 bit",
            checked.image,
        )
    if checked.form != GREY:
        lost = "nothing is lost" if checked.form.startswith(GREY) else "brightness is kept, colour and alpha are not"
        return Problem(checked.image, f"{checked.form}, 8 bit grey is expected", f"read as grey: {lost}")
    return None


def refuse_missing(missing: Sequence[str], images: int, partial: bool, name: str, how: str) -> None:
    """Raise DataError for absent images of the data set ``name``, unless it may be ``partial``; ``how`` to get them."""
    if not missing or (partial and len(missing) < images):
        return
    counted = f"data set {name}: {len(missing)} of {images} images are missing, the first is {missing[0]}"
    if len(missing) == images:
        raise DataError(f"{counted}: not one is there; {how}")
    raise DataError(f"{counted}: {how}, or set partial: true below data: to go on without")
