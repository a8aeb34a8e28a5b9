"""Learning rate of each epoch."""

from __future__ import annotations

from ham.training.settings import ScheduleSettings


def learning_rate(base: float, epoch: int, epochs: int, settings: ScheduleSettings) -> float:
    """Rate of ``epoch`` (from 0) of ``epochs``.

    step: base decay^(epoch // every). poly: base (1 - (epoch / epochs)^power), the published form, which is not the
    usual base (1 - epoch / epochs)^power.
    """
    if settings.name == "step":
        return float(base * settings.decay ** (epoch // settings.every))
    if settings.name == "poly":
        return float(base * (1 - (epoch / epochs) ** settings.power))
    return base
