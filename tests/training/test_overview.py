"""What is said of all trainings at once: their states from what stands on the disk, and the time left by hand."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ham.cli import app
from ham.runtime import locks
from ham.training.overview import (
    Progress,
    Training,
    describe_whole,
    read_trainings,
    time_left,
    write_plan,
    write_progress,
)
from ham.training.pace import Planned
from ham.training.settings import TrainingSettings
from ham.training.state import Resume

FOLD = "nih/localization-5fold/ham/fold"
ROW = {"loss": 0.5, "validation_auc": 0.812, "validation_t_iou": 0.25, "images_per_second": 12.3}
HOLD = """
import sys, time
from ham.runtime import locks
file = open(sys.argv[1], "a+")
locks.take(file)
locks.sign(file)
print(flush=True)
time.sleep(600)
"""


def keep(resume: Path, run: str, epoch: int, planned: int, seconds: float, images: int = 100) -> Path:
    """A training's folder with a state after ``epoch`` epochs that took ``seconds`` in all."""
    folder = resume / run
    (folder / "current").mkdir(parents=True)
    (folder / "lock").touch()
    state = {
        "epoch": epoch,
        "planned": planned,
        "history": [ROW],
        "seconds": seconds,
        "facts": {"train_images": images},
    }
    (folder / "current/state.json").write_text(json.dumps(state))
    return folder


def plan(resume: Path, runs: list[str], epochs: int = 4, images: int | None = 100) -> None:
    write_plan(resume, [Planned(run, TrainingSettings(epochs=epochs), images) for run in runs])


def older(path: Path) -> None:
    """As if a file had been written an hour ago."""
    os.utime(path, (time.time() - 3600, time.time() - 3600))


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """Another process holds the lock of a resume folder meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder / "lock")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def said(epoch: int, part: float, left: float | None, **changes: Any) -> Progress:
    values = {"epochs": 4, "seconds_an_epoch": 50.0, "at": time.time(), "host": locks.socket.gethostname()}
    return Progress(epoch=epoch, part=part, left=left, **(values | changes))


def states(resume: Path) -> dict[str, str]:
    return {one.run.removeprefix(FOLD): one.state for one in read_trainings(resume)}


def test_states_are_told_by_lock_plan_and_what_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, f"{FOLD}1", 4, 4, 200)  # finished before the plan, which has it again
    older(tmp_path / f"{FOLD}1/current/state.json")
    older(tmp_path / f"{FOLD}1/lock")
    keep(tmp_path, f"{FOLD}2", 2, 4, 100)  # stopped before the plan, which will go on with it
    older(tmp_path / f"{FOLD}2/lock")
    plan(tmp_path, [f"{FOLD}{number}" for number in range(1, 6)])
    keep(tmp_path, f"{FOLD}3", 4, 4, 200)  # finished since
    keep(tmp_path, f"{FOLD}4", 1, 4, 50)  # begun since and holding nothing: killed
    keep(tmp_path, f"{FOLD}6", 4, 4, 200)  # not in the plan
    keep(tmp_path, f"{FOLD}7", 1, 4, 200)
    with training(tmp_path / f"{FOLD}5"):
        assert states(tmp_path) == {
            "5": "running", "4": "stopped", "7": "stopped", "1": "waiting", "2": "waiting", "3": "done", "6": "done",
        }  # fmt: skip
    assert states(tmp_path)["5"] == "stopped"


def test_of_a_training_that_will_be_made_again_nothing_old_is_shown(tmp_path: Path) -> None:
    keep(tmp_path, f"{FOLD}1", 4, 4, 200)
    older(tmp_path / f"{FOLD}1/current/state.json")
    plan(tmp_path, [f"{FOLD}1"])
    (one,) = read_trainings(tmp_path)
    assert (one.epoch, one.row) == (0, {})


def test_time_left_is_what_trainings_say_and_what_is_alike_took(tmp_path: Path) -> None:
    keep(tmp_path, f"{FOLD}1", 4, 4, 400, images=100)  # 100 s an epoch of 100 images
    keep(tmp_path, "nih/classification/ham/all", 1, 1, 9000, images=100)  # another experiment: less alike
    plan(tmp_path, [f"{FOLD}2", f"{FOLD}3", f"{FOLD}4"], images=200)
    with training(tmp_path / f"{FOLD}2"), training(tmp_path / f"{FOLD}3"):
        write_progress(tmp_path / f"{FOLD}2", said(3, 0.5, 300.0, seconds_an_epoch=None, at=time.time() - 60))
        write_progress(tmp_path / f"{FOLD}3", said(1, 0.0, None, seconds_an_epoch=None))
        found = {one.run: one for one in read_trainings(tmp_path)}
        assert found[f"{FOLD}2"].epoch == 2.5
        assert found[f"{FOLD}2"].left == pytest.approx(240, abs=5)  # said a minute ago
        assert found[f"{FOLD}3"].left == pytest.approx(4 * 100, abs=5)  # its own number of images is not yet known
        assert found[f"{FOLD}4"].left == pytest.approx(4 * 200, abs=5)  # of twice as many images
        assert time_left([*found.values()]) == pytest.approx(800, abs=5)  # (240 + 400 + 800) / 2 is less than the last
        assert describe_whole([*found.values()]) == (
            "5 trainings: 2 running, 1 waiting, 2 done; about 13 min left"  # 800 s
        )


def made(state: str, left: float | None) -> Training:
    return Training("a/b/c/d", state, 0, 4, {}, None, left, None)


def test_as_many_at_a_time_as_run_now() -> None:
    trainings = [made("running", 100), made("running", 200), *[made("waiting", 300)] * 3, made("done", None)]
    assert time_left(trainings) == 600  # (100 + 200 + 900) / 2
    assert describe_whole(trainings) == "6 trainings: 2 running, 3 waiting, 1 done; about 10 min left"


def test_what_is_not_known_is_said() -> None:
    assert describe_whole([made("running", None)]) == "1 training: 1 running; time left not known yet"
    assert describe_whole([made("waiting", 10.0)]) == "1 training: 1 waiting; none is running now"
    assert describe_whole([made("done", None)]) == "1 training: 1 done"


def test_a_training_on_another_machine_is_believed_while_it_speaks(tmp_path: Path) -> None:
    folder = keep(tmp_path, f"{FOLD}1", 1, 4, 50)
    write_progress(folder, said(2, 0.0, 150.0, host="node7"))
    assert states(tmp_path) == {"1": "running"}
    write_progress(folder, said(2, 0.0, 150.0, host="node7", at=time.time() - 3600))
    assert states(tmp_path) == {"1": "stopped"}


def test_who_only_looks_refuses_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GLANCE", 60.0)  # on a busy machine
    with open(tmp_path / "lock", "a+") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        threading.Timer(0.3, fcntl.flock, (looked_at, fcntl.LOCK_UN)).start()
        with Resume(tmp_path).locked():
            assert locks.held(tmp_path / "lock")
    assert not locks.held(tmp_path / "lock")


def test_the_table_has_all_at_one_glance(tmp_path: Path) -> None:
    resume = tmp_path / "results/.resume"
    keep(resume, f"{FOLD}1", 2, 4, 100)
    plan(resume, [f"{FOLD}1", f"{FOLD}2"])
    with training(resume / f"{FOLD}1"):
        write_progress(resume / f"{FOLD}1", said(3, 0.25, 90.0))
        shown = CliRunner().invoke(app, ["watch", str(tmp_path / "results")]).output.splitlines()
        assert shown[0].startswith("2 trainings: 1 running, 1 waiting; about ")
        rows = [" ".join(line.split()) for line in shown if "fold" in line]
        assert rows[0] == "localization-5fold ham fold1 running 2.25 of 4 0.5000 0.812 0.250 12.3 90 s"
        assert rows[1] == "localization-5fold ham fold2 waiting 0 of 4 3 min"
        write_progress(resume / f"{FOLD}1", said(3, 0.25, 90.0, at=time.time() - 7200))
        shown = CliRunner().invoke(app, ["watch", str(tmp_path / "results")]).output.splitlines()
        assert any("silent for 2.0 h" in line for line in shown)


def test_where_nothing_is_known_that_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from ham.cli import main; main()", "watch", str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "knows of no training" in done.stderr
    assert "Traceback" not in done.stderr
