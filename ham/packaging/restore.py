"""A package in place of training, testing and scoring: verified, compared with what is asked for, then put in place."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ham.datasets.acquire.download import fetch, hide_secrets
from ham.datasets.description import FileEntry
from ham.errors import DataError, list_some
from ham.packaging.manifest import DATASET_FOLDER, MANIFEST, RECORD, Manifest, Record
from ham.packaging.reader import open_package, verify
from ham.packaging.settings import RestoreSettings
from ham.runtime.files import sha256, write_json
from ham.settings import flatten

log = logging.getLogger("ham")
STAGING = ".restoring-"


@dataclass(frozen=True)
class RestoreRequest:
    """What is asked of a package: ``files`` is the path of each file to its name in the package, ``splits`` the folder
    of each split to its settings, ``data`` the settings of the data."""

    key: str  # what results/ calls the data set
    files: Mapping[str, str]
    splits: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Any]


def fetch_package(settings: RestoreSettings, target: Path) -> None:
    """Fetch the package of an address; DownloadError where it is not the one of the sha256."""
    assert settings.address is not None
    assert settings.sha256 is not None
    entry = FileEntry(name="package.zip", address=settings.address, sha256=(settings.sha256,))
    fetch(entry, target, mirror=None)


def restore(package: Path, settings: RestoreSettings, request: RestoreRequest) -> None:
    """Put the files of the package (a .zip, or the SHA256SUMS of a folder) in place; restored.json comes last.

    DataError where its checksums are wrong, something lacks, or a split was made with other settings than asked for;
    then nothing is put in place.
    """
    found = sha256(package)
    if settings.sha256 not in (None, found):
        raise DataError(f"{package} has sha256 {found}, and restore.sha256 says {settings.sha256}: it is another one.")
    results = Path("results", request.key)
    results.mkdir(parents=True, exist_ok=True)
    for left in results.glob(f"{STAGING}*"):
        shutil.rmtree(left)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=results))
    try:
        wanted = {MANIFEST: staging / MANIFEST} | {
            name: staging / "files" / target for target, name in request.files.items()
        }
        manifest = _verify(package, wanted, request)
        _put_in_place(staging / "files", request, settings, manifest, found)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    log.info("%d splits restored from %s, sha256 %s", len(request.splits), hide_secrets(settings.source), found)


def _verify(package: Path, wanted: Mapping[str, Path], request: RestoreRequest) -> Manifest:
    with open_package(package) as opened:
        lacking = [folder for folder in request.splits if f"{folder}/metrics.json" not in opened.sizes]
        if lacking:
            has = sorted({name.rpartition("/")[0] for name in opened.sizes if name.endswith("/metrics.json")})
            raise DataError(
                f"{opened.path} has no {list_some(lacking, 2)}; it has {list_some(has)}: ask for these in experiments "
                "and variants."
            )
        verify(opened, wanted)
    manifest = Manifest.read(wanted[MANIFEST])
    if manifest.dataset != request.key:
        raise DataError(f"{package} is of the data set {manifest.dataset}, and {request.key} is asked for.")
    _refuse_other("data", manifest.data, request.data)
    for folder, settings in request.splits.items():
        if folder not in manifest.splits:
            raise DataError(f"{package}: its {MANIFEST} does not say what {folder} was made with.")
        _refuse_other(folder, manifest.splits[folder].settings, settings)
        _refuse_other_split(folder, wanted[f"{folder}/metrics.json"], manifest)
    return manifest


def _refuse_other(what: str, made: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """DataError where settings differ; those that the maker's ham did not have, or this one does not, are told."""
    before, now = dict(flatten(made)), dict(flatten(json.loads(json.dumps(asked))))
    other = [
        f"{key} {before[key]} ({now[key]} is asked for)" for key in now if key in before and before[key] != now[key]
    ]
    if other:
        raise DataError(
            f"{what} of the package was made with {list_some(other, 3)}: ask for what it has, which its "
            "configuration.yaml says."
        )
    if unknown := sorted(set(before) ^ set(now)):
        log.warning("%s: another version of ham made it, and nobody can compare %s", what, list_some(unknown, 3))


def _refuse_other_split(folder: str, metrics: Path, manifest: Manifest) -> None:
    """DataError where the scores are not those of their folder and plan."""
    try:
        found = json.loads(metrics.read_text(encoding="utf-8"))
        named = [found[key] for key in ("dataset", "experiment", "variant", "split")]
        plan = found.get("plan")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{folder}/metrics.json of the package cannot be read.") from None
    if named != folder.split("/")[1:] or plan != manifest.splits[folder].plan:
        raise DataError(f"{folder}/metrics.json of the package is of another split or plan than the package says.")


def _put_in_place(
    staged: Path, request: RestoreRequest, settings: RestoreSettings, manifest: Manifest, found: str
) -> None:
    """Move all files to their places, then write restored.json, without which none of them is accepted."""
    record = Path("results", request.key, RECORD)
    record.unlink(missing_ok=True)
    kept = record.with_name(DATASET_FOLDER)
    kept.mkdir(exist_ok=True)  # first: a killed job's files are never taken for results that were made here
    digests = {target: sha256(staged / target) for target in request.files}
    try:
        for target in request.files:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            (staged / target).replace(target)
        made = Record(
            source=hide_secrets(settings.source) if settings.address else settings.source,
            sha256=found,
            ham=manifest.ham,
            made_by=manifest.made_by,
            files=digests,
        )
        write_json(record, made.plain())
    except BaseException:
        for target in request.files:
            with suppress(OSError):
                Path(target).unlink(missing_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        raise
