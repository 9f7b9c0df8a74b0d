"""Overlaid streaks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.errors import ConfigError, UnknownNameError
from deweather.weather import Streaks, streak_layers

from .make import batch_of, scene


def layer_of(streaks, s, seed=0):
    return streaks(s, seed).record["streaks3.layer"]


def test_no_streaks_is_the_identity():
    s = scene(v=2)
    out = Streaks(0.0)(s, 1)
    assert torch.equal(out.frames, s.frames)
    assert not out.record["streaks3.layer"].any()


@pytest.mark.parametrize("screen", [True, False])
def test_blending_in_closed_form(screen):
    s = scene(v=2, h=40, w=50)
    out = Streaks(10.0, screen=screen)(s, 1)
    layer = out.record["streaks3.layer"]
    assert layer.max() > 0.1
    blend = 1 - (1 - s.frames) * (1 - layer) if screen else (s.frames + layer).clamp_max(1)
    torch.testing.assert_close(out.frames, blend.expand_as(out.frames))


@pytest.mark.parametrize("disparity", [0.0, 7.0, 40.0])
def test_the_layer_hangs_at_its_disparity(disparity):
    layer = layer_of(Streaks(8.0, disparity=disparity), scene(v=2, h=40, w=80), 2)[0, :, 0]
    d = int(disparity)
    # Not at the borders, where nothing is blurred in from outside.
    torch.testing.assert_close(layer[0, :, d + 10 : 70], layer[1, :, 10 : 70 - d])
    assert (layer[0] != layer[1]).any() == (d > 0)


@pytest.mark.parametrize("views", [1, 2])
def test_as_many_streaks_as_the_density_says(views):
    """Mean over seeds of the layer's sum against density x area x mean mass of a streak."""
    density, length, brightness = 3.0, 10.0, 0.2
    s = scene(v=views, h=60, w=60)
    made = Streaks(density, length=length, width=1.6, brightness=brightness, disparity=12.0)
    sums = torch.stack([layer_of(made, s, seed).sum((2, 3, 4))[0] for seed in range(60)])
    # E of the log-normal factors of length and width, and of u^0.7.
    per_streak = (
        brightness
        * (1 / 1.7)
        * (length * math.exp(0.35**2 / 2))
        * (math.sqrt(2 * math.pi) * 1.6 * math.exp(0.2**2 / 2))
    )
    expected = density / 1000 * 60 * 60 * per_streak
    assert sums.mean(0).tolist() == pytest.approx([expected] * views, rel=0.15)


@pytest.mark.parametrize("angle", [-30.0, 0.0, 45.0])
def test_streaks_lean_by_their_angle(angle):
    made = Streaks(2.0, length=40.0, width=1.6, angle=angle, spread=0.0)
    layer = layer_of(made, scene(h=120, w=120), 3)[0, 0, 0].double()
    gy, gx = torch.gradient(layer)
    # The structure tensor's smaller axis lies along the streaks.
    tensor = torch.stack([(gx * gx).sum(), (gx * gy).sum(), (gx * gy).sum(), (gy * gy).sum()])
    along = torch.linalg.eigh(tensor.view(2, 2)).eigenvectors[:, 0]
    measured = math.degrees(math.atan2(along[0], along[1]))
    assert (measured - angle + 90) % 180 - 90 == pytest.approx(0, abs=3)


@settings(derandomize=True, max_examples=10, deadline=None)
@given(density=st.floats(0, 30), angle=st.floats(-40, 40), seed=st.integers(0, 10**9))
def test_a_batch_is_its_singles(density, angle, seed):
    singles = [scene(v=2, h=20, w=24, seed=i) for i in range(3)]
    made = Streaks(density, angle=angle)
    together = made(batch_of(singles), seed).frames
    apart = torch.cat([made(s, seed + i).frames for i, s in enumerate(singles)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-5)
    assert ((together >= 0) & (together <= 1)).all()


def test_streams_keep_layers_apart():
    s = scene(h=30, w=30)
    one, same, other = (Streaks(9.0, stream=n)(s, 0) for n in (3, 3, 4))
    assert torch.equal(one.frames, same.frames)
    assert not torch.equal(one.frames, other.frames)
    assert set(other.record) == {"streaks4.layer"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"density": -1.0}, "density = -1.0"),
        ({"density": 1.0, "length": 0.0}, "length = 0.0"),
        ({"density": 1.0, "disparity": -3.0}, "disparity = -3.0"),
    ],
)
def test_values_out_of_range_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        Streaks(**values)


def test_the_looks_of_published_sets():
    """Heavy is several layers at their own disparities and covers much more than the light one."""
    s = scene(v=2, h=60, w=80)
    light, heavy = (streak_layers(look, angle=5.0)(s, 1).record for look in ("light", "heavy"))
    assert (len(light), len(heavy)) == (1, 3)
    cover = [sum(layer.mean().item() for layer in r.values()) for r in (light, heavy)]
    assert 0 < 5 * cover[0] < cover[1]
    for layer, disparity in zip(heavy.values(), (4, 10, 24), strict=True):
        left, right = layer[0, :, 0]
        # Near the borders each view lacks what would be blurred in from outside.
        left, right = left[10:-10, 10 + disparity : -10], right[10:-10, 10 : -10 - disparity]
        torch.testing.assert_close(left, right, rtol=0, atol=1e-5)


def test_an_unknown_look_is_named():
    with pytest.raises(UnknownNameError, match="unknown look of streaks 'havy'"):
        streak_layers("havy")
