"""What a machine does to a job, in a sentence: a full disk, too little memory, a killed process, a GPU that fails.

Libraries tell these by errors of many classes, some by their text alone, so they are known by what all of them say.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ham.errors import EnvironmentProblem

AGAIN = "run the same command again"  # a training adds from where it goes on

WRITING = {  # errno to what is said of a path: of these nothing but writing fails
    errno.ENOSPC: f"no space left on the disk of {{path}} (df -h, df -i): free some and {AGAIN}",
    errno.EDQUOT: f"the quota of the disk of {{path}} is used up: free some and {AGAIN}",
    errno.EFBIG: f"{{path}} grows larger than a file may be here: raise the limit (ulimit -f) and {AGAIN}",
    errno.EROFS: f"{{path}} cannot be written, because its disk is mounted read-only: mount it for writing and {AGAIN}",
}
REFUSED = f"no permission for {{path}}: give yourself the right (chmod, chown) and {AGAIN}"
BROKEN = f"the disk of {{path}} failed ({{said}}): see that it is there and sound (dmesg) and {AGAIN}"
DISK = {
    **WRITING,
    **dict.fromkeys((errno.EACCES, errno.EPERM), REFUSED),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN), BROKEN),
}
ERRNO_TOLD = re.compile(r"\(os error (\d+)\)")  # as safetensors tells it

MEMORY = re.compile(
    r"out of memory|can't allocate memory|Cannot allocate memory|not enough memory|ALLOC_FAILED|std::bad_alloc"
    r"|could not create a memory",
    re.IGNORECASE,
)
SHARED = re.compile(r"shared memory|</torch_|Bus error")
DESCRIPTORS = re.compile(r"Too many open files|received 0 items of ancdata")
WORKER = re.compile(r"DataLoader worker \(pid[^)]*\)?[ \d,]*\) (?:is killed by signal: ([^.]*)|exited unexpectedly)")
KILLED = ("Killed", "Terminated")
GPU = re.compile(r"CUDA error: ([^\n]+)|(cuDNN error|(?:CUBLAS|CUDNN|CUFFT|CUSOLVER)_STATUS)[^\n]*")
UNFIT = "no kernel image"


def explain(
    error: BaseException, work: str = "this job", smaller: str = "give it fewer threads"
) -> EnvironmentProblem | None:
    """What the machine did, where ``error`` tells of it; None where it does not.

    ``work`` is what the memory was for, ``smaller`` what to change so that less is needed.
    """
    text = "\n".join(str(each) for each in _chain(error))
    if MEMORY.search(text) or isinstance(error, MemoryError):
        gpu = "CUDA" in text or type(error).__name__ == "OutOfMemoryError"
        whose, who = ("the GPU", "nvidia-smi") if gpu else ("this machine", "top")
        return EnvironmentProblem(
            f"the memory of {whose} is not enough for {work}: free some ({who} says who has it) and {AGAIN}, or "
            f"{smaller}."
        )
    sentence = _explain_processes(text) or _explain_gpu(text)
    return EnvironmentProblem(f"{sentence}.") if sentence else explain_disk(error)


def explain_disk(error: BaseException, path: Path | str | None = None) -> EnvironmentProblem | None:
    """What the disk of ``path`` (None: of the one that ``error`` names) did, where ``error`` tells of it."""
    number = error.errno if isinstance(error, OSError) else None
    if number not in DISK:
        return explain_failed_write(error, path)
    return _of_disk(number, path or getattr(error, "filename", None))


def explain_failed_write(error: BaseException, path: Path | str | None = None) -> EnvironmentProblem | None:
    """The same of what fails in writing alone, also where ``error`` only was raised upon it: torch and others raise
    errors of their own on a full disk."""
    for each in _chain(error):
        told = ERRNO_TOLD.search(str(each))
        number = each.errno if isinstance(each, OSError) else int(told[1]) if told else None
        if number in WRITING:
            return _of_disk(number, path)
    return None


def _of_disk(number: int, path: Path | str | None) -> EnvironmentProblem:
    return EnvironmentProblem(f"{DISK[number].format(path=path or 'a file of this job', said=os.strerror(number))}.")


def _explain_processes(text: str) -> str | None:
    """What became of the processes that decode images."""
    if SHARED.search(text):
        return (
            "/dev/shm is full, through which the processes that decode images hand them over: give it more room "
            f"(docker run --shm-size=2g) or the job fewer threads, and {AGAIN}"
        )
    if DESCRIPTORS.search(text):
        return f"too many files are open: raise the limit (ulimit -n) and {AGAIN}"
    worker = WORKER.search(text)
    if worker is None:
        return None
    if worker[1] is None or worker[1] in KILLED:
        return (
            "a process that decodes images was killed, most likely for want of memory: free some or give the job "
            f"fewer threads, and {AGAIN}"
        )
    return (
        f"a process that decodes images crashed ({worker[1]}): {AGAIN}, and report it with this log if it crashes "
        "once more"
    )


def _explain_gpu(text: str) -> str | None:
    found = GPU.search(text)
    if found is None:
        return None
    said = (found[1] or found[0]).strip().rstrip(".")
    if UNFIT in said:
        return f"the installed torch cannot compute on this GPU ({said}): install a build of torch that is made for it"
    return f"the GPU failed ({said}): {AGAIN}, and if it fails once more, ask nvidia-smi and dmesg whether it is sound"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised upon."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
