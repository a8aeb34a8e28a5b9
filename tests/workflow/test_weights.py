"""Weights that were trained elsewhere are tested without training."""

from __future__ import annotations

import json
from pathlib import Path

from ham.model.weights import export_weights

from .conftest import Checkout

FOLD = "results/phantom/localization-5fold"


def test_given_weights_score_as_where_they_were_trained_and_nothing_is_trained(changed: Checkout) -> None:
    export_weights(changed.folder / FOLD / "ham/fold1/model.safetensors", changed.folder / "mine.pth", published=True)
    Path(changed.folder / "given.yaml").write_text(
        "variants: [given]\ndefine: {variants: {given: {weights: {localization-5fold: {fold1: mine.pth}}}}}\n"
    )
    changed.config.append(str(changed.folder / "given.yaml"))
    planned = changed.planned("tables")
    assert planned == {"import_weights": 1, "predict": 1, "score": 1, "table": 1, "leakage": 1}
    changed.run()
    given, trained = (
        json.loads((changed.folder / FOLD / variant / "fold1/metrics.json").read_text()) for variant in ("given", "ham")
    )
    for key in ("classification", "localization", "counts"):
        assert given[key] == trained[key]
    assert not (changed.folder / FOLD / "given/fold1/run.json").exists()
    assert "given" in (changed.folder / "results/phantom/report.html").read_text()


def test_a_split_without_weights_cannot_be_asked_for(changed: Checkout) -> None:
    Path(changed.folder / "given.yaml").write_text(
        "define: {variants: {given: {weights: {localization-5fold: {fold1: mine.pth}}}}}\n"
    )
    changed.config.append(str(changed.folder / "given.yaml"))
    done = changed.snakemake(f"{FOLD}/given/fold2/metrics.json", *changed.config, "-n", check=False)
    assert done.returncode != 0
    assert "has no split fold2 of the variant given; it has fold1" in done.stdout
