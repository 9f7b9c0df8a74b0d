"""The physics of bad weather: a clean scene with depth goes in, haze and rain come out, seeded."""

from deweather.weather.haze import Haze, extinction_of, koschmieder
from deweather.weather.operator import Compose, Degraded, Operator
from deweather.weather.rain import Rain, rain_extinction
from deweather.weather.random import Example, random_haze, random_rain
from deweather.weather.scene import Scene
from deweather.weather.sensor import Sensor
from deweather.weather.streaks import Streaks

__all__ = [
    "Compose",
    "Degraded",
    "Example",
    "Haze",
    "Operator",
    "Rain",
    "Scene",
    "Sensor",
    "Streaks",
    "extinction_of",
    "koschmieder",
    "rain_extinction",
    "random_haze",
    "random_rain",
]
