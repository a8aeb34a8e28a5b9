"""Results are packed, and tables, figures and report come from the package alone, to the byte."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from .conftest import Checkout

ZIP = "results/phantom/package/phantom.zip"
# Rules of which none runs where results are restored
MAKING = {
    "draw_phantom", "fetch_archive", "fetch_tables", "unpack", "check_images", "convert", "summarize", "store",
    "refine", "train", "predict", "score",
}  # fmt: skip


@pytest.fixture(scope="module")
def packed(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The finished run with its package, in a copy."""
    folder = tmp_path_factory.mktemp("packed") / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)  # times are kept
    checkout = Checkout(folder, folder, ["--configfile", str(folder / "small.yaml")])
    checkout.run("package")
    return checkout


@pytest.fixture
def elsewhere(packed: Checkout, tmp_path: Path) -> Checkout:
    """An empty folder to work in, and the package."""
    (tmp_path / "work").mkdir()
    options = ["-s", str(packed.folder / "Snakefile"), *packed.config, "--config", f"restore={packed.folder / ZIP}"]
    return Checkout(packed.folder, tmp_path / "work", options)


def files_of(folder: Path, *names: str) -> dict[str, bytes]:
    found = [path for name in names for path in (folder / "results/phantom" / name).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_tables_and_figures_come_from_the_package_to_the_byte_and_the_report_says_so(
    packed: Checkout, elsewhere: Checkout
) -> None:
    for target in ("tables", "all"):
        planned = elsewhere.planned(target)
        assert planned["restore"] == planned["leakage"] == planned["table"] == 1
        assert not MAKING & set(planned)
    elsewhere.config[-1:] = [elsewhere.config[-1], "--cores", "2"]
    elsewhere.snakemake("all", *elsewhere.config)
    assert files_of(elsewhere.work, "tables", "figures") == files_of(packed.folder, "tables", "figures") != {}
    assert not (elsewhere.work / "datasets").exists()
    page = (elsewhere.work / "results/phantom/report.html").read_text()
    run = json.loads((packed.folder / "results/phantom/localization-5fold/ham/fold1/run.json").read_text())
    assert hashlib.sha256((packed.folder / ZIP).read_bytes()).hexdigest() in page
    assert str(packed.folder / ZIP) in page
    said = page.partition('id="restored"')[2].partition("</p>")[0]
    assert f"torch {run['versions']['torch']}" in said
    assert elsewhere.planned() == {}
    refused = elsewhere.snakemake("tables", *elsewhere.config[:4], "-n", check=False)  # without restore
    assert refused.returncode != 0
    assert "was restored from a package, and results made here never stand beside such" in refused.stdout
    again = elsewhere.snakemake("package", *elsewhere.config, "-n", check=False)
    assert "These results were restored from a package: hand that on" in again.stdout


def test_a_gallery_is_drawn_where_the_data_set_is_there(packed: Checkout, elsewhere: Checkout) -> None:
    assert "experiment_gallery" not in elsewhere.planned("all")
    shutil.copytree(packed.folder / "datasets", elsewhere.work / "datasets", symlinks=True)
    planned = elsewhere.planned("all")
    assert planned["experiment_gallery"] == 1
    assert not MAKING & set(planned)


def test_a_package_never_lies_over_results_that_were_made_here(packed: Checkout) -> None:
    words = ["tables", *packed.config, "--config", f"restore={packed.folder / ZIP}", "-n"]
    refused = packed.snakemake(*words, check=False)
    assert refused.returncode != 0
    assert "localization-5fold/ham/fold1 was made here, and a package is never mixed with such" in refused.stdout


def test_other_settings_than_the_packages_are_one_sentence_and_nothing_stands(elsewhere: Checkout) -> None:
    done = elsewhere.snakemake("tables", *elsewhere.config, "scoring={certainty: 0.99}", "--cores", "1", check=False)
    assert done.returncode != 0
    assert "was made with scoring.certainty 0.999 (0.99 is asked for)" in done.stdout
    assert "Traceback" not in done.stdout
    results = elsewhere.work / "results/phantom"
    assert [path.suffix for path in results.rglob("*") if path.is_file()] == [".log"]


def test_a_package_of_data_that_may_not_be_passed_on_brings_its_audits(changed: Checkout, tmp_path: Path) -> None:
    changed.edit("config/datasets/phantom.yaml", "redistributable: true", "redistributable: false")
    assert changed.planned("package") == {"package": 1}
    changed.run("package")
    (tmp_path / "work").mkdir()
    options = ["-s", str(changed.folder / "Snakefile"), *changed.config, "--config", f"restore={changed.folder / ZIP}"]
    elsewhere = Checkout(changed.folder, tmp_path / "work", options)
    planned = elsewhere.planned("tables")
    assert planned["restore"] == 1
    assert not {*MAKING, "leakage"} & set(planned)
    elsewhere.snakemake("report", *options, "--cores", "2")
    assert files_of(elsewhere.work, "tables") == files_of(changed.folder, "tables") != {}
    assert [path.name for path in (elsewhere.work / "results/phantom/.restored").iterdir()] == ["dataset.json"]


def test_there_is_one_sentence_where_there_is_no_package(elsewhere: Checkout) -> None:
    for source in ("nowhere.zip", "."):
        done = elsewhere.snakemake("tables", *elsewhere.config[:-1], f"restore={source}", "-n", check=False)
        assert done.returncode != 0
        assert f"restore: {source} {'is neither' if source != '.' else 'has no SHA256SUMS'}" in done.stdout
