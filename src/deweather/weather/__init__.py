"""The physics of bad weather: a clean scene with depth goes in, haze and rain come out, seeded."""

from deweather.weather.airlight import AIRLIGHTS, airlight_colour
from deweather.weather.haze import Haze, extinction_of, koschmieder
from deweather.weather.lens import LensDrops
from deweather.weather.operator import Compose, Degraded, Operator
from deweather.weather.photograph import Illumination, Optics, RawNoise, Transport
from deweather.weather.presets import PRESETS, Preset, preset
from deweather.weather.rain import Rain, rain_extinction
from deweather.weather.random_weather import (
    Example,
    RandomWeather,
    Shares,
    random,
    random_haze,
    random_photograph,
    random_rain,
)
from deweather.weather.scene import Scene
from deweather.weather.sensor import Sensor
from deweather.weather.streaks import Streaks, streak_layers

__all__ = [
    "AIRLIGHTS",
    "PRESETS",
    "Compose",
    "Degraded",
    "Example",
    "Haze",
    "Illumination",
    "LensDrops",
    "Operator",
    "Optics",
    "Preset",
    "Rain",
    "RandomWeather",
    "RawNoise",
    "Scene",
    "Sensor",
    "Shares",
    "Streaks",
    "Transport",
    "airlight_colour",
    "extinction_of",
    "koschmieder",
    "preset",
    "rain_extinction",
    "random",
    "random_haze",
    "random_photograph",
    "random_rain",
    "streak_layers",
]
