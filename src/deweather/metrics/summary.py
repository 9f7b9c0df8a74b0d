"""Scores before and after restoring -> their means, those of clear pictures apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from deweather.errors import ConfigError

CLEAR = 45.0
"""PSNR in dB from which a picture that comes in has no weather to take off."""


@dataclass(frozen=True)
class Summary:
    """Means over pictures, PSNR in dB.

    Attributes:
        count: pictures.
        before: of what came in.
        after: of what restoring made of it.
        least: the least of what restoring made.
        before_in_weather: of the pictures that came in below `CLEAR`; None if there are none.
        gain_in_weather: what restoring was worth to them.
        in_clear_air: of what restoring made of the others; None if there are none.
    """

    count: int
    before: float
    after: float
    least: float
    before_in_weather: float | None
    gain_in_weather: float | None
    in_clear_air: float | None

    @property
    def gain(self) -> float:
        """What restoring was worth."""
        return self.after - self.before


def summarise(before: Sequence[float], after: Sequence[float]) -> Summary:
    """The means of scores of the same pictures, at least one.

    Raises:
        ConfigError: there are none, or not as many before as after.
    """
    if not before or len(before) != len(after):
        raise ConfigError(
            f"{len(before)} scores before and {len(after)} after; give both of each picture."
        )
    pairs = list(zip(before, after, strict=True))
    weather = [(b, a) for b, a in pairs if b < CLEAR]
    clear = [a for b, a in pairs if b >= CLEAR]
    return Summary(
        len(pairs),
        fmean(before),
        fmean(after),
        min(after),
        fmean(b for b, _ in weather) if weather else None,
        fmean(a - b for b, a in weather) if weather else None,
        fmean(clear) if clear else None,
    )
