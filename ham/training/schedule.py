"""Learning rate of each epoch."""

from __future__ import annotations

from ham.training.settings import ScheduleSettings


def learning_rate(base: float, epoch: int, epochs: int, settings: ScheduleSettings) -> float:
    """Rate of ``epoch`` (from 0) of ``epochs``.

    step: base decay^(epoch // every). poly: base (1 - (epoch / epochs)^power), the published form. polynomial: base
    (1 - epoch / epochs)^power, the usual one.
    """
    if settings.name == "step":
        return float(base * settings.decay ** (epoch // settings.every))
    if settings.name == "poly":
        return float(base * (1 - (epoch / epochs) ** settings.power))
    if settings.name == "polynomial":
        return float(base * (1 - epoch / epochs) ** settings.power)
    return base
