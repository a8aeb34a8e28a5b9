"""Numbers of old settings never stand under new ones, whatever became of the training that was to replace them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import Checkout
from .test_reruns import REPORTS, TRAININGS

SPLIT = Path("results/phantom/localization-5fold/ham/fold1")
# A training that dies after its first epoch, as memory or a disk would end it.
DYING = {
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "a full disk": "raise OSError(28, 'No space left on device')",
}


def end_after_an_epoch(checkout: Checkout, how: str) -> str:
    """Let trainings end by ``how``; the original of the file that was changed."""
    path = checkout.folder / "ham/training/run.py"
    original = path.read_text()
    line = "        self.resume.save_history("
    assert line in original
    path.write_text(original.replace(line, f"        {DYING[how]}\n{line}"))  # a silent module: nothing reruns for it
    return original


@pytest.mark.parametrize("how", DYING)
def test_after_a_training_of_new_settings_died_nothing_is_up_to_date(changed: Checkout, how: str) -> None:
    before = json.loads((changed.folder / SPLIT / "metrics.json").read_text())
    original = end_after_an_epoch(changed, how)
    assert changed.planned() == {}
    changed.edit("small.yaml", "training: {epochs: 2, checkpoint: last}", "training: {epochs: 3, checkpoint: last}")
    assert changed.snakemake(*changed.config, "--cores", "2", check=False).returncode != 0
    models = [changed.folder / SPLIT.with_name(split) / "model.safetensors" for split in ("fold1", "fold2")]
    assert not all(model.exists() for model in models)
    (changed.folder / "ham/training/run.py").write_text(original)
    changed.snakemake(*changed.config, "--unlock")
    assert changed.planned() == {**TRAININGS, **REPORTS}
    changed.run()
    after = json.loads((changed.folder / SPLIT / "metrics.json").read_text())
    assert after["plan"] != before["plan"]
    assert json.loads((changed.folder / SPLIT / "run.json").read_text())["epochs"] == 3
    assert changed.planned() == {}


def test_back_at_the_old_settings_the_old_model_is_restored(changed: Checkout) -> None:
    model = (changed.folder / SPLIT / "model.safetensors").read_bytes()
    original = end_after_an_epoch(changed, "a full disk")
    changed.edit("small.yaml", "training: {epochs: 2, checkpoint: last}", "training: {epochs: 3, checkpoint: last}")
    changed.snakemake(*changed.config, "--cores", "2", check=False)
    (changed.folder / "ham/training/run.py").write_text(original)
    changed.edit("small.yaml", "training: {epochs: 3, checkpoint: last}", "training: {epochs: 2, checkpoint: last}")
    text = changed.run().stdout
    assert "epoch 1 of" not in text
    assert "epoch 2 of" not in text
    assert (changed.folder / SPLIT / "model.safetensors").read_bytes() == model


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors", "checkpoints/last.safetensors", "history.csv", "run.json", "predictions.csv", "maps.npz",
        "validation-predictions.csv",
        "metrics.json", "classification.csv", "localization.csv", "floors.csv", "cuts.csv", "curves.json",
        "resamples.npz",
    ],
)  # fmt: skip
def test_a_deleted_file_of_a_split_is_restored(finished: Checkout, name: str) -> None:
    assert planned_without(finished, f"{SPLIT}/{name}"), f"{name} is not asked for"


def planned_without(finished: Checkout, name: str) -> dict[str, int]:
    """What a plan would do without a file, which stands there again afterwards with its time and its other names."""
    path = finished.folder / name
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        return finished.planned()
    finally:
        aside.rename(path)


@pytest.mark.parametrize(
    "name",
    [
        "datasets/Phantom/images.csv", "datasets/Phantom/summary.csv", "datasets/Phantom/Annotations/BBoxes.json",
        "results/phantom/refined.npz",
        "results/phantom/tables/localization-5fold.md", "results/phantom/figures/localization-5fold-roc.png",
        "results/phantom/gallery/localization-5fold/ham.png", "results/phantom/tables/leakage/localization-5fold.csv",
        "results/phantom/gallery/localization-5fold/ham/pictures",
        "results/phantom/tables/differences/localization-5fold.csv",
        "results/phantom/tables/cuts/localization-5fold.csv",
        "results/phantom/tables/subgroups/localization-5fold.csv",
        "results/phantom/figures/localization-5fold-differences.png",
        "results/phantom/figures/localization-5fold-calibration.svg",
        "results/phantom/exchange/localization-5fold/ham/chexlocalize.csv",
        "results/phantom/cards/localization-5fold/ham/fold1.md",
    ],
)  # fmt: skip
def test_a_deleted_file_beside_the_splits_is_restored(finished: Checkout, name: str) -> None:
    assert planned_without(finished, name), f"{name} is not asked for"


def test_tables_and_report_refuse_results_of_other_settings(changed: Checkout) -> None:
    metrics = changed.folder / SPLIT / "metrics.json"
    other = {**json.loads(metrics.read_text()), "plan": "0" * 16}
    metrics.write_text(json.dumps(other))
    shutil.copystat(changed.folder / SPLIT / "localization.csv", metrics)
    words = ("--rerun-triggers", "input", "--cores", "2", "--forcerun")
    for rule, target in (("table", "results/phantom/tables/localization-5fold.csv"), ("report_page", "report")):
        text = changed.snakemake(target, *changed.config, *words, rule, check=False).stdout
        assert f"{SPLIT}/metrics.json comes from other settings or code" in text, text[-3000:]
