"""Which devices compute. Snakemake counts GPUs but assigns none, so a job leases its own."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ham.errors import EnvironmentProblem
from ham.runtime import leases

log = logging.getLogger("ham")
VISIBLE = "CUDA_VISIBLE_DEVICES"
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "JOB_ID")  # the last of SGE
PLACE = Path("/tmp")  # of the machine, and of containers that mount it; TMPDIR is another one for each job of a cluster
PATIENCE = 60.0  # seconds that nvidia-smi may take


def choose(gpus: int, threads: int) -> list[str]:
    """``["cuda:0", "cuda:1"]`` and so on, as many as ``gpus``, or ``["cpu"]`` with ``threads`` threads where that is 0
    or the machine shows no GPU.

    To be called once, before CUDA starts. The devices are this process's alone (:mod:`ham.runtime.leases`): later ones
    wait for them. EnvironmentProblem where fewer are visible than asked for.
    """
    if gpus == 0:
        os.environ[VISIBLE] = ""  # a job without a GPU must not take one that belongs to another
    import torch

    torch.set_num_threads(max(threads, 1))
    found = _choose_gpus(gpus) if gpus and torch.backends.cuda.is_built() else []
    if found:
        names = [f"{device} ({torch.cuda.get_device_name(device)})" for device in found]
        log.info("computing on %s of %s", ", ".join(names), os.environ.get(VISIBLE, "this machine"))
        return found
    log.info("computing on the CPU, %d threads", torch.get_num_threads())
    return ["cpu"]


def _choose_gpus(gpus: int) -> list[str]:
    """Torch's names of GPUs that were leased; empty where none is visible."""
    import torch

    machine = installed()
    given = os.environ.get(VISIBLE)
    # Which one is the fastest only CUDA knows; and of what nvidia-smi does not show (ROCm, some containers) only torch
    if not machine or os.environ.get("CUDA_DEVICE_ORDER") == "FASTEST_FIRST":
        return _choose_of_torch(gpus)
    devices = visible(machine, given)
    if not devices:
        log.warning("%s=%s shows no GPU of this machine", VISIBLE, given)
        return []
    mine = take(devices, gpus)
    os.environ[VISIBLE] = ",".join(mine)
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if seen == 0:
        leases.give_back()
        log.warning(
            "nvidia-smi shows GPUs, torch sees none: is the driver too old for its CUDA %s?", torch.version.cuda
        )
        return []
    if seen != gpus:
        raise EnvironmentProblem(
            f"torch sees {seen} of the {gpus} GPUs {os.environ[VISIBLE]}: see with nvidia-smi what is wrong with the "
            f"others, or set {VISIBLE} to those that work."
        )
    return [f"cuda:{number}" for number in range(gpus)]


def _choose_of_torch(gpus: int) -> list[str]:
    """The same by torch's own numbers; what is visible is left as it is."""
    import torch

    if not torch.cuda.is_available():
        return []
    properties = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    devices = [f"GPU-{getattr(device, 'uuid', number)}" for number, device in enumerate(properties)]
    return [f"cuda:{devices.index(device)}" for device in take(devices, gpus)]


def installed() -> list[list[str]]:
    """What ``nvidia-smi -L`` lists, in the order of the PCI bus: of each GPU its UUID, then those of its MIG devices.
    Empty where it lists nothing or does not work."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return []
    gpus: list[list[str]] = []
    for uuid in re.findall(r"\(UUID: ([^)\s]+)\)", listed.stdout):
        if uuid.startswith("MIG-") and gpus:
            gpus[-1].append(uuid)
        else:
            gpus.append([uuid])
    return gpus


def visible(machine: Sequence[Sequence[str]], given: str | None) -> list[str]:
    """UUIDs of the devices that CUDA_VISIBLE_DEVICES = ``given`` (None: not set) shows of those :func:`installed`.

    Its entries are numbers as nvidia-smi has them, or UUIDs or their beginnings, where only one begins so; as for CUDA,
    the first one that names nothing ends the list. A GPU that is partitioned stands for its MIG devices.
    """
    usable = [list(gpu[1:] or gpu) for gpu in machine]
    if given is None:
        return [device for gpu in usable for device in gpu]
    named = dict(zip([gpu[0] for gpu in machine], usable, strict=True))
    named |= {device: [device] for gpu in machine for device in gpu[1:]}
    devices: list[str] = []
    for entry in (entry.strip() for entry in given.split(",")):
        if entry.isdecimal():
            found = usable[int(entry)] if int(entry) < len(usable) else []
        else:
            names = [name for name in named if entry.startswith(("GPU-", "MIG-")) and name.startswith(entry)]
            names = [entry] if entry in names else names
            found = named[names[0]] if len(names) == 1 else []
        if not found:
            break
        devices += found
    return list(dict.fromkeys(devices))


def take(devices: Sequence[str], count: int) -> list[str]:
    """``count`` of ``devices`` for this process alone; EnvironmentProblem where there are fewer.

    Where HAM_SHARE_GPUS=1 they are not this process's alone.
    """
    if count > 1:
        devices = [device for device in devices if not device.startswith("MIG-")]  # CUDA shows a process one at most
    if len(devices) < count:
        shown = f"{VISIBLE}={os.environ[VISIBLE]}" if VISIBLE in os.environ else "this machine"
        raise EnvironmentProblem(
            f"a job asks for {count} GPUs and {shown} has {len(devices)} to compute on together: ask for fewer "
            "(--set-resources), or show it more."
        )
    if os.environ.get("HAM_SHARE_GPUS") == "1":
        return leases.unleased(devices, count)
    scope = scheduled_job()
    return [
        name.removeprefix(scope) for name in leases.lease(lease_folder(), [scope + name for name in devices], count)
    ]


def scheduled_job() -> str:
    """The job of a scheduler that has set CUDA_VISIBLE_DEVICES, or nothing. Such devices are that job's: its processes
    lease them among each other, whoever else holds leases of them."""
    jobs = [f"{name}-{os.environ[name]}-" for name in SCHEDULERS if VISIBLE in os.environ and name in os.environ]
    return jobs[0] if jobs else ""


def lease_folder() -> Path:
    """Where this user's leases on this machine are kept."""
    return PLACE / f"ham-{os.getuid()}"  # a user of a container may have no name


def loader_workers(device: str, threads: int) -> int:
    """Processes that decode ahead: on a CPU one beside the network, on a GPU all threads but the one that feeds it."""
    return max(threads - 1, 0) if device.startswith("cuda") else min(threads - 1, 1)
