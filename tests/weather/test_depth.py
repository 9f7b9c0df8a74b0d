"""Synthetic depth for photographs, and the guided filter."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.weather.depth import guided_filter, smooth_field, synthetic_disparity

from .make import photo


def noise(seed, h=24, w=30):
    return np.random.default_rng(seed).random((h, w), dtype=np.float32)


def test_a_flat_source_stays_flat_under_any_guide():
    flat = np.full((24, 30), 0.37, np.float32)
    assert guided_filter(noise(0), flat, 4, 1e-3) == pytest.approx(flat, abs=1e-4)


def test_a_picture_guided_by_itself_keeps_what_exceeds_eps():
    x = noise(1)
    assert guided_filter(x, x, 4, 1e-9) == pytest.approx(x, abs=1e-3)


def test_under_a_large_eps_it_is_two_box_means():
    source, border = noise(2), cv2.BORDER_REFLECT
    twice = cv2.blur(cv2.blur(source, (9, 9), borderType=border), (9, 9), borderType=border)
    assert guided_filter(noise(0), source, 4, 1e6) == pytest.approx(twice, abs=1e-4)


def test_edges_move_onto_those_of_the_guide():
    guide = np.zeros((30, 40), np.float32)
    guide[:, 20:] = 1
    source = np.zeros((30, 40), np.float32)
    source[:, 23:] = 1  # three pixels off
    out = guided_filter(guide, source, 8, 1e-4)
    assert np.abs(np.diff(out[15])).argmax() == 19


@pytest.mark.parametrize("size", [(20, 60), (60, 20), (5, 5)])
def test_smooth_fields(size):
    field = smooth_field(np.random.default_rng(0), *size, cells=2)
    assert field.shape == size
    assert field.dtype == np.float32
    assert -0.3 < field.min() < field.max() < 1.3
    assert max(np.abs(np.diff(field, axis=i)).max() for i in (0, 1)) < 3.5 * 3 / min(size)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    h=st.integers(12, 70),
    w=st.integers(12, 70),
    level=st.sampled_from([None, 0, 255]),
)
def test_disparity_is_finite_and_relative(seed, h, w, level):
    picture = photo(h, w, seed % 9) if level is None else np.full((h, w, 3), level, np.uint8)
    disparity = synthetic_disparity(np.random.default_rng(seed), picture)
    assert disparity.shape == (h, w)
    assert disparity.dtype == np.float32
    assert np.isfinite(disparity).all()
    assert 0 <= disparity.min() <= disparity.max() <= 1


def test_the_seed_decides_and_depths_are_various():
    picture = photo(40, 50)
    made = [synthetic_disparity(np.random.default_rng(s), picture) for s in (3, 3, *range(30))]
    assert np.array_equal(made[0], made[1])
    assert np.std([m.mean() for m in made]) > 0.05
    assert sum(np.ptp(m) > 0.2 for m in made) > 15  # most of them are not flat


def test_the_ground_is_nearer_than_the_horizon():
    """On the average of many draws the lower half is the nearer one."""
    picture = photo(40, 50)
    rows = np.mean([synthetic_disparity(np.random.default_rng(s), picture) for s in range(60)], 0)
    assert rows[20:].mean() > rows[:20].mean() + 0.05


def test_a_sky_is_farther_than_without():
    with_sky = photo(60, 80, seed=4) // 2
    with_sky[:30] = (150, 180, 230)
    draws = [synthetic_disparity(np.random.default_rng(s), with_sky) for s in range(40)]
    ratio = [d[5:20].mean() / d[45:].mean() for d in draws]
    assert np.quantile(ratio, 0.3) < 0.3
