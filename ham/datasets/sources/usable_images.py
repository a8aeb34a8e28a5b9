"""Which of the images that are there the tables know, which of them may be used, and which are missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ham.datasets.acquire.image_records import DEEP, GREY, TURNED, TWELVE, Checked, read_checks
from ham.datasets.acquire.links import link
from ham.datasets.description import ENDINGS
from ham.datasets.sources.conversion import ConversionRequest
from ham.datasets.sources.problems import collect_mistakes, mistake
from ham.datasets.writer import Problem, digest_images
from ham.errors import DataError, list_some


@dataclass(frozen=True)
class UsableImages:
    """The checked images that the tables know, names of the others, and how many images each record of ``checks`` has,
    by its stem."""

    known: tuple[Checked, ...]
    others: tuple[str, ...]
    numbers: Mapping[str, int]

    @property
    def names(self) -> frozenset[str]:
        """Ids of the images that are there."""
        return frozenset(image.image for image in self.known)

    @property
    def digest(self) -> str:
        """SHA-256 over what the images are."""
        return digest_images((image.image, f"{image.sha256} {image.form}") for image in self.known)


def choose_images(
    request: ConversionRequest,
    sizes: Mapping[str, tuple[int, int] | None],
    problems: list[Problem],
    any_ending: bool = False,
) -> UsableImages:
    """The images of ``request.checks`` that the tables know, each once; what is wrong with one joins ``problems``.

    ``sizes`` are the width and height in pixels that the tables imply for each image, None where any will do.
    ``any_ending``: an image that is there under another ending only is linked under the name that the tables have.
    """
    first_seen: dict[str, tuple[Checked, Path]] = {}
    numbers: dict[str, int] = {}
    for record in request.checks:
        found = read_checks(record)
        numbers[record.stem] = len(found)
        for checked in found:
            first, first_record = first_seen.setdefault(checked.image, (checked, record))
            if first_record is record:
                continue
            both = f"in the archives {first_record.stem} and {record.stem}"
            if first.sha256 == checked.sha256:
                problems.append(Problem(checked.image, both, "the same bytes, used once"))
            else:
                problems.append(mistake(f"{checked.image} is {both} with different content: use one", checked.image))
    if any_ending:
        _link_by_stem(request, sizes, first_seen, problems)
    known, others = [], []
    for checked, record in first_seen.values():
        if checked.image not in sizes:
            problems.append(Problem(checked.image, f"in {record.stem} but in no table", "left out"))
            others.append(checked.image)
            continue
        problem = _judge_image(request.images / checked.image, checked, sizes[checked.image], record)
        problems += [problem] if problem else []
        known.append(checked)
    return UsableImages(tuple(known), tuple(others), numbers)


def find_copies(images: Iterable[Checked], patient_of: Mapping[str, str]) -> list[Problem]:
    """A row for each image that is, byte for byte, one of another patient: no fold by patient keeps them apart."""
    same: dict[str, list[str]] = {}
    for image in images:
        if not image.problem:
            same.setdefault(image.sha256, []).append(image.image)
    return [
        Problem(name, f"the same pixels as {other}, of another patient: crosses folds", "kept: both are used")
        for names in same.values()
        for place, name in enumerate(names)
        if (other := next((o for o in names[:place] if patient_of[o] != patient_of[name]), None))
    ]


def pair_by_stem(missing: Sequence[str], others: Iterable[str]) -> dict[str, list[str]]:
    """Those of ``missing`` that are there by another ending or in other letters, capitals or small: {image: names}."""
    there: dict[str, list[str]] = {}
    for name in others:
        there.setdefault(_find_stem(name), []).append(name)
    return {image: there[stem] for image in missing if (stem := _find_stem(image)) in there}


def _find_stem(image: str) -> str:
    lower = image.casefold()
    return next((lower.removesuffix(ending) for ending in ENDINGS if lower.endswith(ending)), lower)


def _link_by_stem(
    request: ConversionRequest,
    known: Mapping[str, object],
    seen: dict[str, tuple[Checked, Path]],
    problems: list[Problem],
) -> None:
    """Give what was ``seen`` under another ending the name that is ``known``: public copies of NIH's are JPEG."""
    missing = [image for image in known if image not in seen]
    pairs = pair_by_stem(missing, [name for name in seen if name not in known])
    linked = []
    for image, names in pairs.items():
        if len(names) > 1 or sum(other == names for other in pairs.values()) > 1:
            problems.append(mistake(f"{image} is not there, but {' and '.join(names)} are: keep one of them", image))
            continue
        checked, record = seen.pop(names[0])
        seen[image] = (checked._replace(image=image), record)
        link((request.images / names[0]).resolve(), request.images / image, within=request.folder)
        linked.append(f"{names[0]} for {image}")
    if linked:
        what = f"{len(linked)} images are there under another ending: {list_some(linked, 3)}"
        problems.append(Problem("", what, "linked under the names of the table"))


def _judge_image(path: Path, checked: Checked, size: tuple[int, int] | None, record: Path) -> Problem | None:
    """What is wrong with an image, or was done about it."""
    again = f"remove {record.name} in .unpacked/ and .checked/ and run again"
    anew = "mend or replace it and run again" if record.stem == "linked" else f"get it anew, {again}"
    try:
        there = os.stat(path).st_size
    except OSError:
        there = 0
    if checked.problem:
        return mistake(f"{path} {checked.problem}: {anew}", checked.image)
    if there != checked.bytes:
        return mistake(f"{path} has {there} bytes, it had {checked.bytes} when it was checked: {again}", checked.image)
    if size is not None and (checked.width, checked.height) != size:
        return mistake(
            f"{path} has {checked.width} x {checked.height} pixels, {size[0]} x {size[1]} are expected: boxes would "
            "lie elsewhere; use the distributed images or correct box_grid in the description",
            checked.image,
        )
    return Problem(checked.image, *_explain_form(checked.form)) if checked.form != GREY else None


def _explain_form(form: str) -> tuple[str, str]:
    """What is said of an image that is not plain 8-bit grey, and what was done about it."""
    kind, *said = form.split(", ")
    done = []
    if DEEP in kind:
        done.append("read as 8 bit, the full range of 16: 65535 becomes 255")
        done += [f"dark: nothing is {text.replace('up to', 'above')}" for text in said if text.startswith("up to")]
    if TWELVE in kind:
        done.append("read as 8 bit, the full range of 12: 4095 becomes 255")
    if kind not in (GREY, f"{GREY} {DEEP}", f"{GREY} {TWELVE}"):
        lost = "nothing is lost" if kind.startswith(GREY) else "brightness is kept, colour and alpha are not"
        done.append(f"read as grey: {lost}")
    if TURNED in said:
        done.append("turned as its orientation tag says: boxes are those of the image as viewers show it")
    done += ["the first page is read" for text in said if text.startswith("first of")]
    return f"{form}, 8 bit grey is expected", "; ".join(done)


def find_missing(
    request: ConversionRequest,
    table: pd.DataFrame,
    present: frozenset[str],
    how: str,
    problems: list[Problem],
    others: Sequence[str] = (),
) -> list[str]:
    """The images of ``table`` (index image), in its order, that are not ``present``.

    That there are some is a mistake among ``problems``, which says ``how`` to get them, unless the data set may be
    partial; that not one is there always is. ``others`` are images that are there and in no table: one that a missing
    image could be is named with it.
    """
    missing = [image for image in table.index if image not in present]
    near = {image: " and ".join(names) for image, names in pair_by_stem(missing, others).items()}
    problems += [Problem(image, f"is not there, but {name} is", "taken as missing") for image, name in near.items()]
    if near:
        pairs = list_some([f"{name} is there where {image} is asked for" for image, name in near.items()], 3)
        how = f"{pairs}: give both one name"
    with collect_mistakes(problems):
        _refuse_missing(request, missing, len(table), how)
    return missing


def _refuse_missing(request: ConversionRequest, missing: Sequence[str], images: int, how: str) -> None:
    if not missing or (request.data.partial and len(missing) < images):
        return
    counted = (
        f"data set {request.description.name}: {len(missing)} of {images} images are missing ({list_some(missing)})"
    )
    if len(missing) == images:
        raise DataError(f"{counted}: not one is there; {how}")
    raise DataError(f"{counted}: {how}, or set partial: true below data: to go on without")
