"""The doctor finds what is wrong with a machine, and says what to do."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
from small_checkpoint import radiograph, write_checkpoint
from typer.testing import CliRunner

from ham import dataset_fit, doctor, precedence
from ham.cli import app
from ham.doctor import Finding
from ham.errors import EnvironmentProblem


def one(findings: object) -> Finding:
    (found,) = findings  # type: ignore[misc]
    return found


def test_this_machine_can_run_the_demo(tmp_path: Path) -> None:
    """At the terminal and for programs; everything that is looked at is named."""
    wanted = ["doctor", "--configfile", "config/demo.yaml", "--directory", str(tmp_path)]
    said = CliRunner().invoke(app, [*wanted, "--json"])
    findings = json.loads(said.output)
    assert {"Python", "torch", "GPU", "Snakemake", "locks", "data", "weights", "disk"} <= {f["what"] for f in findings}
    assert not [finding for finding in findings if finding["level"] == "error"]
    assert all(finding["do"] or finding["level"] == "ok" for finding in findings)
    assert said.exit_code == doctor.STATUS[doctor.worst([Finding(**finding) for finding in findings])]
    assert "Python: 3." in CliRunner().invoke(app, wanted).output
    assert list(tmp_path.iterdir()) == []


def test_the_worst_finding_is_the_exit_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for level, status in (("ok", 0), ("note", 0), ("warning", 4), ("error", 5)):
        monkeypatch.setattr(
            doctor, "examine", lambda *given, level=level: [Finding("ok", "a", "b"), Finding(level, "a", "b")]
        )
        assert CliRunner().invoke(app, ["doctor", "--directory", str(tmp_path)]).exit_code == status


def test_torch_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process of its own says it."""
    monkeypatch.setattr(doctor, "TORCH", "raise RuntimeError('operator torchvision::nms does not exist')")
    found = one(doctor.torch_and_gpus())
    assert found.level == "error"
    assert "not of one another" in found.found
    monkeypatch.setattr(doctor, "TORCH", "import os; os.abort()")
    assert "torch cannot be imported" in one(doctor.torch_and_gpus()).found


def test_gpus_that_torch_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH", 'print(\'["2.9", "0.24", "12.8", false, []]\')')
    monkeypatch.setattr(doctor, "_driver", lambda: "470.1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu = list(doctor.torch_and_gpus())[1]
    assert (gpu.level, gpu.do[:17]) == ("warning", "update the driver")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert list(doctor.torch_and_gpus())[1].do == "unset CUDA_VISIBLE_DEVICES"


def test_disk_and_shared_memory_that_are_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(64 << 20, 0, 10**9))
    assert "shm-size" in one(doctor.shared_memory()).do
    config, description = dataset_fit.planned(precedence.composed(precedence.layers([], {})), precedence.DESCRIPTIONS)
    assert one(doctor.disk(config, description, tmp_path)).level == "warning"


def test_folders_and_weights_that_are_not_there(tmp_path: Path) -> None:
    lost = tmp_path / "lost.pth"
    lost.touch()
    given = {"data": {"folder": str(tmp_path / "none")}, "training": {"network": {"pretrained": str(lost)}}}
    config, description = dataset_fit.planned(
        precedence.composed(precedence.layers([], given)), precedence.DESCRIPTIONS
    )
    assert one(doctor.data(config, description, tmp_path)).level == "error"
    lost.unlink()
    assert "lost.pth" in one(doctor.weights(config, tmp_path)).found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    assert one(doctor.locks(tmp_path)).level == "error"


def test_locks_that_the_file_system_has_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none(*given: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    assert one(doctor.locks(tmp_path)).level == "warning"


@pytest.mark.parametrize(
    "verb", [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
)
def test_every_verb_shows_an_example(verb: str) -> None:
    """With arguments that the verb has."""
    verb = verb.replace("_", "-")
    said = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "300"}).output
    (example,) = re.findall(rf"Example: ham {verb}([^\n│]*)", said)
    for option in re.findall(r"--[a-z-]+", example):
        assert option in said.replace(example, ""), option


def test_a_traceback_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    """And one sentence otherwise."""
    command = [sys.executable, "-c", "from ham.cli import main; main()"]
    verb = ["predict", str(tmp_path), "--model", str(tmp_path / "no.safetensors"), "--out", str(tmp_path / "out")]
    plain = subprocess.run([*command, *verb], capture_output=True, text=True, check=False)
    assert plain.returncode == 1
    assert plain.stderr.count("\n") == 1
    assert plain.stderr.startswith("ham: ")
    loud = subprocess.run([*command, "--debug", *verb], capture_output=True, text=True, check=False)
    assert "Traceback" in loud.stderr


def test_an_unexpected_mistake_asks_for_a_report() -> None:
    """One sentence."""
    code = "import ham.doctor, ham.cli; ham.doctor.examine = None; ham.cli.main()"
    said = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr.startswith("ham: unexpected TypeError")
    assert said.stderr.count("\n") == 1


def test_a_reader_that_goes_away_and_ctrl_c_leave_no_traceback(tmp_path: Path) -> None:
    """``ham … | head``, and the signal of Ctrl-C, whose status is 130."""
    command = [sys.executable, "-c", "from ham.cli import main; main()"]
    piped = f"{shlex.join([*command, 'doctor', '--directory', str(tmp_path)])} | true"
    assert "Traceback" not in subprocess.run(piped, shell=True, capture_output=True, text=True, check=False).stderr
    write_checkpoint(tmp_path / "model.safetensors", 0)
    (tmp_path / "scans").mkdir()
    for number in range(400):
        radiograph(number % 9).save(tmp_path / f"scans/{number}.png")
    verb = ["predict", str(tmp_path / "scans"), "--model", str(tmp_path / "model.safetensors"), "--out"]
    record = tmp_path / "out/.predicted.jsonl"
    with subprocess.Popen([*command, *verb, str(tmp_path / "out")], stdout=-3, stderr=-1, text=True) as predicting:
        while predicting.poll() is None and not (record.exists() and record.stat().st_size > 9000):
            time.sleep(0.05)
        predicting.send_signal(signal.SIGINT)
        _, said = predicting.communicate(timeout=60)
    assert "Traceback" not in said
    assert predicting.returncode == 130
    assert list((tmp_path / "out").rglob("*.tmp")) == []


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """And a data set whose table is gone is not taken for converted."""
    config, description = dataset_fit.planned(precedence.composed(precedence.layers([], {})), precedence.DESCRIPTIONS)
    with pytest.raises(EnvironmentProblem, match="there is no such folder"):
        doctor.examine(config, description, tmp_path / "none")
    folder = tmp_path / "datasets" / description.name
    folder.mkdir(parents=True)
    (folder / "dataset.json").touch()
    assert "not converted" in one(doctor.data(config, description, tmp_path)).found


def test_shells_complete_the_verbs() -> None:
    """As bash asks for it."""
    asked = {**os.environ, "_HAM_COMPLETE": "complete_bash", "COMP_WORDS": "ham pre", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'ham'; from ham.cli import main; main()"]
    said = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["predict"]
