"""``ro-crate-metadata.json``: what a package holds, in the form that archives of research data read (RO-Crate 1.1).

Author and publisher are left to whoever publishes it. Every property is a term of the 1.1 context: a validator refuses
others.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from datetime import date
from typing import Any

from ham.packaging.contents import PackageRequest
from ham.packaging.manifest import CONFIGURATION, MANIFEST, README, SUMS, Manifest
from ham.runtime.provenance import PACKAGE

UNKNOWN_DATE = "1980-01-01"  # the time that all files of the archive bear
TYPES = {
    ".json": "application/json", ".csv": "text/csv", ".md": "text/markdown", ".tex": "text/x-tex", ".txt": "text/plain",
    ".svg": "image/svg+xml", ".png": "image/png", ".html": "text/html", ".yaml": "application/yaml",
    ".npz": "application/zip",
}  # fmt: skip
ABOUT = {
    README: "What this package holds, how to verify and how to restore it",
    SUMS: "SHA-256 of every other file",
    MANIFEST: "Settings, plans, source and versions that made the results",
    CONFIGURATION: "The configuration that made the results",
    "metrics.json": "Scores with intervals and counts",
    "run.json": "Settings, data, hardware and versions of the training",
    "history.csv": "Losses and validation metrics of each epoch",
    "card.json": "What the weights are: findings, settings, fingerprint; the weights themselves are not here",
    "predictions.csv": "Probability of each finding in each tested image",
    "maps.npz": "Raw attention maps, float32 [h, w], by image and finding",
    "classification.csv": "Predictions beside the labels of tested images",
    "localization.csv": "Overlap of predicted regions and boxes, a row a pair of image and finding",
    "dataset.json": "Findings, counts and digests of the data set",
    "images.csv": "Image, patient, size, view and labels",
}
PARTS = {"tables": "Table", "figures": "Figure", "leakage": "Leakage audit"}
END = " (for research, not for clinical use)"


def describe_crate(request: PackageRequest, manifest: Manifest, sizes: Mapping[str, int]) -> dict[str, Any]:
    """The metadata of a package whose files have these ``sizes`` in bytes; the same results give the same."""
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.name = f"ham: results on {request.name}"
    crate.description = (
        f"Localization and diagnosis of abnormalities in chest radiographs: predictions, attention maps, scores, "
        f"tables and figures of {len(manifest.splits)} splits on {request.name}, made by ham {manifest.ham}{END}."
    )
    crate.datePublished = date.fromisoformat(_date(manifest))
    terms = {
        "@type": "CreativeWork",
        "name": f"Terms of {request.name}, which the results are derived from",
        "description": " ".join(f"{request.licence} {request.attribution}".split()) or "not stated",
    }
    crate.license = crate.add(ContextEntity(crate, "#terms", properties=terms))
    software = {
        "@type": "SoftwareApplication",
        "name": "ham",
        "version": manifest.ham,
        "description": "Hierarchical attention mining: a Snakemake workflow from archives to tables and figures.",
    }
    crate.add(ContextEntity(crate, "#ham", properties=software))
    action = {
        "@type": "CreateAction",
        "name": "Training, testing and scoring",
        "instrument": {"@id": "#ham"},
        "result": {"@id": "./"},
        "description": "; ".join(_told(maker.commit, maker.changed) for maker in manifest.made_by) or "weights given",
    }
    crate.root_dataset["mentions"] = crate.add(ContextEntity(crate, "#made", properties=action))
    for name, size in sorted(sizes.items()):
        crate.add_file(dest_path=name, properties=_describe_file(name, size))
    return dict(crate.metadata.generate())


def _describe_file(name: str, size: int) -> dict[str, Any]:
    last = name.rpartition("/")[2]
    ending = f".{last.rpartition('.')[2]}"
    part = next((text for folder, text in PARTS.items() if f"/{folder}/" in name), "")
    about = ABOUT.get(last) or (f"{part}: {last}" if part else "")
    told = {"name": last, "contentSize": str(size), "encodingFormat": TYPES.get(ending, "application/octet-stream")}
    return told | ({"description": about} if about else {})


def _told(commit: str, changed: bool) -> str:
    return f"commit {commit or 'unknown'}{', with changes' if changed else ''}"


def _date(manifest: Manifest) -> str:
    """Day of the newest commit that trained; results bear no time themselves, and the same results give one package."""
    days = [UNKNOWN_DATE]
    for maker in manifest.made_by:
        if re.fullmatch(r"[0-9a-f]{40,64}", maker.commit):
            command = ["git", "-C", str(PACKAGE.parent), "show", "-s", "--format=%cs", maker.commit]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
                days.append(date.fromisoformat(done.stdout.strip()).isoformat())
            except (OSError, ValueError, subprocess.SubprocessError):
                continue
    return max(days)
