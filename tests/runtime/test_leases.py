"""Leases: of one or several devices, all or none, in the order of asking, ended with their process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from ham.errors import EnvironmentProblem
from ham.runtime import leases, locks

# leases, says which devices, and holds them until it is told to end
JOB = """
import json, logging, sys
from pathlib import Path
from ham.runtime import leases
logging.basicConfig(level=logging.INFO, format="%(message)s")
leases.POLL = 0.02
folder, devices, count = sys.argv[1:]
print(json.dumps(leases.lease(Path(folder), devices.split(","), int(count))), flush=True)
input()
"""

# leases and gives back many times; a device that two hold at once has its mark already
RACE = """
import random, sys, time
from pathlib import Path
from ham.runtime import leases
leases.POLL = leases.TURN = 0.001
folder, marks = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(12):
    mine = leases.lease(folder, random.sample("abcd", 4), random.choice((1, 1, 2, 3)))
    for device in mine:
        (marks / device).touch(exist_ok=False)
    time.sleep(random.random() / 500)
    for device in mine:
        (marks / device).unlink()
    leases.give_back()
"""

PATIENCE = 30.0  # seconds until a job that says nothing is one that hangs
Job = subprocess.Popen[str]
Start = Callable[[Sequence[str], int], Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a job that leases in ``tmp_path / "leases"``; all are killed in the end."""
    with contextlib.ExitStack() as jobs:

        def begin(devices: Sequence[str], count: int) -> Job:
            command = [sys.executable, "-c", JOB, str(tmp_path / "leases"), ",".join(devices), str(count)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            job = jobs.enter_context(subprocess.Popen(command, text=True, **pipes))
            jobs.callback(job.kill)
            return job

        yield begin


@pytest.fixture(autouse=True)
def _leave_nothing() -> Iterator[None]:
    yield
    leases.give_back()


def leased(job: Job) -> list[str]:
    """What the job has leased, once it has."""
    assert job.stdout is not None
    found: list[str] = json.loads(_line(job.stdout))
    return found


def said(job: Job) -> str:
    """The next line that the job logs: of one that waits, that it does."""
    assert job.stderr is not None
    return _line(job.stderr)


def _line(stream: IO[str]) -> str:
    assert select.select([stream], [], [], PATIENCE)[0], "it waits for ever"
    return stream.readline().strip()


def waits(job: Job) -> bool:
    """Whether the first that a job says is that it waits, and not what it has leased."""
    assert job.stdout is not None
    assert job.stderr is not None
    return job.stderr in select.select([job.stdout, job.stderr], [], [], PATIENCE)[0]


def end(job: Job) -> None:
    job.kill()
    job.wait()


def is_free(path: Path) -> bool:
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_third_job_waits_says_for_whom_and_gets_what_a_killed_one_had(start: Start) -> None:
    one, two = start("ab", 1), start("ab", 1)
    first, second = leased(one), leased(two)
    assert sorted(first + second) == ["a", "b"]
    three = start("ab", 1)
    told = said(three)
    assert told.startswith("waiting for 1 of 2 GPUs, in use or waited for by host ")
    assert f"process {one.pid}" in told
    assert f"process {two.pid}" in told
    one.kill()
    assert leased(three) == first


def test_of_two_jobs_that_want_two_of_three_one_has_them_and_the_other_holds_none(start: Start, tmp_path: Path) -> None:
    jobs = [start("abc", 2), start("cba", 2)]
    holds, other = sorted(jobs, key=waits)
    assert "waiting for 2 of 3 GPUs" in said(other)
    had = leased(holds)
    assert len(set(had)) == 2
    assert is_free(tmp_path / "leases" / ({"a", "b", "c"} - set(had)).pop())
    end(holds)
    assert len(set(leased(other))) == 2


def test_who_wants_two_does_not_wait_for_ever_behind_those_who_want_one(start: Start) -> None:
    first = start("ab", 1)
    leased(first)
    two = start("ab", 2)
    assert f"process {first.pid}" in said(two)
    late = start("ab", 1)  # one is free, but it came later
    assert f"process {two.pid}" in said(late)
    end(first)
    assert sorted(leased(two)) == ["a", "b"]
    end(two)
    leased(late)


def test_who_wants_other_devices_waits_for_nobody(start: Start) -> None:
    leased(start("a", 1))
    said(start("a", 1))
    assert leased(start("ab", 1)) == ["b"]


def test_jobs_that_wait_come_in_the_order_of_asking(start: Start) -> None:
    holder = start("a", 1)
    leased(holder)
    waiting = []
    for _ in range(3):
        waiting.append(start("a", 1))
        said(waiting[-1])
    for job in waiting:
        end(holder)
        assert leased(job) == ["a"]
        holder = job


def test_a_job_that_was_killed_while_it_waited_holds_nobody_up(start: Start) -> None:
    holder = start("ab", 1)
    leased(holder)
    killed = start("ab", 2)
    said(killed)
    end(killed)
    assert not waits(start("ab", 1))


def test_no_device_is_ever_held_by_two_of_eight_jobs(tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    command = [sys.executable, "-c", RACE, str(tmp_path / "leases"), str(tmp_path / "marks")]
    jobs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    try:
        assert [job.communicate(timeout=2 * PATIENCE)[1] for job in jobs] == [""] * 8
    finally:
        for job in jobs:
            job.kill()
            job.communicate()
    assert not list((tmp_path / "leases").glob("waiting-*"))


def _refuse_to_wait(_: float) -> None:
    raise AssertionError("it waits")


def test_a_process_that_leases_again_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases.time, "sleep", _refuse_to_wait)
    first = leases.lease(tmp_path / "leases", "abc", 2)
    assert leases.lease(tmp_path / "leases", "cba", 2) == first[::-1]


def test_a_folder_with_leases_is_kept_from_cleaning(tmp_path: Path, start: Start) -> None:
    job = start("a", 1)
    leased(job)
    folder = os.open(tmp_path / "leases", os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    end(job)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)


def test_a_file_system_without_locks_is_said_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    monkeypatch.setattr(leases.time, "sleep", _refuse_to_wait)
    monkeypatch.setattr(os, "getpid", lambda: 3 * 1000 + 2)  # of three devices it points to the third
    with caplog.at_level(logging.WARNING, "ham"):
        assert leases.lease(tmp_path / "leases", "abc", 2) == ["c", "a"]
    assert f"no file locks on {tmp_path}/leases (Function not implemented)" in caplog.text


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied"), OSError(errno.EROFS, "Read-only file system")]
)
def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(leases, "open", refuse, raising=False)
    with pytest.raises(EnvironmentProblem, match=rf"cannot be leased there \({error.strerror}\): .* HAM_SHARE_GPUS=1"):
        leases.lease(tmp_path, "ab", 1)


def test_a_folder_of_another_user_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # where anybody may write, as in /tmp, it may be anybody's
    with pytest.raises(EnvironmentProblem, match=r"cannot be leased there \(it is another user's\)"):
        leases.lease(tmp_path, "ab", 1)


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("")
    with pytest.raises(EnvironmentProblem, match="leases: GPUs cannot be leased there"):
        leases.lease(tmp_path / "leases", "ab", 1)
