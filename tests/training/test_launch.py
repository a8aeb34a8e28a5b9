"""Processes that train together: what one says is heard, and none outlives or waits for another."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.multiprocessing import ProcessRaisedException

from ham.errors import DataError, EnvironmentProblem
from ham.training.launch import run_together
from ham.training.parallel import Team
from ham.training.run import refuse_team
from ham.training.settings import TrainingSettings

log = logging.getLogger("ham")
TWO = ["cpu", "cpu"]


def write_sum(folder: Path, device: torch.device, team: Team) -> None:
    log.info("from the first alone")
    value = team.total(torch.tensor(float(team.rank + 1)))
    dealt = team.together([f"{team.rank}a", f"{team.rank}b"] if team.rank == 0 else ["1a"])
    (folder / str(team.rank)).write_text(f"{device} {float(value)} {dealt}")


def fail_in_the_second(kind: str, device: torch.device, team: Team) -> None:
    if team.rank == 1:
        if kind == "mistake":
            raise DataError("image 7 cannot be read; get it anew.")
        if kind == "bug":
            raise ZeroDivisionError("our own")
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()  # in vain


def sleep_in_both(folder: Path, device: torch.device, team: Team) -> None:
    (folder / f"{team.rank}.pid").write_text(str(os.getpid()))
    time.sleep(600)


def start_sleeping(folder: Path) -> None:
    run_together(sleep_in_both, (folder,), TWO)


def test_they_sum_and_gather_and_what_the_first_logs_is_logged_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "ham"):
        run_together(write_sum, (tmp_path,), TWO)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["cpu 3.0 ['0a', '1a', '0b']"] * 2
    assert caplog.text.count("from the first alone") == 1


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("mistake", DataError, r"^image 7 cannot be read; get it anew\.$"),
        ("bug", ProcessRaisedException, r"(?s)Process 1.*in fail_in_the_second.*ZeroDivisionError: our own"),
        ("killed", EnvironmentProblem, r"^process 2 of 2 of the training was ended from outside \(SIGKILL\)"),
    ],
)
def test_where_one_fails_its_own_words_are_raised_and_the_other_is_not_waited_for(
    kind: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        run_together(fail_in_the_second, (kind,), TWO)
    assert not multiprocessing.active_children()


def test_they_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = multiprocessing.get_context("spawn").Process(target=start_sleeping, args=(tmp_path,))
    parent.start()
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("*.pid"))) < 2 or not all(path.read_text() for path in tmp_path.glob("*.pid")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(parent.pid or 0, signal.SIGKILL)
    parent.join()
    members = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    while any(_runs(member) for member in members):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def test_more_processes_than_groups_of_batch_norm_are_refused() -> None:
    settings = TrainingSettings()  # 24 images in groups of 12
    refuse_team(settings, 2)
    with pytest.raises(
        EnvironmentProblem, match=r"^3 processes cannot share a batch of 24 .* over 12 images: 1, 2 can"
    ):
        refuse_team(settings, 3)
