"""A lock is its process's alone: children neither hold it nor live on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ham.runtime import locks

# takes the lock and forks a child, which says its number and does nothing
HOLDER = """
import os, sys, time
from ham.runtime import locks
file = open(sys.argv[1], "a+")
locks.take(file)
locks.sign(file)
child = os.fork()
if child == 0:
    print(os.getpid(), flush=True)  # past all that follows a fork
    time.sleep(600)
time.sleep(600)
"""


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(process: int) -> bool:
    end = time.monotonic() + 20
    while alive(process) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(process)


@pytest.mark.skipif(sys.platform != "linux", reason="children are told of their parent's death by Linux alone")
def test_the_lock_of_a_killed_process_is_free_and_its_children_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        with open(path, "a+") as lock:
            with pytest.raises(BlockingIOError):
                locks.take(lock)
            assert locks.holder(lock).endswith(f", process {holder.pid}")
            os.kill(child, signal.SIGSTOP)  # cannot let go of anything by itself
            holder.kill()
            holder.wait()
            locks.take(lock)  # at once
    assert wait_until_dead(child)


def test_a_dead_holder_is_said_to_be(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    with open(tmp_path / "lock", "a+") as lock:
        lock.write(f"host {locks.socket.gethostname()}, process {done.pid}\n")
        assert locks.holder(lock).endswith(f"process {done.pid}, which is dead: a process that it started still runs")
        lock.truncate(0)
        lock.write(f"host elsewhere, process {done.pid}\n")
        assert locks.holder(lock) == f"host elsewhere, process {done.pid}"
