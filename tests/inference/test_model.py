"""A model as an object, against the network called by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_checkpoint import FINDINGS, radiograph, write_checkpoint

import ham
from ham.boxes import Box
from ham.errors import DataError, EnvironmentProblem, WeightsError
from ham.inference.arrays import from_torchxrayvision, to_grey
from ham.inference.model import boxes_of
from ham.model.weights import open_network


def by_hand(file: Path, image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [C + 1] and maps [C + 1, h, h] of docs/method.md: / 255, mean and deviation .5, three channels."""
    network, _ = open_network(file)
    pixels = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR), np.float32)
    shown = torch.from_numpy((pixels / 255 - 0.5) / 0.5).expand(1, 3, 64, 64)
    with torch.no_grad():
        output = network(shown)
    said = torch.sigmoid(torch.cat([output.logit_class, output.logit_abnormality], 1))[0].numpy()
    return said, torch.cat([output.cam_class, output.cam_abnormality], 1)[0].numpy()


def test_a_model_says_what_its_network_says(checkpoint: Path, tmp_path: Path) -> None:
    """Of a path, an image and an array alike; shapes as documented."""
    image = radiograph(3)
    image.save(tmp_path / "a.png")
    model = ham.load(checkpoint)
    found = model.predict([tmp_path / "a.png", image, np.asarray(image)])
    said, maps = by_hand(checkpoint, image)
    assert model.findings == model.pathologies == FINDINGS
    for row in range(3):
        np.testing.assert_allclose(found.probabilities[row], said[:-1], atol=1e-5)
        assert found.abnormality[row] == pytest.approx(said[-1], abs=1e-5)
        np.testing.assert_allclose(found.maps[row], maps, atol=1e-4)
    assert (found.maps.shape, found.regions.shape) == ((3, 4, 4, 4), (3, 4, 64, 64))
    assert found.sizes == ((90, 70),) * 3
    assert found.attention(0, "Mass") == pytest.approx(maps[0].max(), abs=1e-4)


def test_one_image_and_many_batches(checkpoint: Path) -> None:
    """A single image is a prediction of one; the size of batches decides nothing."""
    model = ham.load(checkpoint)
    images = [radiograph(seed) for seed in range(5)]
    whole, small = model.predict(images), model.predict(images, batch_size=2)
    np.testing.assert_allclose(whole.probabilities, small.probabilities, atol=1e-5)
    assert len(model.predict(images[0])) == 1
    assert len(model.predict([])) == 0
    assert whole.table().columns.tolist() == [*FINDINGS, "abnormality"]


def test_decisions_come_from_the_card(checkpoint: Path, tmp_path: Path) -> None:
    """Without thresholds nothing is called present or absent; calibration is 2 logit + .5 for Mass alone."""
    found = ham.load(checkpoint).predict(radiograph(1))
    assert [found.decision(0, name) for name in FINDINGS] == [True, False, None]
    p = float(found.probabilities[0, 0])
    odds = (p / (1 - p)) ** 2 * np.exp(0.5)
    assert found.calibrated[0, 0] == pytest.approx(odds / (1 + odds), abs=1e-5)
    assert np.isnan(found.calibrated[0, 1:]).all()
    bare = ham.load(write_checkpoint(tmp_path / "bare.safetensors", 0, None))
    assert "no threshold" in bare.describe()
    assert bare.predict(radiograph(1)).decision(0, "Mass") is None


def test_a_folder_of_models_is_their_mean(checkpoint: Path, tmp_path: Path) -> None:
    """Probabilities, maps and thresholds; also of the folders of a variant."""
    other = checkpoint.with_name("other")
    files = [write_checkpoint(tmp_path / f"fold{seed}.safetensors", seed) for seed in (1, 2)]
    for number in (1, 2):
        (tmp_path / "variant" / f"fold{number}").mkdir(parents=True)
        (tmp_path / "variant" / f"fold{number}" / "model.safetensors").write_bytes(files[number - 1].read_bytes())
    image = radiograph(4)
    (one, maps), (two, others) = by_hand(files[0], image), by_hand(files[1], image)
    for given in (tmp_path, files, tmp_path / "variant"):
        model = ham.load(given)
        found = model.predict(image)
        np.testing.assert_allclose(found.probabilities[0], (one + two)[:-1] / 2, atol=1e-5)
        np.testing.assert_allclose(found.maps[0], (maps + others) / 2, atol=1e-4)
        assert "ensemble of 2" in model.describe()
        assert "thresholds means of those chosen on 80 images of Main/fold1/val" in model.describe()
    assert not other.exists()


def test_boxes_by_hand() -> None:
    """Two parts on a 4 x 4 region of an image of 40 x 20: pixels of 10 x 5; diagonal neighbours are one part."""
    region = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], bool)
    assert boxes_of(region, 40, 20) == [Box(0, 0, 20, 10), Box(30, 15, 40, 20)]
    assert boxes_of(np.zeros((4, 4), bool), 40, 20) == []


def test_arrays_of_every_kind_by_hand() -> None:
    """Full ranges map to 0 to 255; what nobody can know the range of is refused."""
    assert np.asarray(to_grey(np.array([[0, 257, 65535]], np.uint16))).tolist() == [[0, 1, 255]]
    assert np.asarray(to_grey(np.array([[0, 0.5, 1]]))).tolist() == [[0, 128, 255]]
    assert np.asarray(to_grey(np.full((1, 1, 3), 9, np.uint8))).tolist() == [[9]]
    assert np.asarray(to_grey(Image.fromarray(np.array([[65535, 0]], np.uint16)))).tolist() == [[255, 0]]
    (grey,) = from_torchxrayvision([{"img": np.array([[[-1024.0, 0.0, 1024.0]]])}])
    assert np.asarray(grey).tolist() == [[0, 128, 255]]
    for wrong in (np.array([[0, 300]]), np.array([[0.0, 2.0]]), np.array([[np.nan]]), np.zeros((2, 2, 2), np.uint8)):
        with pytest.raises(DataError, match="an image cannot be used"):
            to_grey(wrong)
    with pytest.raises(DataError, match="torchxrayvision"):
        list(from_torchxrayvision([{"img": np.array([[[2000.0]]])}]))


def test_models_that_do_not_fit_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """One sentence each."""
    with pytest.raises(WeightsError, match=r"no \.safetensors file is in this folder"):
        ham.load(tmp_path)
    with pytest.raises(WeightsError, match="no such file"):
        ham.load(tmp_path / "none.safetensors")
    with pytest.raises(EnvironmentProblem, match="cpu always can"):
        ham.load(checkpoint, "nonsense")
    from ham.model import weights
    from ham.model.card import Card

    network, card = open_network(checkpoint)
    other = Card.of({**card.plain(), "findings": ["Mass", "Nodule", "Edema"]})
    weights.save(tmp_path / "other.safetensors", network.state_dict(), other)
    with pytest.raises(WeightsError, match="other findings"):
        ham.load([checkpoint, tmp_path / "other.safetensors"])


def test_importing_ham_costs_no_torch() -> None:
    """Nor numpy: a program that only wants the version does not wait."""
    code = (
        "import ham, sys; assert ham.load; print([n for n in ('torch', 'numpy', 'pandas', 'PIL') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
