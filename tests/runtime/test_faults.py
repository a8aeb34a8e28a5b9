"""What a machine does to a job is one sentence, told by the errors that libraries really raise."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mounts import run_with_mount
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset

from ham.errors import DataError, EnvironmentProblem
from ham.runtime.faults import explain
from ham.runtime.files import written
from ham.runtime.loader import Loader
from ham.runtime.process_pool import in_parallel

KIB = 1024


def said(error: BaseException) -> str:
    problem = explain(error, "batches of 24 images", "lower training.batch_size")
    assert problem is not None, repr(error)
    assert "\n" not in str(problem)
    return str(problem)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "the memory of the GPU is not"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "memory of the GPU",
        ),
        (
            RuntimeError("CUDA error: unspecified launch failure\nSearch for"),
            r"GPU failed \(unspecified launch failure\)",
        ),
        (RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel"), r"GPU failed \(device-side assert"),
        (RuntimeError("CUDA error: no kernel image is available for execution"), "install a build of torch"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "nvidia-smi and dmesg"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "want of memory"),
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"), "want of memory"),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Segmentation fault. "),
            r"crashed \(Segmentation",
        ),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible"), "--shm-size=2g"),
        (RuntimeError("received 0 items of ancdata"), "ulimit -n"),
        (OSError(errno.EROFS, "Read-only file system", "results/x"), "results/x cannot be written.*read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "results/x"), "no permission for results/x"),
        (OSError(errno.EIO, "Input/output error", "results/x"), r"disk of results/x failed \(Input/output error\)"),
    ],
)
def test_what_the_machine_did_is_one_sentence(error: Exception, sentence: str) -> None:
    with pytest.raises(EnvironmentProblem, match=sentence):
        raise EnvironmentProblem(said(error))


@pytest.mark.parametrize("error", [ValueError("a mistake of ours"), FileNotFoundError(errno.ENOENT, "absent", "x")])
def test_a_mistake_of_ours_is_not_put_down_to_the_machine(error: Exception) -> None:
    assert explain(error) is None


def test_memory_that_is_not_there_is_told_whoever_asks_for_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    wanted = 1 << 45
    resource.setrlimit(resource.RLIMIT_AS, (1 << 44, before[1]))
    try:
        with pytest.raises(RuntimeError) as of_torch:
            torch.empty(wanted, dtype=torch.uint8)
        with pytest.raises(MemoryError) as of_python:
            bytearray(wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    for raised in (of_torch, of_python):
        assert said(raised.value).startswith("the memory of this machine is not enough for batches of 24 images: ")


def save(how: str, path: Path) -> None:
    tensors = {"a": torch.zeros(100 * KIB)}
    with written(path) as temporary:
        if how == "python":
            temporary.write_bytes(bytes(100 * KIB))
        elif how == "torch":
            with open(temporary, "wb") as file:
                torch.save(tensors, file)
        else:
            save_file(tensors, temporary)


@pytest.mark.parametrize("how", ["python", "torch", "safetensors"])
def test_a_disk_that_takes_no_more_is_told_with_the_path(tmp_path: Path, how: str) -> None:
    """By the limit of a file's size, which needs no disk of one's own."""
    path = tmp_path / "weights.pt"
    path.write_text("the last good state")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * KIB, before[1]))
    try:
        with pytest.raises(EnvironmentProblem) as raised:
            save(how, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(raised.value).startswith(f"{path} grows larger than a file may be here")
    assert path.read_text() == "the last good state"
    assert os.listdir(tmp_path) == ["weights.pt"]


class Numbers(Dataset[int]):
    """Eight samples of half a MB; what happens at the sixth, ``fate`` decides."""

    def __init__(self, fate: str = "") -> None:
        self.fate = fate

    def __len__(self) -> int:
        return 8

    def __getitem__(self, place: int) -> torch.Tensor:  # type: ignore[override]
        if place == 5 and self.fate == "unreadable":
            raise DataError("five.png: cannot be read; get the file anew.")
        if place == 5 and self.fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.full((128 * KIB,), float(place))


def stacked(samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.stack(list(samples)), torch.zeros(0)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_unreadable_image_is_the_same_sentence_in_any_process(workers: int) -> None:
    with pytest.raises(DataError) as raised:
        list(Loader(Numbers("unreadable"), stacked, batch_size=2, num_workers=workers))
    assert str(raised.value) == "five.png: cannot be read; get the file anew."


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_one_process(workers: int) -> None:
    found = [batch[0][:, 0].tolist() for batch in Loader(Numbers(), stacked, batch_size=3, num_workers=workers)]
    assert found == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_a_decoding_process_that_is_killed_is_told() -> None:
    with pytest.raises(RuntimeError) as raised:
        list(Loader(Numbers("killed"), stacked, batch_size=2, num_workers=1))
    assert said(raised.value).startswith("a process that decodes images was killed, most likely for want of memory")


def test_the_signal_of_a_death_that_comes_late_is_heard_where_the_batch_was_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Raised later it would strike whatever runs then: the next step, or the writing of a file."""
    told = "DataLoader worker (pid 7) is killed by signal: Killed. "

    def hear(number: int, frame: object) -> None:
        raise RuntimeError(told)

    def lost(self: object) -> Iterator[object]:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        raise ConnectionResetError
        yield

    monkeypatch.setattr(DataLoader, "__iter__", lost)
    before = signal.signal(signal.SIGALRM, hear)
    try:
        with pytest.raises(RuntimeError) as raised:
            list(Loader(Numbers(), stacked, batch_size=2, num_workers=1))
        time.sleep(0.4)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert str(raised.value) == told


FULL = """
import sys
sys.path[:0] = sys.argv[1:]
from test_faults import Loader, Numbers, explain, stacked
try:
    list(Loader(Numbers(), stacked, batch_size=4, num_workers=1))
except RuntimeError as error:
    print(explain(error))
"""


def test_shared_memory_that_is_full_ends_the_job_and_does_not_hang_it() -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    done = run_with_mount(mount, FULL, *map(str, Path(__file__).parents[:2]))
    assert done.stdout.startswith("/dev/shm is full"), done.stderr
    assert "docker run --shm-size=2g" in done.stdout


def look(place: int) -> int:
    if place == 2:
        raise DataError("two.png: cannot be read.")
    return place


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pool_of_processes_raises_the_sentence_too(workers: int) -> None:
    with pytest.raises(DataError) as raised:
        list(in_parallel(look, range(4), workers, "looking"))
    assert str(raised.value) == "two.png: cannot be read."


JOB = """
import sys
from pathlib import Path
from types import SimpleNamespace
from ham.runtime.jobs import job, log, log_attempt
with job(SimpleNamespace(log=[sys.argv[1] + "/logs/train.log"], rule="train", wildcards={}, output=[])):
    log_attempt(Path(sys.argv[1], ".resume/train.log"))
    log.info("attempt %s", sys.argv[2])
    print("at work", flush=True)
    sys.stdin.read()
    raise MemoryError if sys.argv[2] == "1" else ValueError
"""


def test_a_job_whose_results_are_read_only_ends_with_a_sentence(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    done = run_with_mount(mount, JOB, str(tmp_path), "1")
    told = f"[train] {tmp_path}/logs cannot be written, because its disk is mounted read-only: mount it for writing"
    assert done.stderr == f"{told} and run the same command again.\n"
    assert done.returncode == 1


def test_the_log_of_a_living_attempt_outlives_the_next_one(tmp_path: Path) -> None:
    """Snakemake deletes a job's log before each attempt."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    own, kept = tmp_path / "logs/train.log", tmp_path / ".resume/train.log"
    with subprocess.Popen([sys.executable, "-c", JOB, str(tmp_path), "1"], **pipes) as living:
        assert living.stdout is not None
        living.stdout.readline()
        own.unlink()
        subprocess.run(
            [sys.executable, "-c", JOB, str(tmp_path), "2"], capture_output=True, input="", text=True, check=False
        )
        living.communicate("")
    lines = kept.read_text().splitlines()
    assert [line[20:] for line in lines if "attempt " in line] == ["INFO attempt 1", "INFO attempt 2"]
    assert lines[-1][20:].startswith("ERROR the memory of this machine is not enough"), "why the first one failed"
    assert "attempt 1" not in own.read_text()
    assert "please report it" in own.read_text()
    assert f"{kept} has the log of all attempts" in own.read_text()
