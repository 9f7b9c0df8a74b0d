from __future__ import annotations

import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deweather.errors import ConfigError, UnknownNameError
from deweather.jobs.parameters import (
    CAMERA,
    HAZE,
    RAIN,
    Range,
    format_parameters,
    interpolate,
    parse_parameters,
)
from deweather.weather import Haze, Rain


@pytest.mark.parametrize(("table", "operator"), [(HAZE, Haze), (RAIN, Rain)])
def test_every_parameter_of_the_operators_can_be_set(table, operator):
    assert set(table) == set(inspect.signature(operator).parameters)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("visibility=300", "visibility", 300.0),
        ("visibility=1e3", "visibility", 1000.0),
        ("visibility=inf", "visibility", math.inf),
        ("visibility=100..400", "visibility", Range(100.0, 400.0)),
        (" visibility = 300 ,", "visibility", 300.0),
        ("airlight=smog yellow", "airlight", "smog yellow"),
        ("airlight=.8", "airlight", 0.8),
        ("airlight=0.8:0.7:0.5", "airlight", (0.8, 0.7, 0.5)),
        ("drift=-1:0:2", "drift", (-1.0, 0.0, 2.0)),
        ("linear=no", "linear", False),
        ("linear=True", "linear", True),
        ("octaves=5", "octaves", 5),
        ("convention=koschmieder", "convention", "koschmieder"),
    ],
)
def test_values_by_type(text, key, value):
    found = parse_parameters("--haze", text, HAZE)
    assert found == {key: value}
    assert type(found[key]) is type(value)


def test_fractions():
    assert parse_parameters("--rain", "rate=25,exposure=1/250", RAIN) == {
        "rate": 25.0,
        "exposure": 1 / 250,
    }
    assert parse_parameters("--rain", "exposure=1/1000..1/60", RAIN) == {
        "exposure": Range(1 / 1000, 1 / 60)
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("visibility", "write KEY=VALUE"),
        ("visibility=", "write KEY=VALUE"),
        ("", "is empty"),
        ("visibility=far", r"visibility='far': give a number"),
        ("visibility=nan", "give a number"),
        ("visibility=1_0", "give a number"),
        ("visibility=1/0", "divided by 0"),
        ("visibility=400..100", r"LOW\.\.HIGH"),
        ("visibility=1..inf", r"LOW\.\.HIGH"),
        ("visibility=1..", "give a number"),
        ("visibility=1,visibility=2", "given twice"),
        ("linear=maybe", "give yes or no"),
        ("octaves=2.5", "give a whole number"),
        ("octaves=-1", "give a whole number"),
        ("drift=1:2", "three numbers"),
        ("airlight=1:x:2", "give a number"),
        ("time=1..2", "give a number"),
    ],
)
def test_values_of_another_type(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_parameters("--haze", text, HAZE)


def test_unknown_keys_name_the_nearest():
    with pytest.raises(UnknownNameError, match=r"key of --haze 'visibilty'.*'visibility'"):
        parse_parameters("--haze", "visibilty=300", HAZE)
    with pytest.raises(UnknownNameError, match=r"key of --camera 'basline'.*'baseline'"):
        parse_parameters("--camera", "focal=720,basline=1", CAMERA)


number = st.floats(allow_nan=False, allow_infinity=False)
ranges = st.tuples(number, number).filter(lambda p: p[0] < p[1]).map(lambda p: Range(*p))


@given(number | ranges, st.tuples(number, number, number), st.booleans(), st.integers(0, 99))
def test_what_is_shown_reads_back_exactly(visibility, drift, linear, octaves):
    settings = {"visibility": visibility, "linear": linear, "drift": drift, "octaves": octaves}
    assert parse_parameters("--haze", format_parameters(settings), HAZE) == settings


def test_ranges_are_even_or_even_in_the_logarithm():
    assert interpolate(Range(-5, 5), 0.25, "wind") == -2.5
    assert interpolate(Range(100, 400), 0.5, "visibility") == pytest.approx(200)
    assert interpolate(Range(0, 50), 0.5, "rate") == 25
