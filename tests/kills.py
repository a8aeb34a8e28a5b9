"""Kills a training of the demo at random moments and compares what it ends with (``make kills``).

    python tests/kills.py FOLDER [--count 20] [--seed 0]

FOLDER takes the demo's data set and results. Each time the whole command of one fold is started, something of it is
killed at a moment drawn from the time that an uninterrupted one took, and the same command is given again. The weights
of all its checkpoints must be those of the uninterrupted training, to the bit.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[1]
SPLIT = "results/phantom/localization-5fold/ham/fold4"
TARGET = f"{SPLIT}/model.safetensors"
# whom, by what: the training alone or everything at once, as a scheduler, a keyboard, a lack of memory would
KILLS = [("training", signal.SIGKILL), ("training", signal.SIGTERM), ("all", signal.SIGKILL), ("all", signal.SIGINT)]


def command(*words: str) -> list[str]:
    options = ["--configfile", str(ROOT / "config/demo.yaml"), "--cores", "2", "--set-threads", "train=2"]
    return [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), *words, *options, "--rerun-incomplete"]


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    with open(folder / "terminal.txt", "ab") as terminal:
        return subprocess.Popen(command(*words), cwd=folder, stdout=terminal, stderr=terminal, start_new_session=True)


def trainings() -> list[int]:
    """Processes that run the script of the training's rule."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(b"train.py" in word and b".snakemake/scripts" in word for word in words):
            found.append(int(path.parent.name))
    return sorted(found)


def weights(folder: Path) -> dict[str, np.ndarray]:
    files = [folder / TARGET, *sorted((folder / SPLIT / "checkpoints").glob("*.safetensors"))]
    return {f"{path.stem} {name}": value for path in files for name, value in load_file(path).items()}


def forget(folder: Path) -> None:
    for name in (SPLIT, SPLIT.replace("results/", "results/.resume/")):
        shutil.rmtree(folder / name, ignore_errors=True)


def kill(running: subprocess.Popen[bytes], whom: str, number: signal.Signals) -> None:
    """Send ``number``; Snakemake ends by itself when its job has."""
    if whom == "all":
        os.killpg(running.pid, number)
    else:
        for process in trainings()[:1]:
            os.kill(process, number)
    running.wait()
    while trainings():  # an orphan
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(given.seed)
    assert start(folder, "datasets").wait() == 0, f"see {folder}/terminal.txt"
    forget(folder)
    before = time.monotonic()
    assert start(folder, TARGET).wait() == 0, f"see {folder}/terminal.txt"
    lasted = time.monotonic() - before
    wanted = weights(folder)
    print(f"uninterrupted: {lasted:.0f} s, {len(wanted)} arrays", flush=True)
    for turn in range(given.count):
        whom, number = KILLS[turn % len(KILLS)]
        forget(folder)
        running = start(folder, TARGET)
        moment = draw.uniform(0.05, 0.98) * lasted
        time.sleep(moment)
        kill(running, whom, number)
        kept = folder / SPLIT.replace("results/", "results/.resume/") / "history.csv"
        epochs = len(kept.read_text().splitlines()) - 1 if kept.is_file() else 0
        if whom == "all":
            start(folder, "--unlock").wait()
        assert start(folder, TARGET).wait() == 0, f"see {folder}/terminal.txt"
        found = weights(folder)
        same = found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)
        print(
            f"{turn + 1}: {number.name} to {whom} after {moment:.0f} s, {epochs} epochs kept: "
            f"{'the same bits' if same else 'OTHER WEIGHTS'}",
            flush=True,
        )
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    main()
