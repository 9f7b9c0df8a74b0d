"""Streaks drawn into maps: mass, place, width, occlusion."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.weather import splat
from deweather.weather.splat import draw_streaks


def draw(centre, extent, sigma=0.8, mass=0.3, shape=(1, 60, 70), **more):
    n = len(centre)
    tensors = {"centre": centre, "extent": extent, "sigma": [sigma] * n, "mass": [mass] * n}
    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in tensors.items()}
    plane = more.pop("plane", torch.zeros(n, dtype=torch.long))
    return draw_streaks(shape, plane=plane, **tensors, **more)


def moments(layer):
    """Mass, centroid (x, y) and variance along x and y of a map (H, W)."""
    y = torch.arange(layer.shape[0], dtype=torch.float64)[:, None]
    x = torch.arange(layer.shape[1], dtype=torch.float64)[None, :]
    total = layer.sum()
    cx, cy = (layer * x).sum() / total, (layer * y).sum() / total
    vx, vy = (layer * (x - cx) ** 2).sum() / total, (layer * (y - cy) ** 2).sum() / total
    return [m.item() for m in (total, cx, cy, vx, vy)]


places = st.floats(28, 32)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    centre=st.tuples(places, places),
    length=st.floats(0.1, 25),
    angle=st.floats(0, math.pi),
    sigma=st.floats(0.2, 4),
)
def test_mass_and_centre_are_kept_whatever_the_width(centre, length, angle, sigma):
    extent = (length * math.cos(angle), length * math.sin(angle))
    total, cx, cy, *_ = moments(draw([centre], [extent], sigma)[0])
    assert total == pytest.approx(0.3 * length, rel=1e-5)
    assert (cx, cy) == pytest.approx(centre, abs=1e-4)


@pytest.mark.parametrize("length", [4.0, 11.3, 23.0])
def test_length_shows_in_the_variance(length):
    """A line of length L has variance L²/12; the width adds the same along and across."""
    *_, vx, vy = moments(draw([(30.2, 30.7)], [(0.0, length)], 0.8)[0])
    assert math.sqrt(12 * (vy - vx)) == pytest.approx(length, rel=0.02)


@pytest.mark.parametrize("sigma", [0.8, 1.6, 3.2])  # under a pixel the grid decides
def test_width_shows_across(sigma):
    *_, vx, _ = moments(draw([(30.0, 30.0)], [(0.0, 20.0)], sigma)[0])
    assert math.sqrt(vx) == pytest.approx(sigma, rel=0.05)


def test_the_peak_of_a_long_streak_is_its_mass_over_the_width():
    layer = draw([(30.0, 30.0)], [(0.0, 40.0)], 1.6, mass=1.0)[0]
    assert layer[30, 30].item() == pytest.approx(1 / (math.sqrt(2 * math.pi) * 1.6), rel=0.02)


def test_moving_a_streak_moves_the_map():
    a = draw([(30.3, 30.0)], [(3.0, 9.0)])[0]
    b = draw([(37.3, 26.0)], [(3.0, 9.0)])[0]
    torch.testing.assert_close(torch.roll(a, (-4, 7), (0, 1)), b)


def test_streaks_add_up_and_keep_to_their_planes():
    both = draw(
        [(20.0, 20.0), (40.0, 30.0)],
        [(0.0, 9.0), (2.0, 5.0)],
        shape=(3, 60, 70),
        plane=torch.tensor([2, 0]),
    )
    torch.testing.assert_close(both[2], draw([(20.0, 20.0)], [(0.0, 9.0)])[0])
    torch.testing.assert_close(both[0], draw([(40.0, 30.0)], [(2.0, 5.0)])[0])
    assert not both[1].any()


def test_what_lies_outside_leaves_nothing_and_what_crosses_the_border_its_part():
    assert not draw([(-40.0, 30.0), (30.0, 200.0)], [(0.0, 9.0)] * 2).any()
    half = draw([(30.0, -0.5)], [(0.0, 20.0)], 0.4)
    assert half.sum().item() == pytest.approx(0.3 * 10, rel=0.05)


def test_no_streaks_no_marks():
    none = torch.zeros(0)
    empty = draw_streaks(
        (2, 4, 5),
        plane=none.long(),
        centre=torch.zeros(0, 2),
        extent=torch.zeros(0, 2),
        sigma=none,
        mass=none,
    )
    assert torch.equal(empty, torch.zeros(2, 4, 5))


def test_the_scene_hides_what_is_behind_it():
    wall = torch.full((1, 60, 70), 50.0, dtype=torch.float64)
    wall[:, 30:] = 3.0  # the lower half is near
    streak = ([(30.0, 29.5)], [(0.0, 20.0)], 0.4)
    free = draw(*streak)
    for distance, share in ((2.0, 1.0), (10.0, 0.5), (60.0, 0.0)):
        depth = torch.tensor([distance], dtype=torch.float64)
        seen = draw(*streak, depth=depth, scene_depth=wall)
        assert seen.sum().item() == pytest.approx(share * free.sum().item(), abs=0.02)
    cut = draw(*streak, depth=torch.tensor([10.0], dtype=torch.float64), scene_depth=wall)
    assert cut[0, 35:].sum() < 1e-6 < cut[0, 20:25].sum()


def test_drawing_in_portions_gives_the_same(monkeypatch):
    draws = torch.Generator().manual_seed(0)
    centre = (60 * torch.rand(40, 2, generator=draws)).tolist()
    extent = (20 * torch.rand(40, 2, generator=draws)).tolist()
    whole = draw(centre, extent)
    monkeypatch.setattr(splat, "_CHUNK", 50)
    torch.testing.assert_close(draw(centre, extent), whole)


@settings(derandomize=True, max_examples=10, deadline=None)
@given(sigma=st.floats(0.5, 3))
def test_blur_keeps_flat_maps_flat_inside(sigma):
    maps = torch.ones(1, 2, 30, 30, dtype=torch.float64)
    out = splat.gaussian_blur(maps, sigma)
    torch.testing.assert_close(out[..., 12:18, 12:18], maps[..., 12:18, 12:18])
    assert (out[..., 0, :] < 0.9).all()  # nothing comes in from outside
