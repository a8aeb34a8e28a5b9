"""Work shared by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from ham.errors import EnvironmentProblem

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int, doing: str, at_once: int = 1
) -> Iterator[Result]:
    """``work`` of each of ``tasks``, in their order, by ``workers`` processes that take ``at_once`` tasks each time.

    ``doing`` says what they are at (``checking images``) in the EnvironmentProblem that ends the work when a process is
    killed. Processes are spawned: forking one that has threads may hang.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(work, tasks, chunksize=at_once)
        except BrokenProcessPool as problem:
            raise EnvironmentProblem(
                f"one of {workers} processes {doing} was ended from outside, most likely for want of memory: run it "
                "with fewer threads"
            ) from problem
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
