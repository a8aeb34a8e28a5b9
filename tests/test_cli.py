"""The command ``ham``, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from golden import reference_inputs

from ham.model.network import HierarchicalAttentionNetwork
from ham.settings import NetworkSettings


def ham(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ham.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_weights_go_in_and_out(tmp_path: Path) -> None:
    network = HierarchicalAttentionNetwork(2, NetworkSettings(architecture="resnet18", pretrained=None))
    state = {
        f"module.{name}": torch.as_tensor(reference_inputs.weight(name, tuple(value.shape)))
        for name, value in network.state_dict().items()
    }
    torch.save(state, tmp_path / "published.pth")
    (tmp_path / "small.yaml").write_text("network: {architecture: resnet18}\n")
    options = ("--settings", tmp_path / "small.yaml", "--findings", "Mass,Nodule")
    done = ham("import-weights", tmp_path / "published.pth", *options)
    assert done.returncode == 0, done.stderr
    done = ham("export-weights", tmp_path / "published.safetensors", tmp_path / "back.pth", "--published")
    assert done.returncode == 0, done.stderr
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    done = ham("import-weights", tmp_path / "published.pth", "--findings", "Mass,Nodule")  # the paper's resnet50
    assert done.returncode == 1
    assert "made for another network" in done.stderr


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    done = ham("import-weights", tmp_path / "absent.pth")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ham: {tmp_path / 'absent.pth'}: there is no such file.\n"
    (tmp_path / "wrong.yaml").write_text("network: {architecture: resnet19}\nimage_sise: 3\n")
    done = ham("import-weights", tmp_path / "absent.pth", "--settings", tmp_path / "wrong.yaml")
    assert done.returncode == 1
    assert "2 mistakes" in done.stderr
    assert "image_sise: there is no such key" in done.stderr
    assert "Traceback" not in done.stderr
