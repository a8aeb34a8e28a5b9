"""Images that do not look like those trained on are noticed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ham.model.typical import describe_images, doubts_of

SIDE = 96


def drawn(seed: int) -> Image.Image:
    """Something with a top, a left and a light middle, and noise: no two are equal."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    pixels = 90 + 90 * np.exp(-(((x - 0.5) / 0.12) ** 2)) - 60 * y * (x < 0.45) + 40 * (y < 0.15)
    return Image.fromarray((pixels + rng.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8))


TYPICAL = describe_images(drawn(seed) for seed in range(60))


def test_images_like_the_trained_ones_are_not_doubted() -> None:
    """Also in other sizes and with less contrast."""
    for seed in range(100, 120):
        image = drawn(seed)
        dim = Image.fromarray((np.asarray(image) * 0.5 + 20).astype(np.uint8))
        for other in (image, image.resize((200, 150)), dim):
            found = doubts_of(other, TYPICAL)
            assert not any("inverted" in doubt or "turned" in doubt or "constant" in doubt for doubt in found)


@pytest.mark.parametrize(("turns", "said"), [(3, "90"), (2, "180"), (1, "270")])
def test_turned_images_are_noticed_with_their_angle(turns: int, said: str) -> None:
    """``rot90`` turns counterclockwise, so three of its turns are a quarter clockwise."""
    image = Image.fromarray(np.rot90(np.asarray(drawn(7)), turns))
    assert doubts_of(image, TYPICAL) == [f"looks turned by {said} degrees clockwise"]


def test_inverted_empty_and_other_images_are_noticed() -> None:
    """One doubt each, the one that names the cause."""
    rng = np.random.default_rng(0)
    inverted = Image.fromarray(255 - np.asarray(drawn(8)))
    assert doubts_of(inverted, TYPICAL)[0].startswith("looks inverted")
    assert doubts_of(Image.new("L", (300, 200), 77), TYPICAL) == ["nearly constant"]
    noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8))
    assert doubts_of(noise, TYPICAL)[0].startswith("unlike the training images")


def test_limits_by_hand() -> None:
    """Two equal images: the template is the image itself, so its likeness is 1 and its spread that of its 32 x 32."""
    image = Image.fromarray(np.repeat(np.array([[0, 200]], np.uint8), 32, axis=0).repeat(16, axis=1))
    typical = describe_images([image, image])
    assert typical.likeness == pytest.approx(1, abs=1e-9)
    assert typical.spread == pytest.approx(100)
    assert set(typical.template) == {-1.0, 1.0}
    assert typical.turned == pytest.approx(-1, abs=1e-9)  # 0 after a quarter turn, -1 after half a one: 0 - 1
