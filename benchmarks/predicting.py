"""What `ham predict` costs beside decoding and the bare network; what it takes to start; how its memory grows.

PYTHONPATH=benchmarks:. python benchmarks/predicting.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ham.images import network_input, read_grey, resized
from ham.inference.model import Model
from ham.inference.run import PredictOptions, predict_images
from ham.model import weights
from ham.model.card import Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.settings import NetworkSettings
from ham.training.settings import TrainingSettings

FINDINGS = tuple(f"finding {letter}" for letter in "ABCDEFGHIJKLMN")
IMAGES, SIDE = 24, 1024


def write_model(path: Path, architecture: str, size: int) -> Path:
    """A network of random weights."""
    settings = TrainingSettings(
        image_size=size, network=NetworkSettings(architecture=architecture, pretrained=None, downsampling=16)
    )
    network = HierarchicalAttentionNetwork(len(FINDINGS), settings.network)
    weights.save(path, network.state_dict(), Card(findings=FINDINGS, settings=settings.plain()))
    return path


def write_images(folder: Path, count: int, side: int) -> Path:
    """Smooth grey images of noise, as PNG."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (side // 8, side // 8)).astype(np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:05}.png")
    return folder


def bare(model: Model, folder: Path) -> float:
    """Seconds of decoding, resizing and the network's forward, eight images at a time."""
    start = time.perf_counter()
    size, (network,), settings = model.card.model.image_size, model.networks, model.card.model
    paths = sorted(folder.iterdir())
    for first in range(0, len(paths), 8):
        pixels = np.stack([np.asarray(resized(read_grey(path), size)) for path in paths[first : first + 8]])
        with torch.inference_mode():
            network(network_input(torch.from_numpy(pixels), settings.normalisation))
    return time.perf_counter() - start


def main() -> None:
    """Print a line a measurement."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        folder = write_images(base / "images", IMAGES, SIDE)
        for architecture, size in (("resnet18", 256), ("resnet50", 512)):
            model = Model.open(write_model(base / f"{architecture}.safetensors", architecture, size))
            bare(model, folder)
            floor = bare(model, folder)
            start = time.perf_counter()
            predict_images([folder], model, base / architecture, PredictOptions())
            took = time.perf_counter() - start
            print(
                f"{architecture} {size}: {took:.1f} s of {IMAGES} images of {SIDE} pixels, {took / floor:.2f} of "
                f"decoding and the bare forward ({floor:.1f} s), {torch.get_num_threads()} threads",
                flush=True,
            )
        one = sorted(folder.iterdir())[0]
        command = [sys.executable, "-c", "from ham.cli import main; main()", "predict", str(one)]
        start = time.perf_counter()
        subprocess.run(
            [*command, "--model", str(base / "resnet18.safetensors"), "--out", str(base / "one")],
            check=True,
            capture_output=True,
        )
        print(f"start to the end of one image: {time.perf_counter() - start:.1f} s", flush=True)
        print(json.dumps({"memory in MB by images": {n: memory(base, n) for n in (200, 2000)}}), flush=True)


def memory(base: Path, count: int) -> int:
    """Peak memory in MB of a process that predicts so many images of 64 pixels."""
    folder = write_images(base / f"small{count}", count, 64)
    model = write_model(base / "small.safetensors", "resnet18", 64)
    code = (
        "import resource, sys; from pathlib import Path; import ham; from ham.inference.run import *;"
        "predict_images([sys.argv[1]], ham.load(sys.argv[2]), Path(sys.argv[3]), PredictOptions(workers=0));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder, model, base / f"out{count}"], check=True, capture_output=True, text=True
    )
    return int(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
