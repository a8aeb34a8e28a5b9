"""Exported programs say what the network says, in runtimes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from small_checkpoint import FINDINGS, write_checkpoint

from ham.errors import SettingsError, WeightsError
from ham.inference import export
from ham.inference.export import export_model
from ham.model.weights import open_network
from ham.settings import Architecture

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64)).astype(np.uint8)


def by_hand(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and maps of ``IMAGES``, normalised here."""
    network, _ = open_network(file)
    shown = torch.from_numpy((IMAGES.astype(np.float32) / 255 - 0.5) / 0.5)[:, None].expand(5, 3, 64, 64)
    with torch.no_grad():
        output = network(shown)
    said = torch.sigmoid(torch.cat([output.logit_class, output.logit_abnormality], 1))
    return said.numpy(), torch.cat([output.cam_class, output.cam_abnormality], 1).numpy()


def check(found: list[np.ndarray], file: Path) -> None:
    """Shapes as documented, numbers as by hand; regions where the map is high, and not where it is 0."""
    said, maps = by_hand(file)
    np.testing.assert_allclose(found[0], said, atol=1e-4)
    np.testing.assert_allclose(found[1], maps, atol=1e-4 * maps.max())
    assert found[2].shape == (5, len(FINDINGS) + 1, 64, 64)
    assert found[2].dtype == np.uint8
    large = torch.nn.functional.interpolate(torch.from_numpy(maps), (64, 64), mode="bilinear", align_corners=True)
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    scaled = ((large - low) / (high - low).clamp(min=1e-5)).numpy()
    cut = 0.4 + np.log(999) / 100
    sure = np.abs(scaled - cut) > 1e-3
    assert np.array_equal(found[2][sure] == 1, scaled[sure] >= cut)


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_onnx_of_every_architecture(tmp_path: Path, architecture: str) -> None:
    """In onnxruntime; a batch of five, written with two; the card stands inside."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    file = write_checkpoint(tmp_path / "model.safetensors", 1, architecture=architecture)
    export_model(file, tmp_path / "model.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    check(session.run(list(export.NAMES), {"images": IMAGES}), file)
    card = json.loads(session.get_modelmeta().custom_metadata_map["card"])
    assert tuple(card["findings"]) == FINDINGS


def test_torch_export(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "model.safetensors", 1)
    export_model(file, tmp_path / "model.pt2", "torch-export")
    extra = {"card": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=extra)
    check([part.detach().numpy() for part in program.module()(torch.from_numpy(IMAGES))], file)
    assert tuple(json.loads(extra["card"])["findings"]) == FINDINGS


def test_a_program_that_differs_does_not_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left behind."""
    file = write_checkpoint(tmp_path / "model.safetensors", 1)
    write, read = export.FORMATS["torch-export"]

    def off(path: Path) -> export.Program:
        program = read(path)
        return lambda images: (program(images)[0] + 2e-4, *program(images)[1:])

    monkeypatch.setitem(export.FORMATS, "torch-export", export.Format(write, off))
    with pytest.raises(WeightsError, match=r"differs by 0\.0002 from the network"):
        export_model(file, tmp_path / "model.pt2", "torch-export")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    with pytest.raises(SettingsError, match="torch-export or onnx"):
        export_model(file, tmp_path / "model.x", "tflite")
