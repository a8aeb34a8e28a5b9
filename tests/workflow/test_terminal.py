"""What stands last on the terminal when a job fails, and when somebody presses Ctrl-C."""

from __future__ import annotations

import logging
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ham.runtime.failures import FailedJobs, last_error

from .conftest import Checkout, copy_of_workflow

STAMP = "2026-01-02 03:04:05"
MISTAKE = f"{STAMP} INFO reading\n{STAMP} ERROR a.csv, line 3: no number: write one\n"
UNEXPECTED = f"{STAMP} ERROR an unexpected error in train, please report it with this log\nTraceback (most recent call last):\n  x\nKeyError: 1\n"  # noqa: E501


def record(log: Path, level: int = logging.ERROR, **changes: Any) -> logging.LogRecord:
    """Snakemake's report of a failed job."""
    made = logging.LogRecord("snakemake.logging", level, __file__, 1, "Error in rule train, jobid: 3", (), None)
    values = {"rule_name": "train", "jobid": 3, "input": ["a", "b", "c"], "output": ["d"] * 40, "log": [str(log)]}
    made.__dict__.update(values | changes)
    return made


def test_the_sentence_is_kept_for_the_end_and_the_files_are_few(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(MISTAKE)
    failed = FailedJobs()
    shown = record(tmp_path / "train.log")
    assert failed.filter(shown)
    assert shown.__dict__["input"] == ["a, b and 1 more"]
    assert shown.__dict__["output"] == ["d, d and 38 more"]
    assert shown.__dict__["log"] == []
    assert failed.told() == f"a.csv, line 3: no number: write one\n  ({tmp_path / 'train.log'})"


def test_an_unexpected_error_keeps_its_log(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(UNEXPECTED)
    failed = FailedJobs()
    shown = record(tmp_path / "train.log")
    assert failed.filter(shown)
    assert shown.__dict__["log"] == [str(tmp_path / "train.log")]
    assert failed.told().startswith("an unexpected error in train, please report it with this log\n  (")


@pytest.mark.parametrize("written", [None, f"{STAMP} INFO epoch 1 of 3\n"])
def test_a_job_that_was_killed_is_said_to_be(tmp_path: Path, written: str | None) -> None:
    if written:
        (tmp_path / "train.log").write_text(written)
    failed = FailedJobs()
    assert failed.filter(record(tmp_path / "train.log"))
    assert failed.told().startswith("train: ended without a word: most likely killed")


def test_an_interrupted_job_is_not_reported_as_failed(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(f"{STAMP} ERROR interrupted\n")
    failed = FailedJobs()
    assert not failed.filter(record(tmp_path / "train.log"))
    assert failed.told() == "Interrupted, with train running: the same command goes on."


def test_a_job_that_is_tried_again_has_not_failed_yet(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(MISTAKE)
    failed = FailedJobs()
    assert failed.filter(record(tmp_path / "train.log"))
    assert failed.filter(record(tmp_path / "train.log", logging.INFO))
    assert failed.told() == ""
    assert failed.filter(record(tmp_path / "train.log"))
    assert failed.told().startswith("a.csv, line 3")


def test_other_records_pass_untouched(tmp_path: Path) -> None:
    failed = FailedJobs()
    begun = record(tmp_path / "none.log", logging.INFO)
    assert failed.filter(begun)
    assert begun.__dict__["input"] == ["a", "b", "c"]
    assert failed.told() == ""


@pytest.mark.parametrize(
    ("status", "shown"),
    [("non-zero exit status 1.", False), ("non-zero exit status 143.", False), ("non-zero exit status 2.", True)],
)
def test_the_command_line_of_a_job_that_has_spoken_is_left_out(status: str, shown: bool) -> None:
    text = f"RuleException:\nCalledProcessError in file x.smk, line 22:\nCommand 'python y.py' returned {status}"
    made = logging.LogRecord("snakemake.logging", logging.ERROR, __file__, 1, text, (), None)
    assert FailedJobs().filter(made) is shown


def test_a_message_of_several_lines_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{STAMP} ERROR two mistakes:\n  one\n  two\n{STAMP} INFO after\n")
    assert last_error(tmp_path / "a.log") == "two mistakes:\n  one\n  two"


def test_a_failing_job_has_the_last_word(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "checkout")
    words = ["datasets", "--configfile", "config/sample.yaml", "--config", f"data={{mirror: {tmp_path / 'none'}}}"]
    done = checkout.snakemake(*words, "--cores", "1", check=False)
    assert done.returncode == 1
    sentence, log = done.stdout.rstrip("\n").splitlines()[-2:]
    assert sentence.startswith(f"mirror {tmp_path / 'none'} is no folder (")
    assert log.startswith("  (results/nih-sample/logs/fetch_")
    assert "Traceback" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 400


def pressed(checkout: Checkout, words: list[str], when: str) -> str:
    """What a terminal shows of Snakemake after Ctrl-C, pressed when it has shown ``when``."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(checkout.work)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs the tests in the background may have it ignored
        os.execv(sys.executable, [sys.executable, "-m", "snakemake", *words, *checkout.config, "--cores", "1"])
    shown, end = "", time.monotonic() + 300
    after = None
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # Linux: the other end is closed
            break
        if after is None and when in shown:
            time.sleep(1)
            after = len(shown)
            os.write(terminal, b"\x03")
    os.waitpid(process, 0)
    assert after is not None, shown
    return shown[after:].replace("\r\n", "\n")


def test_ctrl_c_ends_in_one_line(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "checkout")
    checkout.edit("small.yaml", "images: 60", "images: 8000")
    shown = pressed(checkout, ["datasets"], "[draw_phantom] drawing")
    assert shown.rstrip().endswith("Interrupted, with draw_phantom running: the same command goes on.")
    assert "Traceback" not in shown
    assert "Error in rule" not in shown
