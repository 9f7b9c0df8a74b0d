"""Pairs cut from photographs: exact geometry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.weather.layers import _Plane, layered_pair

from .make import photo


def warp(right, disparity):
    """The left view as the right one shows it: right(x - d), and where that lies inside."""
    h, w = disparity.shape
    x = np.arange(w) - disparity
    low = np.floor(x).astype(int).clip(0, w - 2)
    share = (x - low)[..., None]
    rows = np.arange(h)[:, None]
    value = (1 - share) * right[rows, low] + share * right[rows, low + 1]
    return value, (x >= 0) & (x <= w - 1)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    a=st.floats(0, 30), b=st.floats(-0.3, 0.3), c=st.floats(-0.3, 0.3), x=st.floats(-50, 400),
    y=st.floats(0, 300),
)  # fmt: skip
def test_a_plane_is_seen_right_where_its_disparity_says(a, b, c, x, y):
    plane = _Plane(a, b, c)
    x, y = np.float32(x), np.float32(y)
    left_x = plane.left_x(x, y)
    assert left_x - plane.disparity(left_x, y) == pytest.approx(x, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("layers", [1, 3])
def test_the_right_view_warped_by_the_disparity_is_the_left_view(seed, layers):
    rng = np.random.default_rng(seed)
    # Smooth photographs, so that resampling twice changes little.
    photos = [photo(40, 60, seed=10 * seed + i) for i in range(layers)]
    pair, disparity = layered_pair(rng, photos, 72, 90, largest=20.0)
    warped, inside = warp(pair[1].astype(float), disparity[0])
    back, _ = warp(disparity[1][..., None].astype(float), disparity[0])
    # Hidden points come back nearer; flattened disparity 0 stands for anything beyond infinity.
    good = inside & (np.abs(back[..., 0] - disparity[0]) < 0.3) & (disparity[0] > 0)
    error = np.abs(warped - pair[0])[good]
    assert good.mean() > (0.7 if layers == 1 else 0.45)
    assert np.median(error) <= 2
    assert (error < 12).mean() > 0.97
    # The test can fail: by another disparity the views do not agree.
    other, _ = warp(pair[1].astype(float), disparity[0] + 4)
    assert np.median(np.abs(other - pair[0])[good]) > 2 * np.median(error) + 1


@pytest.mark.parametrize("largest", [5.0, 40.0])
def test_disparities_stay_near_the_largest(largest):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        pair, disparity = layered_pair(rng, [photo(), photo(seed=1)], 40, 50, largest)
        assert pair.shape == (2, 40, 50, 3)
        assert pair.dtype == np.uint8
        assert disparity.shape == (2, 40, 50)
        assert np.isfinite(disparity).all()
        assert disparity.min() >= 0
        assert disparity.max() <= 1.15 * largest


def test_the_seed_decides():
    made = [
        layered_pair(np.random.default_rng(seed), [photo(), photo(seed=1)], 30, 40)
        for seed in (1, 1, 2)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(made[0], made[1], strict=True))
    assert not np.array_equal(made[0][0], made[2][0])


@pytest.mark.parametrize("size", [(8, 8), (9, 300), (300, 9)])
def test_photographs_of_any_size_will_do(size):
    pair, _ = layered_pair(np.random.default_rng(0), [photo(*size)] * 2, 33, 47)
    assert pair.std() > 0
