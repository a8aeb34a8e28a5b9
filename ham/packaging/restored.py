"""What stands beside restored results, and whether they are still what was restored."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from ham.errors import DataError
from ham.packaging.manifest import RECORD, Record
from ham.runtime.files import sha256

log = logging.getLogger("ham")


def refuse_other_than_restored(folders: Sequence[Path]) -> None:
    """DataError where a file in one of the ``folders`` of splits (results/<dataset>/<experiment>/<variant>/<split>) is
    not the one that was restored, as restored.json has it; the log says what was restored."""
    for base in dict.fromkeys(folder.parents[2] for folder in folders):
        record = Record.read(base / RECORD)
        log.info("results restored from %s, sha256 %s", record.source, record.sha256)
        for folder in (folder for folder in folders if folder.parents[2] == base):
            files = {path: digest for path, digest in record.files.items() if Path(path).parent == folder}
            other = [path for path, digest in files.items() if not Path(path).is_file() or sha256(path) != digest]
            if other or not files:
                raise DataError(
                    f"{other[0] if other else folder} is not what was restored from {record.source}: restore it again "
                    "with snakemake tables --cores all --forcerun restore, and restore as before."
                )


def refuse_other_data(folders: Sequence[Path], dataset_folder: Path) -> None:
    """DataError where restored splits were scored on another data set than the one in ``dataset_folder``: its boxes
    would stand beside scores that are not of them."""
    if not folders:
        return
    try:
        here = json.loads((dataset_folder / "dataset.json").read_text(encoding="utf-8"))["digests"]
        for folder in folders:
            scored = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["digests"]["data"]
            if other := sorted(name for name in scored if scored[name] != here.get(name)):
                raise DataError(
                    f"{folder} was scored on another data set than {dataset_folder} ({', '.join(other)} differ): make "
                    "it from the same files, or move it away: then what shows or holds its boxes is left out."
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{dataset_folder} or {folders[0]} cannot be read ({error!r}): make them again.") from None
