"""GPU leases: each job has its own, and a killed one is free at once."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ham.errors import EnvironmentProblem
from ham.runtime import devices, locks

HOLD = """
import sys
from pathlib import Path
from ham.runtime.devices import lease
print(lease(Path(sys.argv[1]), 2), flush=True)
input()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_jobs_hold_two_gpus_and_a_third_waits_until_one_is_killed(tmp_path: Path) -> None:
    one, two = holder(tmp_path), holder(tmp_path)
    assert {first_line(one), first_line(two)} == {"0", "1"}
    three = holder(tmp_path)
    try:
        three.wait(timeout=2)
        raise AssertionError("the third job took a GPU that another one holds")
    except subprocess.TimeoutExpired:
        pass
    one.kill()
    assert first_line(three) in ("0", "1")
    for process in (one, two, three):
        process.kill()
        process.wait()


def test_a_job_without_a_gpu_computes_on_the_cpu() -> None:
    code = "from ham.runtime.devices import choose; print(choose(0, 1)); import torch; print(torch.cuda.device_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "0"]


def test_a_user_without_a_name_has_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # of no entry in passwd
    assert devices.lease_folder().name == "ham-4000000"


def test_a_folder_without_locks_is_said_and_a_gpu_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")  # 38

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING, "ham"):
        assert 0 <= devices.lease(tmp_path / "leases", 2) < 2
    assert "no file locks on" in caplog.text
    assert "Function not implemented" in caplog.text


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied"), OSError(errno.EROFS, "Read-only")]
)
def test_a_folder_of_another_user_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(devices, "open", refuse, raising=False)
    with pytest.raises(EnvironmentProblem, match=rf"cannot be leased there \({error.strerror}\).* set TMPDIR"):
        devices.lease(tmp_path, 2)


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("")
    with pytest.raises(EnvironmentProblem, match="leases: GPUs cannot be leased there"):
        devices.lease(tmp_path / "leases", 2)
