"""Metrics against the published numbers (tests/golden/metrics.npz) and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.files import golden

from ham.model.maps import predicted_regions
from ham.model.metrics import accuracy, any_present, auc, mean_defined, mean_published, overlap, share_at_least
from ham.protocol import T_IOR, T_IOU

GOLDEN = golden("metrics")


def probabilities(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def test_auc_and_accuracy_equal_the_published_ones() -> None:
    labels, scores = GOLDEN["in/labels"], probabilities(GOLDEN["in/logit_class"])
    areas = np.array([auc(labels[:, c], scores[:, c]) for c in range(14)])
    assert np.isnan(areas[13])  # no positive
    np.testing.assert_allclose(np.nan_to_num(areas), GOLDEN["out/auc"], atol=1e-9)
    assert mean_published(areas) == pytest.approx(float(GOLDEN["out/auc_mean"]), abs=1e-9)
    assert mean_defined(areas) == pytest.approx(float(GOLDEN["out/auc_mean"]) * 14 / 13, abs=1e-9)
    right = [accuracy(labels[:, c], scores[:, c]) for c in range(14)]
    np.testing.assert_allclose(right, GOLDEN["out/accuracy"], atol=1e-9)
    assert np.mean(right) == pytest.approx(float(GOLDEN["out/accuracy_mean"]), abs=1e-9)
    abnormal, score = labels.max(axis=1), probabilities(GOLDEN["in/logit_abnormality"])[:, 0]
    assert auc(abnormal, score) == pytest.approx(float(GOLDEN["out/auc_abnormality"]), abs=1e-9)
    assert accuracy(abnormal, score) == pytest.approx(float(GOLDEN["out/accuracy_abnormality"]), abs=1e-9)


def test_overlaps_and_shares_equal_the_published_ones() -> None:
    image, finding = GOLDEN["out/pair_index"].T
    masks = np.unpackbits(GOLDEN["in/masks"], axis=-1).astype(bool)
    regions = predicted_regions(torch.from_numpy(GOLDEN["in/cam_class"].astype(np.float64))[image, finding], 64).numpy()
    found = overlap(regions, masks[image, finding])
    np.testing.assert_allclose(found.iou, GOLDEN["out/pair_iou"], atol=1e-9)
    np.testing.assert_allclose(found.ior, GOLDEN["out/pair_ior"], atol=1e-9)
    for name, values, thresholds in (("t_iou", found.iou, T_IOU), ("t_ior", found.ior, T_IOR)):
        shares = [[share_at_least(values[finding == c], t) for t in thresholds] for c in range(14)]
        np.testing.assert_allclose(np.nan_to_num(shares), GOLDEN[f"out/{name}"], atol=1e-9)


def test_overlap_of_two_known_squares() -> None:
    region, mask = np.zeros((2, 1, 8, 8), dtype=bool)
    region[0, :4, :4] = True
    mask[0, 2:6, :4] = True
    found = overlap(region, mask)
    assert (found.iou[0], found.ior[0]) == (8 / 24, 0.5)
    assert found.predicted_area[0] == found.true_area[0] == 16


def test_a_prediction_of_one_pixel_is_a_share_of_that_pixel() -> None:
    pixel = np.zeros((1, 4, 4), dtype=bool)
    pixel[0, 1, 2] = True
    found = overlap(pixel, pixel)
    assert (found.iou[0], found.ior[0]) == (1, 1)


def test_an_empty_prediction_scores_zero_not_nan() -> None:
    found = overlap(np.zeros((1, 4, 4), dtype=bool), np.ones((1, 4, 4), dtype=bool))
    assert found.iou[0] == found.ior[0] == 0


def test_unknown_labels_are_left_out() -> None:
    labels, scores = np.array([1, 0, np.nan, 0]), np.array([0.9, 0.1, 0.0, 0.2])
    assert (auc(labels, scores), accuracy(labels, scores)) == (1.0, 1.0)


def test_an_image_is_abnormal_as_in_the_losses() -> None:
    nan = float("nan")
    labels = np.array([[1, nan], [0, nan], [0, 0], [nan, nan]])
    np.testing.assert_array_equal(any_present(labels), [1, nan, 0, nan])
