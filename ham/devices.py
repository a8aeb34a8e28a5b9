"""Which device computes: chosen before torch is asked to."""

from __future__ import annotations

import logging
import os

log = logging.getLogger("ham")


def choose(gpus: int, threads: int) -> str:
    """``cuda`` when the job was given a GPU and one is visible, else ``cpu`` with ``threads`` threads.

    CUDA_VISIBLE_DEVICES, set by a scheduler or by hand, is honoured: torch sees only what it names.
    """
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a job without a GPU must not take one that belongs to another
    import torch

    torch.set_num_threads(max(threads, 1))
    if gpus and torch.cuda.is_available():
        log.info("computing on %s", torch.cuda.get_device_name(0))
        return "cuda"
    log.info("computing on the CPU, %d threads", torch.get_num_threads())
    return "cpu"


def loader_workers(device: str, threads: int) -> int:
    """Processes that decode ahead: on a CPU one beside the network, on a GPU all threads but the one that feeds it."""
    return max(threads - 1, 0) if device == "cuda" else min(threads - 1, 1)
