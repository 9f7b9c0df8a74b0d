"""Numbers that keep apart the random draws of operators that share a seed.

The same seed in the same stream gives the same numbers. So a number here must never change: it would
change every weather that was ever drawn from it. What is drawn by several layers counts up from its
number, and room is left for that.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class DrawStream(IntEnum):
    """Who draws, for `generators`."""

    AIR = 1
    RAIN_DROPS = 2
    STREAKS = 3
    SENSOR_NOISE = 9

    EXAMPLE_OF_HAZE = 21
    EXAMPLE_OF_RAIN = 22
    EXAMPLE_OF_PHOTOGRAPH = 23
    KIND_OF_WEATHER = 24
    EXAMPLE_OF_VARIED_HAZE = 26
    EXAMPLE_OF_VARIED_RAIN = 27
    STREAKS_OF_EXAMPLE = 30  # and on, one for each layer, of 5 at most
    SOFT_STREAKS = 35  # and on, of 3 at most
    WIDE_STREAKS = 38

    LENS_DROPS = 40
    ILLUMINATION = 41
    RAW_NOISE = 42
    SYNTHETIC_DEPTH = 43
    STREAKS_OF_LOOK = 50  # and on, one for each layer, of 11 at most
    LOW_SUN = 61
    FRAME = 62
    UNEVENNESS = 100  # added to the number of a layer of streaks

    @classmethod
    def of_range(cls, weather: str) -> DrawStream:
        """Of the numbers that `deweather simulate` draws from ranges of "haze" or "rain".

        These are the streams of two operators of photographs. They do not meet: `simulate` makes
        neither of the two. Records of pictures remake them by these numbers, so they stay.
        """
        return {"haze": cls.ILLUMINATION, "rain": cls.RAW_NOISE}[weather]
