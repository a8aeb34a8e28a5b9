# What the rules ask of the configuration. The work itself is in ham.
import json
import re
import sys
from pathlib import Path

# As a module, or with -s from elsewhere: the checkout is found from this file, never from the working directory.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ham import config as configuration
from ham import dataset_fit, plans, precedence
from ham.errors import HamError
from ham.plans import CHECKPOINTS, EXCHANGED, FIGURES, result_plan, result_plans, training_plan
from ham.runtime.failures import tell_last
from ham.runtime.file_digests import FileDigests
from ham.runtime.provenance import files_digest
from ham.runtime.stages import digest
from ham.training import pace
from ham.training.overview import write_plan
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Of the command line, unless another workflow uses this one as a module and hands its configuration over.
FILES, TEXTS = (
    (workflow.overwrite_configfiles, workflow.config_settings.config_args or [])
    if not workflow.modifier.skip_configfile
    else ([], [])
)

if set("{}") & set(str(ROOT)):
    raise WorkflowError(
        f"{ROOT}: Snakemake takes braces in the path of a workflow for wildcards: move this checkout to a folder "
        "without; data and results may lie in one."
    )

try:
    config.update(precedence.merged(config, precedence.read_nested(TEXTS)))
    given = precedence.layers([Path(file) for file in FILES], precedence.read_values(TEXTS))
    CONFIG, DATASET = dataset_fit.planned(config, ROOT / "config" / "datasets")
    config["dataset"] = CONFIG.dataset  # for scripts and captions: a name where a path was given
    if workflow.is_main_process:  # not again by every job
        dataset_fit.refuse_other_owner(CONFIG, DATASET, Path.cwd())
        dataset_fit.refuse_mixed_results(CONFIG, Path.cwd())
        if CONFIG.restore is None:
            dataset_fit.refuse_absent_files(DATASET, Path.cwd())
        untold = precedence.shadowed(given, CONFIG.experiments, CONFIG.variants)
        for line in [*untold, *dataset_fit.tell_left_out(CONFIG)]:
            logger.warning(line)
except HamError as error:
    logger.error(str(error))
    sys.exit(1)

if workflow.is_main_process:
    tell_last(logger)

DIGESTS = FileDigests(Path(".snakemake/ham-digests.json"))  # content decides whether a user's file is another, no clock
FOLDER = f"datasets/{DATASET.name}"
SOURCES = f"{FOLDER}/.sources"
DRAWN = f"{FOLDER}/.drawn"
STORE = f"{FOLDER}/store/{CONFIG.data.store}.json" if CONFIG.data.store else []  # input of what reads images
# images_001: images_001.tar.gz
ARCHIVES = {name.split(".")[0]: name for name in CONFIG.data.archives_of(DATASET, Path(FOLDER))}
# Records of images: one an archive, or one of the folder that has them already; none where conversion looks itself.
RECORDS = [] if DATASET.brought else [*ARCHIVES] or ["linked"]
SHIPPED = files_digest(
    *sorted([*ROOT.glob("config/**/*.csv"), *ROOT.glob("ham/reporting/templates/*"), *ROOT.glob("ham/reporting/*.csv")])
)
GIVEN = [name for name, variant in CONFIG.define.variants.items() if variant.weights is not None]
# Variants that can be trained; where results are restored, those that are.
TRAINED = [
    name for name in (CONFIG.define.variants if CONFIG.restore is None else CONFIG.variants) if name not in GIVEN
]
# What audits and report read of the data set: its folder, or what a package has of it.
TOLD = FOLDER if CONFIG.restore is None else f"results/{CONFIG.dataset}/{plans.DATASET_FOLDER}"
RESTORED = {} if CONFIG.restore is None else plans.restored_files(CONFIG, DATASET)  # path: name in the package
DESCRIBED = (ROOT / f"config/datasets/{CONFIG.dataset}.yaml").is_file()  # or else by a file of the user's own
PACKAGE = plans.package_file(CONFIG)  # that is restored
RECORD = [] if CONFIG.restore is None else f"results/{CONFIG.dataset}/restored.json"
PICTURES = CONFIG.restore is None or Path(f"{FOLDER}/dataset.json").is_file()  # whether a gallery can be drawn
SPLIT = "results/{dataset}/{experiment}/{variant}/{split}"


def one_of(names):
    """A regular expression of exactly these names; no name at all for an empty set."""
    return "|".join(re.escape(name) for name in dict.fromkeys(names)) or "(?!)"


def experiment(wildcards):
    """Definition of the job's experiment; a split that it does not have fails before anything runs."""
    name, variant = wildcards.experiment, wildcards.variant
    splits = CONFIG.splits(name, variant)
    if wildcards.split not in splits:
        has = ", ".join(splits) or "none"
        raise WorkflowError(f"{name} has no split {wildcards.split} of the variant {variant}; it has {has}.")
    return CONFIG.define.experiments[name]


def lists(*roles):
    """Params function: the names of the lists that have these roles in the job's split."""
    return lambda wildcards: {role: experiment(wildcards).list_of(role, wildcards.split) for role in roles}


def training_settings(wildcards):
    """Params of a training: plain values in a fixed order."""
    return CONFIG.training_settings(wildcards.experiment, wildcards.variant).plain()


def refined_boxes(wildcards):
    """Input of a training that uses refined boxes."""
    settings = CONFIG.training_settings(wildcards.experiment, wildcards.variant)
    used = settings.refined_boxes and experiment(wildcards).train_boxes
    return f"results/{wildcards.dataset}/refined.npz" if used else []


def pretrained_file(wildcards):
    """Input of a training that starts from a file: another content of it is another training."""
    pretrained = CONFIG.training_settings(wildcards.experiment, wildcards.variant).network.pretrained
    return [] if pretrained in (None, "imagenet") else literal(str(Path(pretrained).expanduser()))


def weights_source(wildcards):
    """Input of an import: the file that the variant names, or the one that is fetched from Google Drive."""
    experiment(wildcards)
    source = CONFIG.weights(wildcards.experiment, wildcards.variant, wildcards.split)
    found = configuration.drive_file(source)
    return f"weights/{found}.pth" if found else literal(source)


def memory(megabytes):
    """Resource function: what a job may take on a cluster, and as much again at each further attempt."""
    return lambda wildcards, attempt: megabytes * attempt


def literal(path):
    """Input file of the user's own; Snakemake has no way to say that a brace begins no wildcard."""
    if re.search(r"\{\s*\w", path):
        raise WorkflowError(f"{path}: Snakemake takes what stands in braces for a wildcard: rename the file or folder.")
    return path


def brought_tables():
    """Tables in the folder that the user brings."""
    folder = Path(CONFIG.data.folder or "").expanduser()
    return [folder / name for name in DATASET.brought if name.endswith(".csv")] if CONFIG.data.folder else []


def drawn(name):
    """Input of a file's transfer where ham draws the distribution itself."""
    return f"{DRAWN}/{name}" if DATASET.drawn else []


def mirrored(*names):
    """Params of what reads fetched files that may be links into a mirror: which files they are, so that another one put
    in place there is seen; nothing of drawn ones, or where there is no folder."""
    mirror = Path(CONFIG.data.mirror).expanduser() if CONFIG.data.mirror else None
    return [DIGESTS.place(Path(SOURCES) / name, mirror and mirror / name) for name in names if not DATASET.drawn]


def archive_file(path):
    """Output of an archive's transfer: deleted once its images are unpacked where the configuration says so."""
    return path if CONFIG.data.keep_archives else temp(path)


def entries(names):
    """Params of a transfer: what is known of the files."""
    return [DATASET.file(name).plain() for name in names]


def of_splits(file, experiments=CONFIG.experiments, variants=CONFIG.variants):
    """``file`` of every split of these experiments and variants; of a training only where there is one."""
    return plans.files_of_splits(CONFIG, file, experiments, variants)


def of_experiment(*files):
    """Input function: files of all splits and variants of the job's experiment."""
    return lambda wildcards: [path for file in files for path in of_splits(file, [wildcards.experiment])]


def of_split(*files):
    """Input function: files of the job's split; of a training only where there is one."""
    return lambda wildcards: [
        path
        for file in files
        for path in of_splits(file, [wildcards.experiment], [wildcards.variant])
        if path.startswith(SPLIT.format(**wildcards) + "/")
    ]


def of_variant(*files):
    """Input function: files of all splits of the job's experiment and variant."""
    return lambda wildcards: [
        path for file in files for path in of_splits(file, [wildcards.experiment], [wildcards.variant])
    ]


def products(kind):
    """Tables, leakage audits, figures, cards, exchange or galleries of the experiments that have a split to show. Of
    restored ones a gallery, and what holds boxes of data that may not be handed on, only where the data set is there;
    and no cards of networks, which are not there."""
    told = {"gallery": PICTURES, "exchange": PICTURES or DATASET.redistributable, "cards": CONFIG.restore is None}
    return plans.products(CONFIG, kind) if told.get(kind, True) else []


def packed(wildcards):
    """Input of a package beside what `all` makes: what it has of the data set."""
    if CONFIG.restore is not None:
        raise WorkflowError("These results were restored from a package: hand that on, it is what was published.")
    return plans.packaged_dataset_files(CONFIG, DATASET)


# What lies between a user's files and a report: a target that names it restores what was deleted.
DATASET_FILES = [
    f"{FOLDER}/{name}"
    for name in ("images.csv", "missing.csv", "Annotations/Tags.json", "Annotations/BBoxes.json", "summary.csv")
]
BETWEEN = [*DATASET_FILES, *plans.files_between(CONFIG)] if CONFIG.restore is None else [*RESTORED, RECORD]


# Of a cluster, the machine where Snakemake runs is the one that reaches the network.
localrules:
    fetch_archive,
    fetch_tables,


wildcard_constraints:
    dataset=one_of([CONFIG.dataset]),
    experiment=one_of(CONFIG.define.experiments),
    variant=one_of(CONFIG.define.variants),
    split=one_of(split for item in CONFIG.define.experiments.values() for split in item.splits),
    archive=one_of(ARCHIVES),
    record=one_of(RECORDS),
    figure=one_of(FIGURES),
    drive=one_of(CONFIG.drive_files()),
