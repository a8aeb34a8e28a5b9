"""Where the files lie that a user brings: in one folder, or in several as CheXpert is handed out.

::

    CheXpert-v1.0/{train,valid}.csv, train/, valid/               also one folder further down, as Kaggle packs it
    CheXpert-v1.0 batch 1 (validate & csv)/{train,valid}.csv, valid/
    CheXpert-v1.0 batch 2 (train 1)/patient00001/…                 batches 3 and 4 alike, side by side; or with train/

Imports the standard library only, because descriptions, and so the Snakefile, ask it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

BATCH = re.compile(r"(?:.*[ _-])?batch[ _]\d+[ _]\(.*\)$", re.IGNORECASE)
PATIENTS = "patient*"
WORDS = {"train": "(train", "valid": "(valid"}  # in the name of a batch that holds patients of that part itself


class Brought:
    """What of ``names`` (tables and folders of patients) a user's folder holds, and where.

    ``found``: name to its places, more than one for patients that are spread over batches.
    """

    def __init__(self, folder: str | Path, names: Sequence[str]) -> None:
        self.folder = Path(folder).expanduser()
        self.found: Mapping[str, tuple[Path, ...]] = {name: self._find(name) for name in names}

    def explain_lack(self) -> str | None:
        """What is not there, or there more than once; None where all is there once."""
        missing = [name for name, places in self.found.items() if not places]
        if missing:
            return f"has no {' and no '.join(missing)}, nor have the folders in it"
        twice = [name for name, places in self.found.items() if len(places) > 1 and not self._are_batches(places)]
        if twice:
            name = twice[0]
            return f"has {name} {len(self.found[name])} times ({' and '.join(map(str, self.found[name]))})"
        return None

    def path(self, image: str) -> Path:
        """Where an image ``train/patient00001/study1/view1_frontal.jpg`` lies, or would lie."""
        part, _, rest = image.partition("/")
        places = self.found[part]
        if len(places) > 1:
            places = self.patients(part).get(rest.partition("/")[0], places[:1])
        there = [place / rest for place in places]
        return next((path for path in there[1:] if path.exists()), there[0])

    def patients(self, part: str) -> Mapping[str, tuple[Path, ...]]:
        """Patient to the folders that hold a folder of that name; of a part that is spread."""
        return self._places[part]

    @cached_property
    def _places(self) -> dict[str, dict[str, tuple[Path, ...]]]:
        out: dict[str, dict[str, tuple[Path, ...]]] = {}
        for part, places in self.found.items():
            of_patient = out.setdefault(part, {})
            for place in places if len(places) > 1 else ():
                for path in sorted(place.glob(PATIENTS)):
                    of_patient[path.name] = (*of_patient.get(path.name, ()), place)
        return out

    @cached_property
    def _beside(self) -> list[Path]:
        """The folders to look into where the folder itself has not all: those in it, or the batches beside it."""
        batches = BATCH.match(self.folder.name)
        around = self.folder.parent if batches else self.folder
        inside = sorted(path for path in around.glob("*") if path.is_dir() and not path.name.startswith("."))
        beside = [path for path in inside if BATCH.match(path.name)] if batches else inside
        return [path / path.name if (path / path.name).is_dir() else path for path in beside]  # unpacked into itself

    def _find(self, name: str) -> tuple[Path, ...]:
        if (self.folder / name).exists():
            return (self.folder / name,)
        found = [place / name for place in self._beside if (place / name).exists()]
        word = WORDS.get(name)
        for place in self._beside if word else ():
            if BATCH.match(place.name) and str(word) in place.name.lower() and any(place.glob(PATIENTS)):
                found.append(place)
        return tuple(sorted(found))

    @staticmethod
    def _are_batches(places: Sequence[Path]) -> bool:
        return all(path.suffix != ".csv" and any(BATCH.match(part) for part in path.parts[-2:]) for path in places)
