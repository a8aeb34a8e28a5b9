"""Whether an image looks like those that a network was trained on, by simple statistics kept in its card.

Not a judgement of quality: it notices what makes probabilities meaningless, an inverted, turned or empty image, or one
that is no frontal chest radiograph.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from ham.images import resized
from ham.model.card import TypicalImage

SIDE = 32
RARE = 0.01  # share of the training images that may lie beyond a limit
LEAST_SPREAD = 4.0  # grey levels, of 255; below it nothing can be seen in an image, whatever was trained on
DECIMALS = 3  # of the template


def describe_images(images: Iterable[Image.Image]) -> TypicalImage:
    """What ``images``, grey and at least one, have in common."""
    small = [_small(image) for image in images]
    standard = np.stack([_standardised(pixels) for pixels in small])
    template = standard.mean(axis=0).round(DECIMALS)
    likeness = np.array([_likeness(pixels, template) for pixels in standard])
    turned = np.array([max(_turned(pixels, template)) for pixels in standard]) - likeness
    spreads = np.array([pixels.std() for pixels in small])
    return TypicalImage(
        side=SIDE,
        template=tuple(template.ravel().tolist()),
        likeness=float(np.quantile(likeness, RARE)),
        turned=float(np.quantile(turned, 1 - RARE)),
        spread=float(np.quantile(spreads, RARE)),
        images=len(small),
    )


def doubts_of(image: Image.Image, typical: TypicalImage) -> list[str]:
    """What is unlike the training images in a grey image, in words; nothing where all is as usual."""
    small = _small(image, typical.side)
    if small.std() < max(LEAST_SPREAD, typical.spread / 4):
        return ["nearly constant"]
    template = np.reshape(typical.template, (typical.side, typical.side))
    pixels = _standardised(small)
    like = _likeness(pixels, template)
    turned = _turned(pixels, template)
    best = int(np.argmax(turned))
    if -like > max(like, 0) and -like >= typical.likeness / 2:
        return ["looks inverted: bones should be light"]
    if turned[best] - like > max(typical.turned, 0.05) and turned[best] >= min(typical.likeness, 0.5):
        return [f"looks turned by {90 * (best + 1)} degrees clockwise"]
    if like < typical.likeness:
        return ["unlike the training images: perhaps no frontal chest radiograph"]
    return []


def _small(image: Image.Image, side: int = SIDE) -> np.ndarray:
    return np.asarray(resized(image, side), dtype=np.float64)


def _standardised(pixels: np.ndarray) -> np.ndarray:
    spread = pixels.std()
    return (pixels - pixels.mean()) / spread if spread > 0 else np.zeros_like(pixels)


def _likeness(pixels: np.ndarray, template: np.ndarray) -> float:
    """Correlation of a standardised image with the template; 0 where one of them is constant."""
    spread = template.std()
    return float((pixels * template).mean() / spread) if spread > 0 else 0.0


def _turned(pixels: np.ndarray, template: np.ndarray) -> list[float]:
    """The likeness after it is turned back by a quarter, half and three quarters of a turn, counterclockwise."""
    return [_likeness(np.rot90(pixels, turns), template) for turns in (1, 2, 3)]
