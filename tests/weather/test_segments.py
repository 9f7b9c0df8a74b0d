"""Synthetic depth by regions: outlines of the picture, and a world that makes sense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.weather.segments import segmented_disparity, segments

from .make import photo


def patches():
    """Four flat patches of different colours, (80, 120, 3)."""
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[:40, :60] = (200, 40, 40)
    picture[:40, 60:] = (40, 200, 40)
    picture[40:, :60] = (40, 40, 200)
    picture[40:, 60:] = (120, 120, 120)
    return picture


def test_regions_end_where_the_picture_changes():
    for seed in range(4):
        labels = segments(np.random.default_rng(seed), patches(), 24)
        quarters = [labels[:36, :56], labels[:36, 64:], labels[44:, :56], labels[44:, 64:]]
        sets = [set(np.unique(q)) for q in quarters]
        for i in range(4):
            for j in range(i):
                assert not sets[i] & sets[j]


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), h=st.integers(3, 60), w=st.integers(3, 60))
def test_any_picture_is_cut_into_at_most_so_many_regions(seed, h, w):
    labels = segments(np.random.default_rng(seed), photo(h, w, seed % 7), 20)
    assert labels.shape == (h, w)
    assert labels.min() == 0
    assert labels.max() < 25
    disparity = segmented_disparity(np.random.default_rng(seed), photo(h, w, seed % 7))
    assert disparity.shape == (h, w)
    assert disparity.dtype == np.float32
    assert np.isfinite(disparity).all()
    assert 0 <= disparity.min() <= disparity.max() <= 1


def test_the_seed_decides_and_the_ground_is_nearer_than_the_horizon():
    picture = photo(60, 80)
    made = [segmented_disparity(np.random.default_rng(s), picture) for s in (3, 3, *range(20))]
    assert np.array_equal(made[0], made[1])
    rows = np.mean(made, 0)
    assert rows[40:].mean() > rows[:20].mean() + 0.1


def test_the_sky_is_infinitely_far():
    picture = photo(60, 80, seed=4) // 2
    picture[:25] = (150, 180, 230)
    for seed in range(5):
        disparity = segmented_disparity(np.random.default_rng(seed), picture)
        assert disparity[3:14].max() == pytest.approx(0, abs=1e-6)
        assert disparity[35:].mean() > 0.05
