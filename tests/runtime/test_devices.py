"""Which devices a job computes on: those that are visible, of which each job has its own."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ham.errors import EnvironmentProblem
from ham.runtime import devices, leases

A, B, C = (f"GPU-{letter}d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77" for letter in ("a", "a1", "c"))
MIG_1, MIG_2 = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-GPU-ad5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/2/0"
MACHINE = [[A], [B], [C]]
PARTITIONED = [[A, MIG_1, MIG_2], [B]]
PATIENCE = 30.0  # seconds until a job that says nothing is one that hangs

# takes visible devices as a job does before it asks torch, says which, and holds them until it is told to end
JOB = """
import logging, os, sys
from pathlib import Path
from ham.runtime import devices, leases
logging.basicConfig(level=logging.INFO, format="%(message)s")
devices.PLACE, leases.POLL = Path(sys.argv[1]), 0.02
shown = devices.visible(devices.installed(), os.environ.get("CUDA_VISIBLE_DEVICES"))
print(*devices.take(shown, int(sys.argv[2])), flush=True)
input()
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Without what this machine has and whoever started the tests has set."""
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HAM_SHARE_GPUS", *devices.SCHEDULERS):
        monkeypatch.setenv(name, "")  # so that what a test sets by itself is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(devices, "PLACE", tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    leases.give_back()


Smi = Callable[[Sequence[Sequence[str]]], Path]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Smi:
    """Puts on PATH an ``nvidia-smi -L`` that lists a machine, and returns its folder."""

    def install(machine: Sequence[Sequence[str]]) -> Path:
        lines = []
        for number, (gpu, *parts) in enumerate(machine):
            lines.append(f"GPU {number}: NVIDIA A100-SXM4-40GB (UUID: {gpu})")
            lines += [f"  MIG 3g.20gb     Device  {part}: (UUID: {uuid})" for part, uuid in enumerate(parts)]
        folder = tmp_path / f"bin-{machine[0][0] if machine else None}"
        folder.mkdir()
        listed = "\n".join(lines)
        (folder / "nvidia-smi").write_text(f'#!/bin/sh\n[ "$*" = -L ] || exit 1\ncat <<END\n{listed}\nEND\n')
        (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder

    return install


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a job that takes ``gpus`` devices, in an environment with what is given; all are killed in the end."""
    jobs = []

    def begin(gpus: int = 1, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", JOB, str(tmp_path), str(gpus)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        jobs.append(subprocess.Popen(command, text=True, env={**os.environ, **environment}, **pipes))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.kill()
        job.communicate()


def taken(job: subprocess.Popen[str]) -> str:
    """What a job has taken, once it has."""
    assert job.stdout is not None
    assert select.select([job.stdout], [], [], PATIENCE)[0], "it waits for ever"
    return job.stdout.readline().strip()


def see(monkeypatch: pytest.MonkeyPatch, count: int, uuids: Sequence[str] = ()) -> None:
    """Let torch see ``count`` GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Fake")
    properties = [SimpleNamespace(uuid=uuid) for uuid in uuids] or [SimpleNamespace()] * count
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: properties[number])


@pytest.mark.parametrize("machine", [MACHINE, PARTITIONED, []])
def test_what_nvidia_smi_lists_is_read(smi: Smi, machine: list[list[str]]) -> None:
    smi(machine)
    assert devices.installed() == machine


def test_an_nvidia_smi_that_fails_lists_nothing(smi: Smi) -> None:
    (smi(MACHINE) / "nvidia-smi").write_text(f"#!/bin/sh\necho 'GPU 0: A (UUID: {A})'\nexit 9\n")
    assert devices.installed() == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, [A, B, C]),
        ("", []),
        ("2,0", [C, A]),
        (" 1 , 2", [B, C]),
        ("1,1", [B]),
        ("0,3,1", [A]),  # there is no fourth
        ("2,-1,0", [C]),
        ("NoDevFiles", []),
        (f"{C},{A}", [C, A]),
        ("GPU-c,GPU-a1", [C, B]),
        ("GPU-c,GPU-a,GPU-a1", [C]),  # two begin so
        ("GPU-c,c,0", [C]),
        ("GPU-", []),
    ],
)
def test_the_visible_are_those_that_cuda_would_show(given: str | None, shown: list[str]) -> None:
    assert devices.visible(MACHINE, given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, [MIG_1, MIG_2, B]),
        ("0", [MIG_1, MIG_2]),
        ("1,0", [B, MIG_1, MIG_2]),
        (A, [MIG_1, MIG_2]),
        (MIG_2, [MIG_2]),
        ("MIG-c6d4f1ef", [MIG_1]),
        (f"{MIG_2},{MIG_1},MIG-0", [MIG_2, MIG_1]),
    ],
)
def test_a_partitioned_gpu_stands_for_its_mig_devices(given: str | None, shown: list[str]) -> None:
    assert devices.visible(PARTITIONED, given) == shown


@pytest.mark.parametrize("given", ["", "G", ",0"])
def test_what_is_no_name_shows_nothing_of_a_single_gpu(given: str) -> None:
    assert devices.visible([[A]], given) == []


def test_the_full_name_of_a_device_is_its_own_though_another_begins_so() -> None:
    assert devices.visible([["GPU-a", "MIG-GPU-a/1/1", "MIG-GPU-a/1/11"]], "MIG-GPU-a/1/1") == ["MIG-GPU-a/1/1"]


def test_jobs_have_devices_of_their_own_among_the_visible_wherever_tmpdir_is(
    smi: Smi, start: Start, tmp_path: Path
) -> None:
    smi(MACHINE)
    folders = [tmp_path / "job1", tmp_path / "job2"]
    for folder in folders:
        folder.mkdir()
    jobs = [start(CUDA_VISIBLE_DEVICES="1,2", TMPDIR=str(folder)) for folder in folders]
    assert {taken(job) for job in jobs} == {B, C}
    three = start(CUDA_VISIBLE_DEVICES="2,1")
    assert three.stderr is not None
    assert three.stderr.readline().startswith("waiting for 1 of 2 GPUs")
    jobs[0].kill()
    assert taken(three) in (B, C)


def test_the_folder_of_leases_does_not_move_with_tmpdir_and_needs_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    monkeypatch.setattr(tempfile, "tempdir", None)  # asked for anew
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # of no entry in passwd
    assert devices.lease_folder() == Path("/tmp/ham-4000000")


def test_containers_that_see_other_devices_under_one_number_do_not_wait(smi: Smi, start: Start) -> None:
    folders = [smi([[A]]), smi([[B]])]
    jobs = [start(CUDA_VISIBLE_DEVICES="0", PATH=f"{folder}:{os.environ['PATH']}") for folder in folders]
    assert [taken(job) for job in jobs] == [A, B]


def test_a_job_of_several_has_all_of_them_and_no_other_visible(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(MACHINE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0,1")
    see(monkeypatch, 2)
    assert devices.choose(2, 1) == ["cuda:0", "cuda:1"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == f"{C},{A}"
    assert list(leases._held) == [C, A]


@pytest.mark.parametrize("name", devices.SCHEDULERS)
def test_devices_that_a_scheduler_gave_to_a_job_wait_for_nobody_outside_of_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(leases, "lease", lambda folder, names, count: asked.extend(names) or names[:count])
    monkeypatch.setenv(name, "17")
    assert devices.take([A, B], 2) == [A, B]
    assert asked == [A, B]  # of the user's, as the scheduler has given none
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert devices.take([A, B], 2) == [A, B]
    assert asked[2:] == [f"{name}-17-{A}", f"{name}-17-{B}"]


def test_trainings_within_one_job_of_a_scheduler_have_devices_of_their_own(smi: Smi, start: Start) -> None:
    smi(MACHINE)
    outside = start(3)
    assert taken(outside) == f"{A} {B} {C}"
    jobs = [start(CUDA_VISIBLE_DEVICES="0,1", SLURM_JOB_ID="7") for _ in range(2)]
    assert {taken(job) for job in jobs} == {A, B}


def test_two_jobs_may_share_a_gpu_where_that_is_asked_for(smi: Smi, start: Start, tmp_path: Path) -> None:
    smi([[A]])
    jobs = [start(HAM_SHARE_GPUS="1"), start(HAM_SHARE_GPUS="1")]
    assert [taken(job) for job in jobs] == [A, A]
    assert not list(tmp_path.glob("ham-*"))


@pytest.mark.parametrize(
    ("machine", "given", "told"),
    [
        (MACHINE, None, "asks for 4 GPUs and this machine has 3"),
        (MACHINE, "1,7,0", "asks for 4 GPUs and CUDA_VISIBLE_DEVICES=1,7,0 has 1"),
        ([[A, MIG_1, MIG_2, "MIG-3", "MIG-4"]], None, "asks for 4 GPUs and this machine has 0 to compute on together"),
    ],
)
def test_more_gpus_than_are_visible_is_one_sentence(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, machine: list[list[str]], given: str | None, told: str
) -> None:
    smi(machine)
    monkeypatch.setattr(leases, "lease", lambda folder, names, count: names)  # would wait for ever
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    with pytest.raises(EnvironmentProblem, match=told):
        devices.choose(4, 1)


@pytest.mark.parametrize("given", ["", "-1", "9"])
def test_where_no_gpu_is_visible_the_cpu_computes(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    smi(MACHINE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    with caplog.at_level(logging.INFO, "ham"):
        assert devices.choose(1, 3) == ["cpu"]
    assert f"CUDA_VISIBLE_DEVICES={given} shows no GPU of this machine" in caplog.messages
    assert caplog.messages[-1] == "computing on the CPU, 3 threads"


def test_a_machine_without_gpu_computes_on_the_cpu_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    see(monkeypatch, 0)
    with caplog.at_level(logging.INFO, "ham"):
        assert devices.choose(2, 1) == ["cpu"]
    assert caplog.messages == ["computing on the CPU, 1 threads"]


def test_a_job_without_a_gpu_computes_on_the_cpu_and_sees_none(smi: Smi) -> None:
    smi(MACHINE)
    assert devices.choose(0, 1) == ["cpu"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert not leases._held


def test_where_torch_can_use_none_the_cpu_computes_and_no_lease_is_kept(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    smi(MACHINE)
    see(monkeypatch, 0)
    assert devices.choose(2, 1) == ["cpu"]
    assert "nvidia-smi shows GPUs, torch sees none" in caplog.text
    assert not leases._held


def test_where_torch_cannot_use_all_of_them_is_one_sentence(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(MACHINE)
    see(monkeypatch, 1)
    with pytest.raises(EnvironmentProblem, match=f"torch sees 1 of the 2 GPUs {A},{B}"):
        devices.choose(2, 1)


def test_a_torch_for_cpus_takes_no_lease(smi: Smi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    smi(MACHINE)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    assert devices.choose(1, 1) == ["cpu"]
    assert not list(tmp_path.glob("ham-*"))


@pytest.mark.parametrize("uuids", [(), (A.removeprefix("GPU-"), B.removeprefix("GPU-"))])
def test_where_only_torch_knows_its_own_numbers_are_leased(
    monkeypatch: pytest.MonkeyPatch, uuids: Sequence[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    see(monkeypatch, 2, uuids)
    asked: list[list[str]] = []
    monkeypatch.setattr(leases, "lease", lambda folder, names, count: asked.append(names) or names[-count:])
    assert devices.choose(1, 1) == ["cuda:1"]
    assert asked == [[A, B] if uuids else ["GPU-0", "GPU-1"]]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with pytest.raises(EnvironmentProblem, match="asks for 3 GPUs"):
        devices.choose(3, 1)


def test_numbers_of_the_fastest_first_are_those_of_cuda(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(MACHINE)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # the fastest, which is the third of nvidia-smi
    see(monkeypatch, 1, [C.removeprefix("GPU-")])
    assert devices.choose(1, 1) == ["cuda:0"]
    assert list(leases._held) == [C]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
