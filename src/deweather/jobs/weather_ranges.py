"""Haze and rain whose parameters may be ranges -> the weather of one picture, drawn by its seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from deweather.errors import ConfigError
from deweather.jobs.parameters import HAZE, RAIN, Parameters, Range, Single, Table, interpolate
from deweather.weather import Compose, Operator, Rain
from deweather.weather.operator import generators
from deweather.weather.presets import find_preset, haze_of
from deweather.weather.streams import DrawStream

_OCTAVES = 5  # of uneven air unless said otherwise: without any it is hardly seen to be uneven


@dataclass(frozen=True)
class WeatherRanges:
    """The weather that was asked for; numbers may be ranges, from which each picture draws.

    Attributes:
        haze: parameters of the haze; empty is none.
        rain: parameters of the rain; empty is none.
    """

    haze: Parameters
    rain: Parameters

    @classmethod
    def asked_for(cls, preset: str | None, haze: Parameters, rain: Parameters) -> WeatherRanges:
        """The weather of a preset, of single values, or of both: single values win.

        Raises:
            UnknownNameError: there is no such preset, or no such airlight.
            ConfigError: there is no weather, a value is out of its range, or one is missing.
        """
        if preset is not None:
            named = find_preset(preset)
            base = dict(named.haze)
            if "extinction" in haze:  # the same thing in another unit
                base.pop("visibility", None)
            haze = _ordered(HAZE, {**base, **haze})
            rain = _ordered(RAIN, {**named.rain, **rain})
        if not haze and not rain:
            raise ConfigError("no weather: give --haze, --rain or --preset.")
        if "inhomogeneity" in haze and "octaves" not in haze:
            haze = _ordered(HAZE, {**haze, "octaves": _OCTAVES})
        if haze and ("visibility" in haze) == ("extinction" in haze):
            raise ConfigError(
                "--haze: give either visibility=METRES or extinction=N, which is one per metre."
            )
        if rain and "rate" not in rain:
            raise ConfigError("--rain: give rate=N, in mm/h.")
        weather = cls(haze, rain)
        weather.check()
        return weather

    def check(self) -> None:
        """Build the operators at both ends of all ranges, which checks every value.

        Raises:
            ConfigError: a value is out of its range, or one that is needed is missing.
        """
        for share in (0.0, 1.0):
            _operators(
                {key: _at(value, share, key) for key, value in self.haze.items()},
                {key: _at(value, share, key) for key, value in self.rain.items()},
            )

    def drawn(self, seed: int) -> WeatherRanges:
        """The weather of one picture: a number drawn for each range."""
        return WeatherRanges(
            _draw(self.haze, HAZE, seed, "haze"), _draw(self.rain, RAIN, seed, "rain")
        )

    def operators(self) -> Compose:
        """The operators; there must be no ranges left."""
        return _operators(self.haze, self.rain)


def _ordered(table: Table, values: Parameters) -> Parameters:
    return {key: values[key] for key in table if key in values}


def _at(value: Single | Range, share: float, key: str) -> Single:
    return interpolate(value, share, key) if isinstance(value, Range) else value


def _draw(values: Parameters, table: Table, seed: int, kind: str) -> Parameters:
    """Replace ranges; a parameter's draw does not depend on which others are ranges."""
    (generator,) = generators(seed, 1, DrawStream.of_range(kind))
    shares = torch.rand(len(table), generator=generator, dtype=torch.float64).tolist()
    share = dict(zip(table, shares, strict=True))
    return {key: _at(value, share[key], key) for key, value in values.items()}


def _operators(haze: dict[str, Any], rain: dict[str, Any]) -> Compose:
    operators: list[Operator] = []
    if haze:
        operators.append(haze_of(haze))
    if rain:
        operators.append(Rain(**rain))
    return Compose(operators)
