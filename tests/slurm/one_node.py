"""A real SLURM of one node that lasts as long as a ``with``: Debian's slurmctld, slurmd and munge on the loopback.

Four GPUs are made up, and more cores and memory than there are; there is no accounting database. Needs no root.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

GPUS = 4
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where Debian has the daemons
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MinJobAge=3600
KillWait=60
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=64 RealMemory=512000 Gres=gpu:{gpus}
PartitionName=gpu Nodes=node1 MaxTime=7-0 DefMemPerCPU=100 State=UP
"""
SRUN = """\
#!/bin/sh
# The executor plugin takes SLURM_CONF from the environment of the srun within a job.
SLURM_CONF={conf} exec {srun} "$@"
"""


def missing() -> list[str]:
    """Programs that this needs and that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


def wait_until(met: Callable[[], bool], what: str, seconds: float = 600) -> None:
    """Look at ``met`` until it is so; AssertionError with ``what`` when it takes too long."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running_slurm() -> Iterator[dict[str, str]]:
    """The environment in which its commands find it."""
    base = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: the path of a socket has about 100 characters
    daemons: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "PATH": f"{base}/bin:{PATH}", "SLURM_CONF": f"{base}/slurm.conf"}
    try:
        write_configuration(base)
        start_daemons(base, environment, daemons)
        try:
            yield environment
        finally:
            cancel_all(environment)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(60)
        shutil.rmtree(base)


def write_configuration(base: Path) -> None:
    """slurm.conf, gres.conf, GPUs that are /dev/null, munge's key, and an srun that finds slurm.conf."""
    base.chmod(0o755)
    for name in ("bin", "state", "spool"):
        (base / name).mkdir()
    for number in range(GPUS):
        (base / f"gpu{number}").symlink_to("/dev/null")  # a device: SLURM then sets CUDA_VISIBLE_DEVICES
    (base / "gres.conf").write_text(f"NodeName=node1 Name=gpu File={base}/gpu[0-{GPUS - 1}]\n")
    (base / "plugstack.conf").touch()
    key = base / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    host = socket.gethostname().split(".")[0]
    ports = {"controller_port": free_port(), "node_port": free_port()}
    (base / "slurm.conf").write_text(CONF.format(base=base, host=host, user=getpass.getuser(), gpus=GPUS, **ports))
    srun = base / "bin/srun"
    srun.write_text(SRUN.format(conf=base / "slurm.conf", srun=shutil.which("srun", path=PATH)))
    srun.chmod(0o755)


def start_daemons(base: Path, environment: dict[str, str], daemons: list[subprocess.Popen[bytes]]) -> None:
    """Start munged, slurmctld and slurmd, add each to ``daemons``, and wait until the node takes jobs."""

    def start(*words: str) -> None:
        with open(base / f"{words[0]}.out", "wb") as output:
            daemons.append(
                subprocess.Popen(words, env=environment, stdout=output, stderr=output, start_new_session=True)
            )

    files = [f"--{key}={base}/munged.{key.split('-')[0]}" for key in ("pid-file", "log-file", "seed-file")]
    start(
        "munged", "--foreground", "--force", "--origin=127.0.0.1",
        f"--key-file={base}/munge.key", f"--socket={base}/munge.socket", *files,
    )  # fmt: skip
    wait_until((base / "munge.socket").exists, "munged", 60)
    start("slurmctld", "-D")
    start("slurmd", "-D", "-N", "node1")
    wait_until(lambda: ask(environment, "sinfo", "-h", "-o", "%t") == "idle", f"the node (logs in {base})", 60)


def ask(environment: dict[str, str], *words: str) -> str:
    """What a command of SLURM prints; nothing while it has no answer."""
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip()


def cancel_all(environment: dict[str, str]) -> None:
    """End every job that is left, and wait for it."""
    for job in ask(environment, "squeue", "-h", "-o", "%A").split():
        ask(environment, "scancel", "--signal=KILL", "--full", job)
    wait_until(lambda: not ask(environment, "squeue", "-h"), "the last jobs", 120)
