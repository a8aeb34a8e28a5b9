"""GPU leases: each job has its own, and a killed one is free at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
