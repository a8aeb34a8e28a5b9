"""The workflow runs from anywhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from small_own import Own

from .conftest import Checkout, copy_of_workflow

TABLE = "datasets/Phantom/images.csv"


def elsewhere(tmp_path: Path) -> Checkout:
    checkout = copy_of_workflow(tmp_path / "checkout")
    checkout.work = tmp_path / "elsewhere"
    checkout.work.mkdir()
    return checkout


def test_with_the_snakefile_named_from_another_folder(tmp_path: Path) -> None:
    checkout = elsewhere(tmp_path)
    checkout.run("datasets", "-s", str(checkout.folder / "Snakefile"))
    assert (checkout.work / TABLE).exists()
    assert not (checkout.folder / "datasets").exists()


def test_with_another_working_directory(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "checkout")
    checkout.run("datasets", "--directory", str(tmp_path / "there"))
    assert (tmp_path / "there" / TABLE).exists()
    assert not (checkout.folder / "datasets").exists()


def test_as_a_module_with_a_prefix(tmp_path: Path) -> None:
    checkout = elsewhere(tmp_path)
    (checkout.work / "Snakefile").write_text(
        f"""
configfile: "small.yaml"
module ham:
    snakefile: "{checkout.folder}/workflow/Snakefile"
    config: config
    prefix: "chest"
use rule * from ham as ham_*
"""
    )
    merged = (checkout.folder / "config/config.yaml").read_text(), (checkout.folder / "small.yaml").read_text()
    for name, text in zip(("paper.yaml", "small.yaml"), merged, strict=True):
        (checkout.work / name).write_text(text)
    checkout.config = ["--configfile", "paper.yaml", "small.yaml"]
    checkout.run("chest/results/phantom/localization-5fold/ham/fold1/metrics.json")
    assert (checkout.work / "chest" / TABLE).exists()
    assert (checkout.work / "chest/results/.resume/phantom/localization-5fold/ham/fold1/current/state.json").exists()
    assert not (checkout.work / "results").exists()


def test_with_worker_processes_started_by_spawn(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "checkout")
    (tmp_path / "site").mkdir()
    witness = tmp_path / "spawned"
    (tmp_path / "site/sitecustomize.py").write_text(
        "import multiprocessing, sys\n"
        "multiprocessing.set_start_method('spawn', force=True)\n"
        f"if '--multiprocessing-fork' in sys.orig_argv: open({str(witness)!r}, 'a').write('x')\n"
    )
    target = "results/phantom/localization-5fold/ham/fold1/metrics.json"
    checkout.run(target, env={"PYTHONPATH": str(tmp_path / "site")})
    log = (checkout.folder / "results/phantom/localization-5fold/ham/fold1/logs/train.log").read_text()
    assert "epoch 2 of 2" in log
    assert len(witness.read_text()) >= 2  # workers of the refinement and of the loader
    left = subprocess.run(["pgrep", "-f", str(checkout.folder)], capture_output=True, text=True)
    assert left.stdout == ""


def own_data(tmp_path: Path, tables: str, images: str) -> Checkout:
    """A checkout and a working folder with braces, and data of one's own in folders of these names."""
    checkout = copy_of_workflow(tmp_path / "checkout")
    checkout.work = tmp_path / "here {now}"
    checkout.work.mkdir()
    own = Own(tmp_path / tables)
    own.keys["images"] = str(tmp_path / images)
    own.write()
    (own.folder / "pictures").rename(tmp_path / images)
    settings = {
        "dataset": str(own.folder / "own.yaml"),
        "experiments": ["localization-5fold-by-patient"],
        "data": {"folds": {"count": 2, "validation": 0.3}},
        "scoring": {"leave_out": None},
        "define": {"experiments": {"localization-5fold-by-patient": {"splits": ["fold1", "fold2"]}}},
    }
    (checkout.work / "own.yaml").write_text(yaml.safe_dump(settings))
    checkout.config = ["-s", str(checkout.folder / "Snakefile"), "--configfile", "own.yaml"]
    return checkout


def test_with_braces_in_the_working_directory_and_in_the_folder_of_the_images(tmp_path: Path) -> None:
    checkout = own_data(tmp_path, "tables {} here", "pictures {of} mine")
    checkout.run("datasets/Own/dataset.json")
    assert (checkout.work / "datasets/Own/images.csv").exists()


def test_a_table_in_a_folder_with_a_word_in_braces_is_one_sentence(tmp_path: Path) -> None:
    checkout = own_data(tmp_path, "tables {of} mine", "pictures")
    done = checkout.snakemake("datasets", *checkout.config, "-n", check=False)
    assert done.returncode != 0
    assert "labels.csv: Snakemake takes what stands in braces for a wildcard: rename the file or folder." in done.stdout
    assert "Traceback" not in done.stdout


def test_a_checkout_in_a_folder_with_braces_is_one_sentence(tmp_path: Path) -> None:
    checkout = copy_of_workflow(tmp_path / "check{out}")
    done = checkout.snakemake("datasets", *checkout.config, "-n", check=False)
    assert done.returncode != 0
    assert (
        "check{out}: Snakemake takes braces in the path of a workflow for wildcards: move this checkout" in done.stdout
    )
    assert "Traceback" not in done.stdout
