"""What decides the numbers of each stage, and what only talks about them.

A rule's parameter ``code`` is the digest of its stage's modules below: what stands there reruns a stage when it
computes something else, and nothing besides does. A test walks the imports of every stage and accounts for each module
reached: whoever adds one declares it here, as deciding or as silent. Behind a wrong declaration stand frozen numbers
(tests/frozen). Settings are silent, because their values are parameters of their own.
"""

from __future__ import annotations

import functools

from ham.runtime.provenance import code_digest, module_digests

IMAGES = ("ham.boxes", "ham.images")
DATASET = ("ham.datasets.dataset", "ham.datasets.image_store")
CONVERSION = (
    "ham.boxes",
    "ham.datasets.dataset",
    "ham.datasets.list_counts",
    "ham.datasets.sources.about_images",
    "ham.datasets.sources.box_checks",
    "ham.datasets.sources.csv_text",
    "ham.datasets.sources.usable_images",
    "ham.datasets.splits",
    "ham.datasets.writer",
)
NETWORK = (
    *IMAGES,
    *DATASET,
    "ham.model.forward",
    "ham.model.network",
    "ham.refinement.masks",
    "ham.samples",
)
LOCALIZATION = (
    "ham.boxes",
    "ham.datasets.dataset",
    "ham.model.maps",
    "ham.model.metrics",
    "ham.protocol",
    "ham.scoring.truth",
)
DRAWING = ("ham.phantom.abnormalities", "ham.phantom.anatomy", "ham.phantom.drawing", "ham.phantom.radiograph")
RESULTS = ("ham.protocol", "ham.reporting.results", "ham.scoring.decision_names", "ham.scoring.metric_rows")
SHARES = (
    *RESULTS,
    "ham.model.metrics",
    "ham.reporting.numbers",
    "ham.reporting.published",
    "ham.reporting.summaries",
)
TABLES = (
    *SHARES,
    "ham.reporting.ceiling_tables",
    "ham.reporting.cells",
    "ham.reporting.clinical_tables",
    "ham.reporting.comparison_tables",
    "ham.reporting.cuts",
    "ham.reporting.differences",
    "ham.reporting.image_counts",
    "ham.reporting.latex",
    "ham.reporting.markdown",
    "ham.reporting.published_tables",
    "ham.reporting.result_tables",
    "ham.reporting.tables",
    "ham.scoring.chosen_cuts",
)

# stage, as its rule is called: the modules that decide what it writes
DECIDING: dict[str, tuple[str, ...]] = {
    "draw_phantom": (*DRAWING, "ham.phantom.nih_distribution"),
    "draw_chexpert_phantom": (*DRAWING, "ham.phantom.chexpert_distribution", "ham.phantom.nih_distribution"),
    "check_images": ("ham.datasets.acquire.check", "ham.images"),
    "convert_nih": (*CONVERSION, "ham.datasets.sources.label_table", "ham.datasets.sources.nih"),
    "convert_table": (
        *CONVERSION,
        "ham.datasets.sources.coco",
        "ham.datasets.sources.label_table",
        "ham.datasets.sources.table",
    ),
    "convert_chexpert": (
        *CONVERSION,
        "ham.datasets.sources.chexpert",
        "ham.datasets.sources.chexpert_labels",
        "ham.datasets.sources.label_table",
        "ham.images",
    ),
    "summarize": ("ham.boxes", "ham.datasets.dataset", "ham.datasets.summary"),
    "store": (*DATASET, *IMAGES),
    "refine": (*IMAGES, "ham.datasets.dataset", "ham.refinement.crf", "ham.refinement.masks"),
    "train": (
        *NETWORK,
        "ham.model.losses",
        "ham.model.maps",
        "ham.model.metrics",
        "ham.model.pretrained",
        "ham.protocol",
        "ham.training.batches",
        "ham.training.parallel",
        "ham.training.schedule",
        "ham.training.step",
        "ham.training.validation",
    ),
    "import_weights": ("ham.model.network", "ham.model.published_weights"),
    "predict": (*NETWORK, "ham.predicting.run"),
    "score": (
        *LOCALIZATION,
        "ham.datasets.list_counts",
        "ham.model.decisions",
        "ham.scoring.calibration",
        "ham.scoring.best_maps",
        "ham.scoring.ceilings",
        "ham.scoring.classification",
        "ham.scoring.curves",
        "ham.scoring.cuts",
        "ham.scoring.decision_names",
        "ham.scoring.floors",
        "ham.scoring.intervals",
        "ham.scoring.localization",
        "ham.scoring.metric_rows",
        "ham.scoring.operating_points",
        "ham.scoring.predictions",
        "ham.scoring.run",
        "ham.scoring.subgroups",
    ),
    "exchange": (
        "ham.boxes",
        "ham.datasets.dataset",
        "ham.model.maps",
        "ham.protocol",
        "ham.scoring.chexlocalize",
        "ham.scoring.exchange",
        "ham.scoring.full_size",
        "ham.scoring.intervals",
        "ham.scoring.metric_rows",
        "ham.scoring.predictions",
        "ham.scoring.truth",
    ),
    "leakage": ("ham.boxes", "ham.datasets.dataset", "ham.scoring.leakage"),
    "table": TABLES,
    "figures": (
        *TABLES,
        "ham.reporting.area_figure",
        "ham.reporting.calibration_figure",
        "ham.reporting.co_occurrence_figure",
        "ham.reporting.curve_figures",
        "ham.reporting.experiment_figures",
        "ham.reporting.iou_figure",
        "ham.reporting.panels",
        "ham.reporting.style",
        "ham.reporting.threshold_figures",
        "ham.reporting.training_figure",
    ),
    "differences_figure": (
        *RESULTS,
        "ham.reporting.differences",
        "ham.reporting.forest",
        "ham.model.metrics",
        "ham.reporting.numbers",
        "ham.reporting.style",
        "ham.reporting.summaries",
    ),
    "leakage_figure": (
        "ham.boxes",
        "ham.datasets.dataset",
        "ham.reporting.cells",
        "ham.reporting.leakage_figure",
        "ham.reporting.results",
        "ham.reporting.seen_in_training",
        "ham.reporting.style",
        "ham.scoring.decision_names",
        "ham.scoring.leakage",
        "ham.scoring.metric_rows",
    ),
    "subgroups_figure": (*TABLES, "ham.reporting.style", "ham.reporting.subgroups_figure"),
    "gallery": (
        *IMAGES,
        *RESULTS,
        "ham.datasets.dataset",
        "ham.model.maps",
        "ham.model.overlays",
        "ham.reporting.gallery",
        "ham.reporting.style",
    ),
    "gallery_page": (
        *IMAGES,
        *RESULTS,
        "ham.datasets.dataset",
        "ham.model.maps",
        "ham.model.overlays",
        "ham.reporting.gallery",
        "ham.reporting.gallery_page",
        "ham.reporting.style",
    ),
    "package": (
        "ham.packaging.archive",
        "ham.packaging.contents",
        "ham.packaging.crate",
        "ham.packaging.readme",
    ),
    "model_card": (
        *RESULTS,
        "ham.boxes",
        "ham.datasets.dataset",
        "ham.model.metrics",
        "ham.reporting.card_limits",
        "ham.reporting.caveats",
        "ham.reporting.cells",
        "ham.reporting.data_sources",
        "ham.reporting.limits",
        "ham.reporting.markdown",
        "ham.reporting.model_card",
        "ham.reporting.model_index",
        "ham.reporting.numbers",
        "ham.reporting.seen_in_training",
        "ham.reporting.summaries",
        "ham.scoring.leakage",
    ),
    "report_page": (
        *TABLES,
        "ham.boxes",
        "ham.datasets.dataset",
        "ham.reporting.caveats",
        "ham.reporting.checklist",
        "ham.reporting.data_sources",
        "ham.reporting.embed",
        "ham.reporting.glance",
        "ham.reporting.limits",
        "ham.reporting.page",
        "ham.reporting.seen_in_training",
        "ham.scoring.leakage",
    ),
}

# Modules that stages reach and that decide no number: what is said, how files are written, where and by how many
# processes it is computed, what is kept, settings (their values are parameters)
SILENT = frozenset(
    {
        "ham",
        "ham.datasets.acquire.checksum_record",
        "ham.datasets.acquire.disk_space",
        "ham.datasets.acquire.image_records",
        "ham.datasets.acquire.links",
        "ham.datasets.description",
        "ham.datasets.settings",
        "ham.datasets.sources",
        "ham.datasets.sources.brought",
        "ham.datasets.sources.conversion",
        "ham.datasets.sources.problems",
        "ham.errors",
        "ham.model.card",
        "ham.model.map_file",
        "ham.model.state_dicts",
        "ham.model.typical",
        "ham.model.weights",
        "ham.packaging.manifest",
        "ham.packaging.restored",
        "ham.predicting.settings",
        "ham.refinement.settings",
        "ham.reporting.settings",
        "ham.runtime.devices",
        "ham.runtime.faults",
        "ham.runtime.files",
        "ham.runtime.leases",
        "ham.runtime.loader",
        "ham.runtime.locks",
        "ham.runtime.process_pool",
        "ham.runtime.progress",
        "ham.runtime.provenance",
        "ham.runtime.termination",
        "ham.runtime.yaml_text",
        "ham.scoring.settings",
        "ham.settings",
        "ham.training.faults",
        "ham.training.ingredients",
        "ham.training.launch",
        "ham.training.overview",
        "ham.training.pace",
        "ham.training.run",
        "ham.training.settings",
        "ham.training.state",
        "ham.training.watch",
    }
)

# What decides the results of other stages, and of this one only what is shown of it meanwhile
SHOWN: dict[str, frozenset[str]] = {"train": frozenset({"ham.model.decisions", "ham.model.overlays"})}


def code_of(stage: str) -> dict[str, str]:
    """Module to digest of everything that decides the numbers of ``stage``."""
    return module_digests(DECIDING[stage])


@functools.cache  # a plan asks for every split
def digest(stage: str) -> str:
    """One digest of :func:`code_of`, for the parameters of the stage's rule."""
    return code_digest(code_of(stage))


def check_source(expected: str, stage: str) -> None:
    """Stop when the ``ham`` that runs is not the one the workflow planned ``stage`` with."""
    from ham.errors import EnvironmentProblem
    from ham.runtime.provenance import PACKAGE

    if digest(stage) != expected:
        raise EnvironmentProblem(
            f"{PACKAGE} differs from the source this job was planned with: either it changed meanwhile (start again) "
            "or another copy of ham is installed (pip uninstall ham, or pip install -e the checkout)."
        )
