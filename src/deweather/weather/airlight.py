"""Colours of airlight: what the air itself looks like where nothing is seen through it.

Fog drops are large against the wavelengths of light and leave daylight its colour; soot and nitrogen
dioxide of smog and mineral dust absorb blue; before sunrise and after sunset the sky that lights the
air is blue. The chromaticities are typical values, chosen to look right in sRGB and to stay within what
photographs of such weather show.
"""

from __future__ import annotations

from deweather.errors import UnknownNameError

AIRLIGHTS: dict[str, tuple[float, float, float]] = {
    "grey": (0.85, 0.85, 0.85),
    "smog yellow": (0.83, 0.77, 0.62),
    "dust orange": (0.83, 0.66, 0.45),
    "blue hour": (0.42, 0.51, 0.68),
}
"""sRGB values in [0, 1] by name."""


def airlight_colour(name: str) -> tuple[float, float, float]:
    """SRGB colour of a kind of air.

    Raises:
        UnknownNameError: the name is none of `AIRLIGHTS`.
    """
    try:
        return AIRLIGHTS[name]
    except KeyError:
        raise UnknownNameError("airlight", name, AIRLIGHTS) from None
