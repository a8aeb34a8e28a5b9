"""From raw maps to refined maps and regions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ham.model.maps import RegionRule, normalised_maps, predicted_regions, refined_maps
from ham.settings import LossSettings


def test_a_map_is_resized_with_aligned_corners_and_stretched_to_all_of_zero_to_one() -> None:
    """Columns 2 and 6 resized to five are 2, 3, 4, 5, 6 (corners aligned); less 2 and over 4."""
    found = normalised_maps(torch.tensor([[[2.0, 6.0], [2.0, 6.0]], [[0.0, 0.0], [0.0, 8.0]]]), 5)
    assert found.shape == (2, 5, 5)
    torch.testing.assert_close(found[0], torch.tensor([0, 0.25, 0.5, 0.75, 1]).expand(5, 5))
    torch.testing.assert_close(found[1, 4], torch.tensor([0, 0.25, 0.5, 0.75, 1]))  # each map by its own extremes
    assert found[1, 2, 2] == 0.25  # 1/2 x 1/2


def test_a_refined_map_is_the_sigmoid_of_the_slope_times_what_exceeds_the_threshold() -> None:
    ramp = torch.tensor([[[0.0, 0.25, 0.5, 0.75, 1.0]] * 5], dtype=torch.float64)
    found = refined_maps(ramp, 5, threshold=0.25, slope=4.0)[0, 0]
    expected = [1 / (1 + math.exp(-4 * (x - 0.25))) for x in (0, 0.25, 0.5, 0.75, 1)]
    assert found.tolist() == pytest.approx(expected)
    published = refined_maps(ramp, 5)[0, 0]
    assert published.tolist() == pytest.approx([1 / (1 + math.exp(-100 * (x - 0.4))) for x in (0, 0.25, 0.5, 0.75, 1)])


@pytest.mark.parametrize(
    ("rule", "cut"),
    [
        (RegionRule(1001), 0.4 + math.log(999) / 100),  # 0.46907
        (RegionRule(1001, 0.3, 20.0, 0.9), 0.3 + math.log(9) / 20),
        (RegionRule.of(1001, LossSettings(refined_threshold=0.5, refined_slope=50.0), 0.75), 0.5 + math.log(3) / 50),
        (RegionRule.of(1001, LossSettings()), 0.46907),
    ],
)
def test_a_region_begins_where_the_refined_map_reaches_the_certainty(rule: RegionRule, cut: float) -> None:
    ramp = torch.linspace(0, 1, 1001, dtype=torch.float64).expand(1, 1001, 1001)
    regions = predicted_regions(ramp, *rule)
    assert regions[0].sum(dim=1).unique().tolist() == [1001 - math.ceil(cut * 1000)]
    refined = refined_maps(ramp, rule.size, rule.threshold, rule.slope)
    assert torch.equal(regions, refined >= rule.certainty)


def test_exactly_at_the_cut_is_predicted() -> None:
    """Threshold 1/2 and certainty 1/2: the cut is 1/2 + log(1) / slope, and R is 1/2 there."""
    assert predicted_regions(torch.tensor([[[0.0, 0.5, 1.0]] * 3]), 3, 0.5, 100.0, 0.5)[0, 0].tolist() == [
        False,
        True,
        True,
    ]
