"""Streams of random draws: numbers that records and seeds rely on."""

import ast
from pathlib import Path

import pytest
import torch

import deweather
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
    "EXAMPLE_OF_VARIED_HAZE": 26,
    "EXAMPLE_OF_VARIED_RAIN": 27,
    "STREAKS_OF_EXAMPLE": 30,
    "SOFT_STREAKS": 35,
    "WIDE_STREAKS": 38,
    "LENS_DROPS": 40,
    "ILLUMINATION": 41,
    "RAW_NOISE": 42,
    "SYNTHETIC_DEPTH": 43,
    "STREAKS_OF_LOOK": 50,
    "LOW_SUN": 61,
    "FRAME": 62,
    "UNEVENNESS": 100,
}


def test_the_numbers_that_pictures_were_drawn_by_stay():
    assert {name: stream.value for name, stream in DrawStream.__members__.items()} == NUMBERS


def test_a_stream_is_its_number():
    (named,), (plain,) = generators(7, 1, DrawStream.LENS_DROPS), generators(7, 1, 40)
    assert torch.equal(torch.rand(5, generator=named), torch.rand(5, generator=plain))
    assert f"streaks{DrawStream.STREAKS}.layer" == "streaks3.layer"


def test_no_number_stands_in_the_code():
    """A plain number would be a stream that the list does not know."""
    room = Path(deweather.__file__).parent
    calls = {"generators": 2, "draws": 2}
    found = []
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = [*node.args[calls[node.func.id] :][:1]] if node.func.id in calls else []
                given += [k.value for k in node.keywords if k.arg == "stream"]
                numbers = [n for g in given for n in ast.walk(g) if isinstance(n, ast.Constant)]
                if numbers and node.func.id != "Transport":  # its number names a record
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []


def test_ranges_draw_by_the_numbers_of_the_first_records():
    assert (DrawStream.of_range("haze"), DrawStream.of_range("rain")) == (41, 42)
    with pytest.raises(KeyError):
        DrawStream.of_range("snow")
