"""Which device computes. Snakemake counts GPUs but assigns none, so a job takes one for itself."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import IO

from ham.errors import EnvironmentProblem
from ham.runtime import locks

log = logging.getLogger("ham")
POLL = 5.0  # seconds between two looks for a free GPU
_held: list[IO[str]] = []  # a lease lasts as long as the process; a killed one frees it at once


def choose(gpus: int, threads: int) -> list[str]:
    """``cuda`` or ``cuda:N`` when the job was given a GPU and there is one, else ``cpu`` with ``threads`` threads.

    Where CUDA_VISIBLE_DEVICES is set (by a scheduler or by hand) the first of its devices is taken; else a free one is
    leased among all processes of this user on this machine.
    """
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a job without a GPU must not take one that belongs to another
    import torch

    torch.set_num_threads(max(threads, 1))
    if gpus and torch.cuda.is_available():
        number = 0 if "CUDA_VISIBLE_DEVICES" in os.environ else lease(lease_folder(), torch.cuda.device_count())
        log.info("computing on GPU %d, %s", number, torch.cuda.get_device_name(number))
        return [f"cuda:{number}"]
    log.info("computing on the CPU, %d threads", torch.get_num_threads())
    return ["cpu"]


def lease_folder() -> Path:
    """Where this user's leases on this machine are kept."""
    return Path(tempfile.gettempdir()) / f"ham-{os.getuid()}"  # a user of a container may have no name


def lease(folder: Path, slots: int) -> int:
    """A number below ``slots`` that no other process holds; waits, and says so, while all are held.

    Where the file system has no locks this is said, and a number is taken by the process's own. EnvironmentProblem
    where the folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        files = [open(folder / f"gpu-{number}", "a") for number in range(slots)]  # noqa: SIM115 (held to the end)
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}: GPUs cannot be leased there ({error.strerror}), it may be another user's: set TMPDIR to a "
            "folder of your own, or CUDA_VISIBLE_DEVICES to the GPU to use."
        ) from None
    waiting = False
    while True:
        for number, file in enumerate(files):
            try:
                locks.take(file)
            except BlockingIOError:
                continue
            except OSError as error:
                number = os.getpid() % slots
                log.warning(
                    "no file locks on %s (%s): taking GPU %d, which another job may hold; set TMPDIR to a local disk",
                    folder,
                    error.strerror,
                    number,
                )
                return number
            _held.append(file)
            return number
        if not waiting:
            log.info("all %d GPUs are in use by other jobs: waiting for one", slots)
            waiting = True
        time.sleep(POLL)


def loader_workers(device: str, threads: int) -> int:
    """Processes that decode ahead: on a CPU one beside the network, on a GPU all threads but the one that feeds it."""
    return max(threads - 1, 0) if device.startswith("cuda") else min(threads - 1, 1)
