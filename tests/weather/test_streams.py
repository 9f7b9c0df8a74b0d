"""Streams of random draws: numbers that records and seeds rely on."""

import pytest
import torch

from deweather.weather.operator import generators
from deweather.weather.streams import DrawStream

NUMBERS = {
    "AIR": 1,
    "RAIN_DROPS": 2,
    "STREAKS": 3,
    "SENSOR_NOISE": 9,
    "EXAMPLE_OF_HAZE": 21,
    "EXAMPLE_OF_RAIN": 22,
    "EXAMPLE_OF_PHOTOGRAPH": 23,
    "KIND_OF_WEATHER": 24,
    "STREAKS_OF_EXAMPLE": 30,
    "LENS_DROPS": 40,
    "ILLUMINATION": 41,
    "RAW_NOISE": 42,
    "SYNTHETIC_DEPTH": 43,
    "STREAKS_OF_LOOK": 50,
}


def test_the_numbers_that_pictures_were_drawn_by_stay():
    assert {name: stream.value for name, stream in DrawStream.__members__.items()} == NUMBERS


def test_a_stream_is_its_number():
    (named,), (plain,) = generators(7, 1, DrawStream.LENS_DROPS), generators(7, 1, 40)
    assert torch.equal(torch.rand(5, generator=named), torch.rand(5, generator=plain))
    assert f"streaks{DrawStream.STREAKS}.layer" == "streaks3.layer"


def test_ranges_draw_by_the_numbers_of_the_first_records():
    assert (DrawStream.of_range("haze"), DrawStream.of_range("rain")) == (41, 42)
    with pytest.raises(KeyError):
        DrawStream.of_range("snow")
