"""Kills a training of the demo at random moments and compares what it ends with (``make kills``).

    python tests/kills.py FOLDER [--trainings 4] [--kills 5] [--seed 0]

FOLDER takes the demo's data set and results. The command of one fold is given, something of it is killed at a random
moment, the same command is given again, and so on. What each training ends with, the weights of all its checkpoints,
must be those of an uninterrupted one, to the bit. Images are smaller than the demo's, so that it takes half an hour on
two cores and not four.
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
START = 10.0  # seconds before a training's first step
TARGET = f"{SPLIT}/model.safetensors"
# whom, by what: the training alone or everything at once, as a scheduler, a keyboard, a lack of memory would
KILLS = [("training", signal.SIGKILL), ("training", signal.SIGTERM), ("all", signal.SIGKILL), ("all", signal.SIGINT)]


def command(*words: str) -> list[str]:
    options = ["--configfile", str(ROOT / "config/demo.yaml"), "--config", "training={image_size: 48}"]
    options += ["--cores", "2", "--set-threads", "train=2"]
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


def finish(folder: Path, target: str) -> float:
    """Make a target to its end; the seconds it took."""
    before = time.monotonic()
    if start(folder, target).wait() != 0:
        sys.exit(f"{target} could not be made: see {folder}/terminal.txt")
    return time.monotonic() - before


def epochs(folder: Path) -> int:
    """Epochs of the training that stand."""
    history = folder / SPLIT.replace("results/", "results/.resume/") / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.is_file() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trainings", type=int, default=4)
    parser.add_argument("--kills", type=int, default=5, help="of each training")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(given.seed)
    finish(folder, "datasets")
    forget(folder)
    lasted = finish(folder, TARGET)
    wanted = weights(folder)
    print(f"uninterrupted: {lasted:.0f} s, {len(wanted)} arrays", flush=True)
    for training in range(1, given.trainings + 1):
        forget(folder)
        for turn in range(given.kills):
            whom, number = KILLS[(training + turn) % len(KILLS)]
            moment = START + draw.uniform(0, 1) * (lasted - START) / given.kills
            running = start(folder, TARGET)
            time.sleep(moment)
            kill(running, whom, number)
            print(f"  {number.name} to {whom} after {moment:.0f} s: {epochs(folder)} epochs kept", flush=True)
            if whom == "all":
                start(folder, "--unlock").wait()
        finish(folder, TARGET)
        found = weights(folder)
        same = found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)
        print(f"training {training}: {'the same bits' if same else 'OTHER WEIGHTS'}", flush=True)
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    main()
