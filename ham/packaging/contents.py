"""What goes into a package, and under which name: the paths that the files have in the working folder.

Of the data set go in what the leakage audit and the report read, where its licence lets that be passed on, and else
dataset.json alone, which has counts and digests. Of the weights go in their cards. No image of a patient goes in, but
for those that the report shows, where the licence lets them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ham.errors import DataError
from ham.model.card import Card
from ham.packaging.manifest import CARD, CONFIGURATION, MANIFEST, Maker, Manifest, Split

WEIGHTS, MASKS = ".safetensors", "refined.npz"  # left out: large, or made from boxes in minutes
OF_THE_DATA = ("report.html", "exchange")  # below results/<dataset>/: show images, or hold all boxes for other programs
OWN_PLACES = ("mirror", "folder", "archives", "store")  # of the data section: of this machine only


@dataclass(frozen=True)
class PackageRequest:
    """What is to be packed; ``splits`` is the folder of each split to its plan and settings."""

    key: str  # what results/ calls the data set
    name: str
    files: tuple[str, ...]  # everything that the workflow makes of the configuration
    dataset_files: tuple[str, ...]  # of them, those of the data set that a restored package needs
    redistributable: bool
    splits: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Any]
    configuration: Mapping[str, Any]
    description: Mapping[str, Any] | None = field(default=None)  # of a data set of one's own
    licence: str = ""
    attribution: str = ""


@dataclass(frozen=True)
class Contents:
    """Name in the package to the file that goes in, or to its bytes; and what the package says of itself."""

    files: dict[str, Path | bytes]
    manifest: Manifest


def choose_contents(request: PackageRequest) -> Contents:
    """All of a package but README, checksums and crate. DataError where a split's files are not of its plan."""
    files: dict[str, Path | bytes] = {}
    for name in sorted({*request.files, *request.dataset_files}):
        path = PurePosixPath(name)
        if path.name == "model.safetensors":
            card = Card.read(Path(name)).plain()
            files[str(path.with_name(CARD))] = _json(card)
        elif _goes_in(path, request):
            files[name] = Path(name)
    manifest = _describe(request)
    files[MANIFEST] = _json(manifest.plain())
    files[CONFIGURATION] = _yaml(_without_places(request.configuration))
    if request.description is not None:
        files[f"{request.key}.yaml"] = _yaml(_without_folders(request.description))
    return Contents(dict(sorted(files.items())), manifest)


def _goes_in(path: PurePosixPath, request: PackageRequest) -> bool:
    base = PurePosixPath("results", request.key)
    if str(path) in request.dataset_files:
        return True
    if base not in path.parents or path.suffix == WEIGHTS or path == base / MASKS or base / "gallery" in path.parents:
        return False
    return request.redistributable or path.relative_to(base).parts[0] not in OF_THE_DATA


def _describe(request: PackageRequest) -> Manifest:
    from ham import __version__

    splits = {}
    for folder, made in sorted(request.splits.items()):
        plan = _read(Path(folder) / "metrics.json").get("plan")
        if plan != made["plan"]:
            raise DataError(
                f"{folder}/metrics.json comes from other settings or code than those asked for now: make it again with "
                f"snakemake {folder}/metrics.json --cores all"
            )
        splits[folder] = Split(plan=plan, settings=dict(made["settings"]))
    return Manifest(
        dataset=request.key,
        name=request.name,
        ham=__version__,
        made_by=_makers(Path(folder) / "run.json" for folder in splits),
        data=dict(request.data),
        splits=splits,
    )


def _makers(runs: Iterable[Path]) -> tuple[Maker, ...]:
    """Source and versions of the trainings, each once; a split with given weights has no run.json."""
    found: dict[str, Maker] = {}
    for path in runs:
        if path.exists():
            run = _read(path)
            git = run.get("git") or {}
            maker = Maker(
                commit=str(git.get("commit", "")),
                changed=bool(git.get("changed")),
                versions={str(name): str(version) for name, version in (run.get("versions") or {}).items()},
            )
            found.setdefault(json.dumps(maker.plain(), sort_keys=True), maker)
    return tuple(maker for _, maker in sorted(found.items()))


def _without_places(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what is of this machine, and without ``restore``."""
    data = {key: value for key, value in configuration["data"].items() if key not in OWN_PLACES}
    return {key: value for key, value in configuration.items() if key != "restore"} | {"data": data}


def _without_folders(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description whose files lie beside it: where they lie here is nobody's business."""
    out = {key: value for key, value in description.items() if value is not None}
    for key in ("labels", "boxes"):
        if key in out:
            out[key] = {name: value for name, value in out[key].items() if value is not None}
            out[key]["file"] = Path(out[key]["file"]).name
    return out | {"images": "images"} if "images" in out else out


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read ({problem}); make it again.") from None


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).encode()
