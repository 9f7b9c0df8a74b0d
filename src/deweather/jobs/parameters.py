"""Parameters of haze, rain and camera from text such as `visibility=300,airlight=smog`, and back.

Values are numbers (also `1/250` and `inf`), ranges of numbers from which each picture draws its own
(`100..400`), switches (yes, no), colours (a name, a grey, or `0.8:0.7:0.5`) and vectors (`1:0:0`).
No torch here: what is written wrongly is told before anything heavy is imported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from deweather.errors import ConfigError, UnknownNameError


class Range(NamedTuple):
    """A number that is drawn for each picture, between `low` and `high`."""

    low: float
    high: float


Single = float | int | bool | str | tuple[float, ...]
Value = Single | Range
Parameters = dict[str, Value]
"""Parameters by name, in the order of the table they were checked against."""

_NUMBER = r"[-+]?(?:inf|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_FRACTION = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?", re.IGNORECASE)
_SWITCHES = {"yes": True, "true": True, "on": True, "1": True}
_SWITCHES |= {"no": False, "false": False, "off": False, "0": False}


def _number(text: str) -> float:
    match = _FRACTION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a number")
    top, bottom = float(match[1]), float(match[2] or 1)
    if bottom == 0:
        raise ValueError("a number, not one divided by 0")
    return top / bottom


def _whole(text: str) -> Value:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _drawn(text: str) -> Value:
    """A number, or a range of them."""
    low, dots, high = text.partition("..")
    if not dots:
        return _number(text)
    span = Range(_number(low), _number(high))
    if not (math.isfinite(span.low) and math.isfinite(span.high) and span.low < span.high):
        raise ValueError("LOW..HIGH, finite, the lower one first")
    return span


def _vector(text: str) -> Value:
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError("three numbers X:Y:Z")
    return tuple(_number(part) for part in parts)


def _colour(text: str) -> Value:
    """A grey, R:G:B, or a name, which is looked up later."""
    if ":" in text:
        return _vector(text)
    try:
        return _number(text)
    except ValueError:
        return text


def _switch(text: str) -> Value:
    if text.lower() not in _SWITCHES:
        raise ValueError("yes or no")
    return _SWITCHES[text.lower()]


def _word(text: str) -> Value:
    return text


Table = Mapping[str, Callable[[str], Value]]

HAZE: Table = {
    "visibility": _drawn,
    "extinction": _drawn,
    "convention": _word,
    "airlight": _colour,
    "inhomogeneity": _drawn,
    "angstrom": _drawn,
    "linear": _switch,
    "scale_height": _drawn,
    "drift": _vector,
    "time": _number,
    "octaves": _whole,
    "patch": _drawn,
    "scattering": _drawn,
    "lamps": _drawn,
}
"""Parameters of `weather.Haze`, and how each is written."""

RAIN: Table = {
    "rate": _drawn,
    "wind": _drawn,
    "exposure": _drawn,
    "brightness": _drawn,
    "veil": _drawn,
    "streaks": _drawn,
    "gusts": _drawn,
    "aperture": _drawn,
    "lag": _drawn,
    "time": _number,
}
"""Parameters of `weather.Rain`, and how each is written."""

CAMERA: Table = {"focal": _number, "baseline": _number, "distance": _number}
"""Focal length (pixels), baseline (metres), median distance of the scene (metres)."""

LOGARITHMIC = frozenset(
    {"visibility", "extinction", "scale_height", "patch", "lamps", "rate", "exposure"}
)
"""Parameters whose ranges are drawn evenly in the logarithm: their effect is one of ratios."""


def parse_parameters(option: str, text: str, table: Table) -> Parameters:
    """Read `key=value,key=value`.

    Args:
        option: its name with dashes, for messages.
        text: what was given to it.
        table: keys and how their values are written.

    Returns:
        The parameters in the order of the table.

    Raises:
        UnknownNameError: a key is not in the table; the message names the nearest.
        ConfigError: a value is not of its type, or a key is given twice or without value.
    """
    found: Parameters = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, written = (part.strip() for part in item.partition("="))
        if not equals or not written:
            raise ConfigError(f"{option} {item!r}: write KEY=VALUE. Keys: {', '.join(table)}.")
        if key not in table:
            raise UnknownNameError(f"key of {option}", key, table)
        if key in found:
            raise ConfigError(f"{option}: {key} is given twice; leave out one of them.")
        try:
            found[key] = table[key](written)
        except ValueError as error:
            raise ConfigError(f"{option} {key}={written!r}: give {error}.") from error
    if not found:
        raise ConfigError(f"{option} is empty; write KEY=VALUE. Keys: {', '.join(table)}.")
    return {key: found[key] for key in table if key in found}


def format_parameters(parameters: Mapping[str, Value]) -> str:
    """Parameters as they are written on the command line; `parse_parameters` gives them back exactly."""
    return ",".join(f"{key}={_format(value)}" for key, value in parameters.items())


def _format(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Range):
        return f"{_format(value.low)}..{_format(value.high)}"
    if isinstance(value, tuple):
        return ":".join(_format(part) for part in value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def interpolate(span: Range, share: float, key: str) -> float:
    """The value of a range at `share`, in [0, 1): even, or even in the logarithm where it fits."""
    low, high = span
    if key in LOGARITHMIC and low > 0:
        return low * (high / low) ** share
    return low + (high - low) * share
