"""Means of scores, and what counts as clear air."""

import pytest

from deweather.errors import ConfigError
from deweather.metrics import summarise


def test_means_and_kinds_of_pictures():
    found = summarise([20.0, 30.0, 45.0, 100.0], [26.0, 32.0, 40.0, 60.0])
    assert (found.count, found.before, found.after) == (4, 48.75, 39.5)
    assert found.gain == -9.25
    assert found.least == 26
    assert (found.before_in_weather, found.gain_in_weather) == (25, 4)
    assert found.in_clear_air == 50  # what comes in at 45 dB is clear


def test_kinds_that_are_not_there_have_no_mean():
    assert summarise([20.0], [30.0]).in_clear_air is None
    clear = summarise([90.0], [80.0])
    assert clear.before_in_weather is clear.gain_in_weather is None


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], [1.0, 2.0])])
def test_scores_without_partners_are_refused(before, after):
    with pytest.raises(ConfigError, match=r"before and .* after"):
        summarise(before, after)
