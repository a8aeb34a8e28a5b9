"""README.md of a package: what is in it, what is not and why, how to verify and restore it."""

from __future__ import annotations

from ham.packaging.contents import PackageRequest
from ham.packaging.manifest import CONFIGURATION, CRATE, MANIFEST, SUMS, Manifest

LABELS = "`classification.csv`, `localization.csv` and what is scored beside them hold labels of tested images"


def write_readme(request: PackageRequest, manifest: Manifest) -> str:
    """The text; the same results give the same."""
    terms = "\n\n".join(" ".join(text.split()) for text in (request.licence, request.attribution) if text)
    experiments = sorted({"/".join(folder.split("/")[2:4]) for folder in manifest.splits})
    return f"""# Results of ham on {request.name}

Localization and diagnosis of abnormalities in chest radiographs, by hierarchical attention mining.
For research. Not a medical device, not for clinical use.

Experiments and variants ({len(manifest.splits)} splits):

{chr(10).join(f"- {name}" for name in experiments)}

{_list_files(request)}
{_tell_restoring(request, manifest)}
## What made it

{_list_makers(manifest)}

## Terms and thanks of the data set

{terms}
"""


def _list_files(request: PackageRequest) -> str:
    base, folder = f"results/{request.key}", f"datasets/{request.name}/"
    here = f"""## What is here

- `{base}/<experiment>/<variant>/<split>/`: `metrics.json` (scores with intervals),
  `predictions.csv` (probabilities by image id), `maps.npz` (raw attention maps), `classification.csv`,
  `localization.csv` and others (scores of each image and box), `history.csv`, `run.json` (settings, hardware,
  versions), `card.json` (what the weights are).
- `{base}/tables/`, `{base}/figures/`: what people read, with leakage audits.
- `{MANIFEST}`: settings and plan of each split. `{CONFIGURATION}`: the configuration, for `--configfile`.
- `{CRATE}`: the same as metadata (RO-Crate 1.1). Its date is that of the newest commit that trained.
- `{SUMS}`: `sha256sum -c {SUMS}`, in the unpacked folder, verifies all of it.
"""
    absent = """
## What is not here

- The weights: they are large, and nothing below needs them.
- The images, and the gallery: restoring draws it again where the data set is there.
"""
    if request.redistributable:
        return f"""{here}- `{folder}`: what leakage audit and report need of the data set: `dataset.json`, `images.csv`
  (patient, view and labels of each image), boxes and lists.
  {LABELS}.
- `{base}/report.html`, which shows some images: the terms of the data set, below, let them be passed on.
{absent}"""
    return f"""{here}- `{folder}dataset.json`: counts and digests of the data set.
{absent}- `report.html`, which shows images, files for other programs, which hold all boxes, and the data set's tables
  and lists: its terms, below, are not known to let them be passed on. The leakage audits are as they were made.

Before you publish this: {LABELS}, and ids of images and patients.
Ask whether the terms of the data set let those be passed on.
"""


def _tell_restoring(request: PackageRequest, manifest: Manifest) -> str:
    own = f" dataset=<package>/{request.key}.yaml" if request.description is not None else ""
    return f"""## Make every table, figure and the report again

In a new folder, without GPU and images, in minutes; `<package>` is this folder, `<ham>` a checkout of ham
{manifest.ham} or later, installed:

    snakemake report -s <ham>/Snakefile --cores all \\
        --configfile <package>/{CONFIGURATION} --config restore=<package>{own}

`restore` also takes the .zip itself, or its address with its sha256.
"""


def _list_makers(manifest: Manifest) -> str:
    made = [
        f"- commit {maker.commit or 'unknown'}{' with changes' if maker.changed else ''}; "
        + ", ".join(f"{name} {version}" for name, version in maker.versions.items())
        for maker in manifest.made_by
    ]
    return "\n".join(made) or f"- weights from elsewhere, tested and scored by ham {manifest.ham}"
