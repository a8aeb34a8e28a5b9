"""Whether this machine can do what is asked of it: each thing looked at, what was found, and what to do about it."""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ham.config import Configuration
from ham.datasets.description import Description
from ham.errors import EnvironmentProblem

LEVELS = ("ok", "note", "warning", "error")
STATUS = {"ok": 0, "note": 0, "warning": 4, "error": 5}  # exit status by the worst finding
PATIENCE = 120.0  # seconds that importing torch may take, and nvidia-smi
SMALL_SHM = 1 << 30  # bytes of shared memory below which loader processes of a GPU training may not find room
FREE_DISK = 6 * 10**9  # bytes that results of a small run and a virtual environment take
EXTRAS = {"pydicom": "dicom", "onnxruntime": "onnx", "pydensecrf": "crf", "gdown": "drive"}
# In a process of its own: a torch that does not fit may end it
TORCH = (
    "import json, torch, torchvision; import torchvision.ops;"
    "print(json.dumps([torch.__version__, torchvision.__version__, torch.version.cuda, torch.cuda.is_available(),"
    "[torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]]))"
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how bad it is, what was found and, unless all is well, what to do."""

    level: str
    what: str
    found: str
    do: str = ""


def examine(config: Configuration, description: Description, root: Path) -> list[Finding]:
    """Everything about the machine, and about what the configuration asks for, of results and datasets below ``root``.

    Looks only: what it writes to try a lock is removed. EnvironmentProblem where ``root`` is no folder.
    """
    if not root.is_dir():
        raise EnvironmentProblem(f"{root}: there is no such folder; --directory is where results/ and datasets/ are.")
    looks: list[Callable[[], Iterator[Finding]]] = [
        python,
        torch_and_gpus,
        compiler,
        extras,
        workflow,
        shared_memory,
        lambda: locks(root),
        lambda: data(config, description, root),
        lambda: weights(config, root),
        lambda: disk(config, description, root),
    ]
    return [finding for look in looks for finding in look()]


def worst(findings: Sequence[Finding]) -> str:
    """The worst level; ok of nothing."""
    return LEVELS[max((LEVELS.index(finding.level) for finding in findings), default=0)]


def as_json(findings: Sequence[Finding]) -> str:
    """For programs: a list of maps with level, what, found, do."""
    return json.dumps([asdict(finding) for finding in findings], indent=1)


def python() -> Iterator[Finding]:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Finding("ok", "Python", version)
    else:
        yield Finding("error", "Python", version, "make install PYTHON=/path/to/python3.12 (3.11 to 3.13)")


def torch_and_gpus() -> Iterator[Finding]:
    """Whether torch and torchvision are there and fit together, and which GPUs torch and the driver see."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", TORCH], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        do = "see with nvidia-smi whether a GPU hangs, and whether the disk of the environment does"
        yield Finding("error", "torch", f"cannot be imported within {PATIENCE:.0f} s", do)
        return
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        fits = "torchvision::nms" in done.stderr or "undefined symbol" in done.stderr
        cause = "torch and torchvision are not of one another" if fits else "torch cannot be imported"
        yield Finding("error", "torch", f"{cause}: {said}", "install both anew from the same index (make install)")
        return
    torch, vision, cuda, available, names = json.loads(done.stdout.splitlines()[-1])
    yield Finding("ok", "torch", f"{torch}, torchvision {vision}, CUDA {cuda or 'none'}")
    driver = _driver()
    if available:
        yield Finding("ok", "GPU", f"{', '.join(names)}; driver {driver or 'unknown'}")
    elif driver and os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        yield Finding(
            "warning", "GPU", "CUDA_VISIBLE_DEVICES is empty and hides the GPUs", "unset CUDA_VISIBLE_DEVICES"
        )
    elif driver:
        yield Finding(
            "warning",
            "GPU",
            f"driver {driver} is there, but torch sees no GPU",
            f"update the driver to one of CUDA {cuda}, or install a torch of an older CUDA"
            if cuda
            else "install a CUDA build",
        )
    else:
        yield Finding("note", "GPU", "none: trainings run on the CPU", "for a small one see config/laptop.yaml")


def compiler() -> Iterator[Finding]:
    """Whether box refinement is there, or can be compiled."""
    if _has("pydensecrf"):
        yield Finding("ok", "box refinement", "pydensecrf is installed")
        return
    found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    do = "make install compiles it" if found else "apt install build-essential python3-dev, then make install"
    yield Finding("warning", "box refinement", f"pydensecrf is not installed; compiler {found or 'none'}", do)


def extras() -> Iterator[Finding]:
    """Packages that only some work needs."""
    missing = {module: extra for module, extra in EXTRAS.items() if not _has(module) and extra != "crf"}
    if missing:
        names = ", ".join(f"{module} (extra {extra})" for module, extra in missing.items())
        yield Finding("note", "extras", f"not installed: {names}", "pip install the extra when you need it")
    else:
        yield Finding("ok", "extras", "all installed")


def workflow() -> Iterator[Finding]:
    """Snakemake and its plugins."""
    version = _version("snakemake")
    if version is None:
        yield Finding("error", "Snakemake", "not installed", "make install, or pip install 'ham[workflow]'")
        return
    names = {distribution.metadata["Name"] or "" for distribution in importlib.metadata.distributions()}
    prefixes = ("snakemake-executor-plugin", "snakemake-storage-plugin")
    plugins = sorted(name for name in names if name.startswith(prefixes))
    found = f"{version}; plugins: {', '.join(plugins) or 'none'}"
    if int(version.split(".")[0]) >= 9:
        yield Finding("ok", "Snakemake", found)
    else:
        yield Finding("error", "Snakemake", found, "pip install 'snakemake>=9'")
    if _version("snakemake-executor-plugin-slurm") is None and shutil.which("sbatch"):
        yield Finding("warning", "SLURM", "sbatch is here, its plugin is not", "pip install 'ham[slurm]'")


def shared_memory() -> Iterator[Finding]:
    """Where loader processes hand over their batches."""
    place = Path("/dev/shm")
    if not place.is_dir():
        return
    total = shutil.disk_usage(place).total
    said = f"/dev/shm of {total / 1e9:.2f} GB"
    if total < SMALL_SHM:
        yield Finding("warning", "shared memory", said, "docker run --shm-size=8g, or train with one thread")
    else:
        yield Finding("ok", "shared memory", said)


def locks(root: Path) -> Iterator[Finding]:
    """Whether the file system of results can be written and has locks."""
    place = root / "results"
    place = place if place.is_dir() else root
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".ham-doctor-") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                said = f"the file system of {place} has no locks ({error.strerror})"
                yield Finding("warning", "locks", said, "never start two runs on it at once, or work on another disk")
                return
    except OSError as error:
        yield Finding("error", "locks", f"{place} cannot be written ({error.strerror})", "work in a folder of your own")
        return
    yield Finding("ok", "locks", f"{place} can be written and locked")


def data(config: Configuration, description: Description, root: Path) -> Iterator[Finding]:
    """What there is of the configured data set."""
    folder = root / "datasets" / description.name
    if (folder / "dataset.json").is_file() and (folder / "images.csv").is_file():
        with open(folder / "images.csv", "rb") as table:
            rows = sum(1 for _ in table) - 1
        yield Finding("ok", "data", f"{folder}: {rows:,} images, converted")
        return
    given = config.data.folder or config.data.mirror
    if given and "://" not in str(given) and not Path(str(given)).expanduser().exists():
        yield Finding("error", "data", f"{given} is not there", "correct data.folder or data.mirror")
        return
    here = f"from {given}" if given else "from where it is published"
    yield Finding(
        "note", "data", f"{description.name} is not converted yet; it comes {here}", "snakemake datasets --cores all"
    )


def weights(config: Configuration, root: Path) -> Iterator[Finding]:
    """Files of weights that the configuration names, and ImageNet's."""
    files = set()
    pretrained = set()
    for experiment in config.experiments:
        for variant in config.variants:
            pretrained.add(config.training_settings(experiment, variant).network.pretrained)
            files |= {config.weights(experiment, variant, split) for split in config.splits(experiment, variant)}
    named = {name for name in (files | pretrained) - {None, "imagenet"} if name and not name.startswith("drive:")}
    lost = sorted(name for name in named if not (root / name).is_file())
    if lost:
        yield Finding("error", "weights", f"not there: {', '.join(lost[:3])}", "correct weights: or network.pretrained")
    if "imagenet" in pretrained:
        hub = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache/torch")) / "hub/checkpoints"
        have = any(hub.glob("resne*.pth"))
        found = f"ImageNet's weights are {'in' if have else 'not in'} {hub}"
        do = "" if have else "they are downloaded before the first training; offline, set network.pretrained to a file"
        yield Finding("ok" if have else "note", "weights", found, do)
    elif not lost:
        yield Finding("ok", "weights", "all that are named are there" if named else "none are needed")


def disk(config: Configuration, description: Description, root: Path) -> Iterator[Finding]:
    """Room for what the data set and its results need."""
    free = shutil.disk_usage(root).free
    folder = root / "datasets" / description.name
    archives = [] if (folder / "dataset.json").is_file() else description.archive_names
    if config.data.folder:
        archives = []
    size = sum(description.file(name).bytes or 0 for name in archives)
    needed = FREE_DISK + size + max((description.file(name).bytes or 0 for name in archives), default=0)
    said = f"{free / 1e9:.0f} GB free; data and results need about {needed / 1e9:.0f} GB"
    if free < needed:
        yield Finding("warning", "disk", said, "make room, or give data.folder or data.archives (docs/data.md)")
    else:
        yield Finding("ok", "disk", said)


def _driver() -> str | None:
    """The version of NVIDIA's driver; None where none answers."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else None


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
