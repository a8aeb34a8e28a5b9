"""Whatever ends a training is one sentence, and the same command goes on after the last epoch that stands."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from mounts import run_with_mount
from small_training import LISTS, SMALL

from ham.errors import DataError, EnvironmentProblem
from ham.model import weights
from ham.training.batches import Sources
from ham.training.faults import diverged, doubts, explained
from ham.training.ingredients import Ingredients, deciding_settings
from ham.training.run import train
from ham.training.state import Resume, State

SETTINGS = SMALL
RUN = "results/phantom/experiment/ham/fold1"


def run(phantom: Path, base: Path, threads: int = 1) -> None:
    train(Sources(phantom, LISTS), SETTINGS, base / RUN, {"ham.model.losses": "code"}, threads=threads)


@pytest.fixture(scope="module")
def whole(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a training that nothing interrupted."""
    base = tmp_path_factory.mktemp("whole")
    run(phantom, base)
    return base / RUN / "model.safetensors"


def assert_same_bits(one: Path, other: Path) -> None:
    first, second = weights.load(one), weights.load(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def kept_state(base: Path, epoch: int) -> Resume:
    """A resume folder in which ``epoch`` stands."""
    resume = Resume.of_output(base / RUN)
    resume.current.mkdir(parents=True)
    resume.weights(epoch).write_text("weights")
    state = State(Ingredients(deciding_settings(SETTINGS), {}, {}), epoch, 9, {"last": epoch}, {}, {}, [], 0.0, {})
    resume.keep(state)
    return resume


def killed_while_saving(phantom: Path, base: Path, saves: int) -> None:
    """A training whose process is killed in its ``saves``-th save, with a temporary file written."""
    sync = os.fsync
    left = [saves]

    def kill(file: int) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(file)

    os.fsync = kill
    run(phantom, base)


@pytest.mark.parametrize("saves", [2, 5, 7])  # four an epoch: weights, optimizer, state.json, history.csv
def test_a_training_killed_while_it_saves_leaves_nothing_behind(
    phantom: Path, whole: Path, tmp_path: Path, saves: int
) -> None:
    child = multiprocessing.get_context("spawn").Process(target=killed_while_saving, args=(phantom, tmp_path, saves))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".*-unfinished-*"))) == 1
    run(phantom, tmp_path)
    assert list(tmp_path.rglob(".*-unfinished-*")) == []
    assert_same_bits(tmp_path / RUN / "model.safetensors", whole)


@pytest.mark.parametrize("also", ["superseded", "current"])
def test_what_a_kill_left_goes_at_the_start(tmp_path: Path, also: str) -> None:
    resume = kept_state(tmp_path, 7)
    (resume.current / ".optimizer-8-abcdefgh.pt").write_text("half")
    (resume.current / "epoch-8.safetensors").write_text("of an epoch that was not finished")
    (resume.superseded / ".0123456789ab-6").mkdir(parents=True)
    seed = {"superseded": 1, "current": 0}[also]
    wanted = SETTINGS.model_copy(update={"seed": seed, "epochs": 7})
    resume.find(Ingredients(deciding_settings(wanted), {}, {}))
    (state,) = (tmp_path / "results/.resume").rglob("state.json")
    assert also in state.parts
    assert sorted(path.name for path in state.parent.iterdir()) == ["epoch-7.safetensors", "state.json"]
    assert list(resume.superseded.glob(".*")) == []


FULL = """
import logging, shutil, subprocess, sys
import torch
from ham.errors import EnvironmentProblem
from test_faults import Path, RUN, run
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
torch.set_num_threads(1)
base, phantom = Path(sys.argv[2]), Path(sys.argv[3])
try:
    run(phantom, base)
except EnvironmentProblem as problem:
    print(f"said: {problem}")
subprocess.run(["mount", "-o", "remount,size=900m", sys.argv[2]], check=True)
run(phantom, base)
shutil.copyfile(base / RUN / "model.safetensors", sys.argv[4])
"""


def test_after_a_full_disk_it_goes_on_after_the_epoch_that_stands(phantom: Path, whole: Path, tmp_path: Path) -> None:
    """Weights take 57 MB, the optimizer 114 MB: the first epoch finds room, the optimizer of the second does not."""
    disk, model = tmp_path / "disk", tmp_path / "model.safetensors"
    disk.mkdir()
    tests = str(Path(__file__).parent)
    program = f"import sys; sys.path[:0] = [{str(Path(__file__).parents[1])!r}, {tests!r}]\n{FULL}"
    mount = ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(disk)]
    done = run_with_mount(mount, program, tests, str(disk), str(phantom), str(model))
    assert done.returncode == 0, done.stdout + done.stderr
    path = Resume.of_output(disk / RUN).current / "optimizer-2.pt"
    sentence = f"no space left on the disk of {path} (df -h, df -i): free some and run the same command again"
    assert f"said: {sentence}, it goes on after epoch 1.\n" in done.stdout
    assert "going on after epoch 1 of 2" in done.stdout
    assert_same_bits(model, whole)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_unreadable_image_is_its_sentence_alone(phantom: Path, tmp_path: Path, threads: int) -> None:
    """With two threads a process decodes."""
    folder = tmp_path / phantom.name
    shutil.copytree(phantom, folder)
    for path in (folder / "images").iterdir():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"^/[^\n]*\.png: cannot be read as an image \([^\n]*run `datasets` again\.$"):
        run(folder, tmp_path, threads)


def test_memory_that_does_not_suffice_names_what_to_change(tmp_path: Path) -> None:
    resume = kept_state(tmp_path, 7)
    sentence = (
        "the memory of the GPU is not enough for batches of 8 images of 32 x 32 pixels in float32: free some "
        "(nvidia-smi says who has it) and run the same command again, it goes on after epoch 7, or lower "
        "training.batch_size or training.image_size, or set training.precision: bfloat16, and train anew."
    )
    settings = SETTINGS.model_copy(update={"precision": "float32"})
    with pytest.raises(EnvironmentProblem) as raised, explained(settings, resume, on_gpu=True):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    assert str(raised.value) == sentence
    with pytest.raises(EnvironmentProblem) as raised, explained(settings, resume, on_gpu=False):
        raise MemoryError
    assert "bfloat16" not in str(raised.value)


def test_a_fault_before_the_first_epoch_promises_no_epoch(tmp_path: Path) -> None:
    with (
        pytest.raises(EnvironmentProblem, match=r"run the same command again, and if it fails once more"),
        explained(SETTINGS, Resume(tmp_path), on_gpu=True),
    ):
        raise RuntimeError("CUDA error: unspecified launch failure")


def test_a_mistake_of_ours_keeps_its_class(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), explained(SETTINGS, Resume(tmp_path), on_gpu=False):
        raise ZeroDivisionError


def test_a_loss_that_is_no_number_names_its_term_and_images() -> None:
    said = str(diverged("attention_bound", float("nan"), 3, ["a.png", "b.png"], 0.1))
    assert said.startswith("the loss attention_bound became nan in epoch 3, at the images a.png, b.png: lower")
    assert "(0.1 in this epoch)" in said


def history(*losses: float, empty: float = 0.0) -> list[dict[str, float]]:
    return [{"loss": loss, "validation_empty_maps": empty} for loss in losses]


def test_a_loss_that_stands_still_is_doubted_and_one_that_falls_or_is_young_is_not() -> None:
    (doubt,) = doubts(history(1.2, 1.199, 1.201, 1.2, 1.195))
    assert doubt.startswith("the loss has not moved in 5 epochs (from 1.2 to 1.195, at best 1.195)")
    assert doubts(history(1.2, 1.3, 1.4, 1.5, 1.6))
    assert doubts(history(1.2, 1.2, 1.2, 1.2)) == []
    assert doubts(history(1.2, 1.15, 1.15, 1.15, 1.15)) == [], "it fell, and stands at a plateau"


def test_maps_that_are_zero_in_all_validation_images_are_told(
    phantom: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doubts(history(1.2, empty=0.9)) == []
    from ham.model.network import HierarchicalAttentionNetwork

    forward = HierarchicalAttentionNetwork.forward

    def dead(self: HierarchicalAttentionNetwork, image: torch.Tensor, *_: object) -> object:
        output = forward(self, image)
        return output if self.training else output._replace(cam_class=torch.zeros_like(output.cam_class))

    monkeypatch.setattr(HierarchicalAttentionNetwork, "forward", dead)
    with caplog.at_level(logging.WARNING, "ham"):
        run(phantom, tmp_path)
    assert caplog.text.count("every predicted region of the validation images is empty") == SETTINGS.epochs
    state = json.loads((Resume.of_output(tmp_path / RUN).current / "state.json").read_text())
    assert [row["validation_empty_maps"] for row in state["history"]] == [1, 1]
