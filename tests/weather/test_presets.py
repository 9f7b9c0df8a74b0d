from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from deweather.errors import UnknownNameError
from deweather.weather import Haze, Rain
from deweather.weather.presets import PRESETS, find_preset, haze_of, preset

from .make import scene

NAMES = (
    "light-fog",
    "moderate-fog",
    "dense-fog",
    "smog",
    "dust",
    "drizzle",
    "shower",
    "downpour",
)

# Lowest and highest visibility (m) or rain rate (mm/h) of the class that each name stands for.
VISIBILITY = {
    "light-fog": (500, 1000),  # international visibility code
    "moderate-fog": (200, 500),
    "dense-fog": (0, 50),
    "smog": (1000, 5000),  # haze and smoke are reported up to 5 km and are no fog
    "dust": (0, 1000),  # dust storm, WMO-No. 407
    "drizzle": (1000, math.inf),  # mist, WMO-No. 407
    "shower": (1000, math.inf),
    "downpour": (1000, math.inf),
}
RATE = {
    "drizzle": (0.1, 0.5),  # moderate drizzle, WMO-No. 8
    "shower": (2, 10),  # moderate shower, Met Office
    "downpour": (50, math.inf),  # violent
}


def test_all_names_are_there():
    assert tuple(PRESETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_values_lie_in_the_class_that_the_name_stands_for(name):
    found = PRESETS[name]
    low, high = VISIBILITY[name]
    assert low <= found.haze["visibility"] < high
    assert bool(found.rain) == (name in RATE)
    if found.rain:
        low, high = RATE[name]
        assert low <= found.rain["rate"] < high
    assert found.summary
    assert found.source


@pytest.mark.parametrize("name", NAMES)
def test_operators_carry_the_values_of_the_table(name):
    operators = preset(name).operators
    assert [type(operator) for operator in operators] == [Haze, Rain][: len(operators)]
    for operator, values in zip(operators, (PRESETS[name].haze, PRESETS[name].rain), strict=False):
        for key in set(values) - {"airlight"}:
            assert getattr(operator, key) == values[key]


@pytest.mark.parametrize("name", NAMES)
def test_weather_is_seeded_and_at_infinity_the_air_alone_is_seen(name):
    near = scene(v=2, h=24, w=32, depth=20.0)
    weather = preset(name)
    once, again, other = (weather(near, seed).frames for seed in (3, 3, 4))
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    assert bool((once != near.frames).any())
    assert name in ("light-fog", "moderate-fog", "dense-fog", "smog", "dust") or bool(
        (once != other).any()
    )
    haze, *_ = weather.operators
    far = haze(scene(h=24, w=32, depth=10_000.0), 3)
    if PRESETS[name].haze["visibility"] <= 1000:
        expected = far.record["haze.airlight"].view(1, 1, 3, 1, 1).expand_as(far.frames)
        torch.testing.assert_close(far.frames, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("said", ["Dense fog", "dense_fog", "DENSE-FOG", " dense  fog "])
def test_names_are_taken_as_people_write_them(said):
    assert find_preset(said) is PRESETS["dense-fog"]


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'dense-fog'"):
        find_preset("dens-fog")


def test_airlights_by_their_first_word():
    assert haze_of({"visibility": 100, "airlight": "smog"}).airlight == (
        haze_of({"visibility": 100, "airlight": "smog yellow"}).airlight
    )
    assert haze_of({"visibility": 100, "airlight": "blue-hour"}).airlight == (
        haze_of({"visibility": 100, "airlight": "blue hour"}).airlight
    )
    with pytest.raises(UnknownNameError, match="smgo"):
        haze_of({"visibility": 100, "airlight": "smgo"})


def test_the_documentation_has_the_same_table():
    page = Path(__file__).parents[2] / "docs" / "weather.md"
    if not page.is_file():
        pytest.skip("the documentation is not part of a source distribution")
    text = page.read_text(encoding="utf-8")
    for name, found in PRESETS.items():
        assert f"| `{name}` | {found.summary} | {found.source} |\n" in text
