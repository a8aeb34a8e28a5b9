"""Starting the processes that train one network together, and ending all of them when one fails."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import sys
from collections.abc import Callable, Sequence
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import distributed, multiprocessing

from ham.errors import EnvironmentProblem, HamError
from ham.runtime import locks
from ham.training.parallel import Team

log = logging.getLogger("ham")


def run_together(work: Callable[..., object], given: tuple[Any, ...], devices: Sequence[str]) -> None:
    """``work(*given, device, team)`` in a process for each of ``devices``; returns when all are done.

    Where one fails the others are ended, and its HamError is raised here; EnvironmentProblem where it was killed. What
    they log is logged here.
    """
    context = multiprocessing.get_context("spawn")
    told, failures = context.Queue(), context.SimpleQueue()
    listener = logging.handlers.QueueListener(told, _Again())
    listener.start()
    team = None
    try:
        with TemporaryDirectory(prefix="ham-team-") as folder:
            member = _Member(work, given, tuple(devices), f"file://{folder}/meeting", os.getpid())
            team = multiprocessing.start_processes(
                member, (told, failures), len(devices), join=False, start_method="spawn"
            )
            while not team.join():
                pass
    except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as error:
        if not failures.empty():
            raise failures.get() from None
        if isinstance(error, multiprocessing.ProcessRaisedException):
            raise
        raise EnvironmentProblem(
            f"process {error.error_index + 1} of {len(devices)} of the training was ended from outside "
            f"({error.signal_name or error.exit_code}), most likely for want of memory: the same command goes on."
        ) from None
    finally:
        for process in team.processes if team else ():
            process.kill()
        listener.stop()


class _Again(logging.Handler):
    """Logs here what was logged in another process."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


class _Member(NamedTuple):
    """What each process of a team does."""

    work: Callable[..., object]
    given: tuple[Any, ...]
    devices: tuple[str, ...]
    meeting: str
    parent: int

    def __call__(self, rank: int, told: Any, failures: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent, which hears it too, ends its children
        locks.end_with_parent(self.parent)
        log.addHandler(logging.handlers.QueueHandler(told))
        log.setLevel(logging.INFO if rank == 0 else logging.ERROR)
        size, device = len(self.devices), torch.device(self.devices[rank])
        backend = "nccl" if device.type == "cuda" else "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group(backend, init_method=self.meeting, rank=rank, world_size=size)
        try:
            self.work(*self.given, device, Team(rank, size))
            distributed.barrier()
        except HamError as error:
            failures.put(error)
            sys.exit(1)
        distributed.destroy_process_group()
