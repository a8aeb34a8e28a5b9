"""SIGTERM ends a job in order: a sentence, a status of its own, no half-written file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Under the frame of a job: writes a file by halves, forks a child that waits, says its number, then BODY.
JOB = """
import os, signal, sys, time
from types import SimpleNamespace
from ham.errors import EnvironmentProblem
from ham.runtime import termination
from ham.runtime.files import written
from ham.runtime.jobs import job

termination.LATE = 600  # a busy machine
with job(SimpleNamespace(log=["job.log"], rule="convert", wildcards={}, output=[])), written("table.csv") as path:
    path.write_text("half")
    begun, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(begin, b"!")
    while child == 0:
        time.sleep(0.01)
    os.read(begun, 1)
    print(child, flush=True)
    BODY
"""
BODIES = {
    "busy": "time.sleep(600)",
    "asked twice": """
    try:
        print("seen", flush=True)
        time.sleep(600)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("cleaned up", flush=True)""",
    "sees its child end first": """
    os.waitpid(child, 0)
    print("seen", flush=True)
    raise EnvironmentProblem("a process was ended from outside, most likely for want of memory")""",
    "loses another child afterwards": """
    import subprocess
    os.waitpid(child, 0)
    other = subprocess.Popen(["sleep", "600"])

    def fail(*given):  # as torch does where a child of its ends
        raise RuntimeError("a worker is killed by signal: Terminated")

    signal.signal(signal.SIGCHLD, fail)
    try:
        print("seen", flush=True)
        time.sleep(600)
    finally:
        other.kill()
        other.wait()
        time.sleep(0.1)""",
    "waits for its child": "print(os.WTERMSIG(os.waitpid(child, 0)[1]))",
}


def start(body: str, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """The job, begun in ``folder``, and its child."""
    command = [sys.executable, "-c", JOB.replace("BODY", body)]
    process = subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("body", ["busy", "asked twice", "sees its child end first", "loses another child afterwards"])
def test_a_job_that_is_asked_to_end_says_so_and_leaves_no_half_file(tmp_path: Path, body: str) -> None:
    process, child = start(BODIES[body], tmp_path)
    assert process.stdout is not None
    os.kill(child, signal.SIGTERM)  # a scheduler asks every process of a job
    if body != "busy":
        assert process.stdout.readline() == "seen\n"
        time.sleep(0.3)  # what it makes of that is on its way
    process.terminate()
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert told == ("cleaned up\n" if body == "asked twice" else "")
    assert (tmp_path / "job.log").read_text().endswith(" ERROR stopped by SIGTERM; the same command goes on\n")
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["job.log"]


def test_what_a_job_has_forked_ends_by_sigterm_as_any_process(tmp_path: Path) -> None:
    process, child = start(BODIES["waits for its child"], tmp_path)
    os.kill(child, signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == f"{signal.SIGTERM.value}\n"
    assert process.returncode == 0
    assert (tmp_path / "table.csv").read_text() == "half"
