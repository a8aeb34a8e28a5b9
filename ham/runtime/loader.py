"""Batches decoded by other processes, which tell what went wrong there as this process would.

torch sends an exception of a process as text, traceback and all, and where what a process hands over finds no room in
shared memory it loses the batch and waits for it for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ham.errors import HamError

LATE = 5.0  # seconds, of a signal behind the end of the connection


class Loader(DataLoader[Any]):
    """A DataLoader of ``samples``; ``collate`` makes a tuple of tensors of a batch's samples, ``options`` are
    DataLoader's.

    Iterating raises the HamError of a sample as it was raised, whichever process met it.
    """

    def __init__(self, samples: Dataset[Any], collate: Callable[[Sequence[Any]], Any], **options: Any) -> None:
        super().__init__(_Collated(samples, collate), collate_fn=_as_it_is, **options)

    def __iter__(self) -> Any:
        return _raise_problems(super().__iter__())


class _Collated(Dataset[Any]):
    """Batches of samples, or the HamError that one of them is."""

    def __init__(self, samples: Dataset[Any], collate: Callable[[Sequence[Any]], Any]) -> None:
        self.samples, self.collate = samples, collate

    def __len__(self) -> int:
        return len(self.samples)  # type: ignore[arg-type]

    def __getitems__(self, places: Sequence[Any]) -> Any:
        try:
            batch = self.collate([self.samples[place] for place in places])
        except HamError as problem:
            return problem
        if get_worker_info() is not None:
            for value in batch:
                if isinstance(value, Tensor):
                    value.share_memory_()  # here, where a failure is told
        return batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _raise_problems(batches: Iterator[Any]) -> Iterator[Any]:
    try:
        for batch in batches:
            if isinstance(batch, HamError):
                raise batch
            yield batch
    except (ConnectionError, EOFError) as error:  # it was killed while it handed over a batch
        time.sleep(LATE)  # torch raises too, wherever this process then is, when the signal of that death comes: here
        raise RuntimeError("DataLoader worker (pid unknown) exited unexpectedly") from error
