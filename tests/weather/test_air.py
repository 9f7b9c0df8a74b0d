"""Uneven air against integration along the rays, in both views, at all heights and times."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.weather import Haze, Scene
from deweather.weather.air import _draw_waves, _growing_wave, draw_air, optical_path
from deweather.weather.operator import generators

from .make import batch_of, scene

VISIBILITY = 60.0


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


def air_of(seed=0, strength=0.9, height=math.inf, octaves=4, patch=25.0, shift=(0.0, 0.0, 0.0)):
    return draw_air(
        generators(seed, 1, stream=1),
        visibility=column(VISIBILITY),
        strength=column(strength),
        falloff=column(1 / height),
        octaves=octaves,
        patch=column(patch),
        shift=column(*shift)[None],
    )


def density(points, air, height):
    """ρ at world points (N, 3), by its definition."""
    k, phase, amplitude = (t[0].numpy() for t in (air.k, air.phase, air.amplitude))
    return np.exp(points[:, 1] / height) * (1 + (amplitude * np.cos(points @ k + phase)).sum(1))


def marched(s, air, height, steps=20_000):
    """∫ρ ds of every ray by the midpoint rule: (V, H, W)."""
    ends = (s.rays() * s.depth())[0].numpy()
    share = (np.arange(steps) + 0.5) / steps
    out = np.empty((ends.shape[0], *ends.shape[2:]))
    for view, y, x in np.ndindex(*out.shape):
        way = ends[view, :, y, x]
        points = np.array([view * float(s.baseline), 0, 0]) + share[:, None] * way
        out[view, y, x] = density(points, air, height).mean() * np.linalg.norm(way)
    return out


@pytest.mark.parametrize("height", [math.inf, 50.0, 4.0])
@pytest.mark.parametrize("strength", [0.0, 0.95])
def test_the_path_against_marching(height, strength):
    s = scene(v=2, h=5, w=4, focal=6.0, baseline=5.0, seed=2, dtype=torch.float64)
    air = air_of(1, strength, height)
    path = optical_path(s, air)[0, :, 0].numpy()
    expected = marched(s, air, height)
    assert np.abs(path / expected - 1).max() < 1e-6
    # Something to find: this air is neither even nor the same for both views.
    length = (s.depth() * s.rays().norm(dim=2, keepdim=True))[0, :, 0].numpy()
    uneven = strength > 0 or height < math.inf
    assert (np.abs(expected / length - 1).max() > 0.03) == uneven


def test_single_precision_is_enough():
    """Also where waves and falloff nearly cancel, near and far."""
    near = scene(v=2, h=9, w=8, focal=20.0, seed=1)
    s = batch_of([near, scene(v=2, h=9, w=8, depth=1e4, focal=20.0)])
    wide = Scene(
        s.frames.double(), s.disparity.double(), s.focal_length.double(), s.baseline.double()
    )
    paths = []
    for each in (s, wide):
        ones = torch.ones(2).to(each.frames)
        draws = generators(0, 2, stream=1)
        air = draw_air(
            draws, visibility=60 * ones, strength=0.9 * ones, falloff=ones / 30, octaves=5
        )
        paths.append(optical_path(each, air))
    single, double = paths
    seen = double < 50 * 60  # beyond, nothing is left of the light
    assert seen.any()
    assert torch.isfinite(single).all()
    error = (single / double - 1).abs()[seen]
    assert error.max() < 2e-3
    assert error.quantile(0.9) < 1e-4


@settings(derandomize=True, max_examples=80, deadline=None)
@given(
    a=st.floats(-30, 5),
    b=st.floats(-30, 30),
    middle=st.floats(-4, 4),
    tiny=st.sampled_from([1, 1e-5, 1e-9]),
)
def test_the_mean_of_a_growing_wave(a, b, middle, tiny):
    """Against the complex exponential: mean of exp(2au)·cos(2bu + φ) over u in [0, 1]."""
    a, b = a * tiny, b * tiny
    w = complex(a, b)
    mean = np.expm1(2 * w) / (2 * w) if abs(w) > 1e-12 else 1.0
    expected = (np.exp(1j * (middle - b)) * mean).real
    found = _growing_wave(column(middle), column(a), column(b)).item()
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6 * math.exp(max(2 * a, 0)))


def test_density_falls_to_one_in_e_at_the_scale_height():
    """Level air has no closed way out: straight up, the whole path is the scale height."""
    s = scene(
        h=3, w=3, depth=1e4, focal=1e-3, dtype=torch.float64
    )  # its upper row looks straight up
    path = optical_path(s, air_of(strength=0.0, height=7.0))[0, 0, 0]
    assert path[0, 1].item() == pytest.approx(7.0, rel=1e-3)
    level = scene(h=3, w=3, depth=40.0, dtype=torch.float64)
    path = optical_path(level, air_of(strength=0.0, height=7.0))[0, 0, 0]
    assert path[1, 1].item() == pytest.approx(40.0, rel=1e-9)  # level with the cameras
    assert path[0, 1] < 40 < path[2, 1]


def test_looking_down_into_endless_fog_is_opaque_and_finite():
    s = scene(v=2, h=40, w=8, depth=math.inf, focal=10.0)
    out = Haze(50.0, 0.7, 0.9, scale_height=1.0, octaves=4)(s, 2)
    t = out.record["haze.transmission"]
    assert torch.isfinite(out.frames).all()
    assert torch.isfinite(t).all()
    assert t[..., -1, :].max() < 1e-6
    assert t[..., 0, :].min() > 0.5  # above the fog it is nearly clear


def test_drifting_air_is_still_air_seen_from_a_moved_camera():
    """After a baseline's way to the left, the left view sees what the right one saw."""
    s = scene(v=2, h=6, w=6, depth=30.0, focal=10.0, baseline=4.0, dtype=torch.float64)
    make = lambda time: Haze(  # noqa: E731
        60.0, 0.8, 0.9, octaves=4, patch=20.0, drift=(-2.0, 0.0, 0.0), time=time, scale_height=9.0
    )
    before, after = (make(t)(s, 5).record["haze.transmission"] for t in (0.0, 2.0))
    torch.testing.assert_close(after[:, 0], before[:, 1])
    assert not torch.allclose(after[:, 0], before[:, 0], atol=1e-3)
    # Up and down, too: the patches move, the layers stay.
    sinking = Haze(60.0, inhomogeneity=0.9, drift=(0.0, 1.0, 0.0), time=3.0)(s, 5)
    still = Haze(60.0, inhomogeneity=0.9)(s, 5)
    assert not torch.allclose(sinking.frames, still.frames, atol=1e-3)


def test_drift_without_patches_or_time_changes_nothing():
    s = scene(v=2)
    for patchy, time in ((0.0, 9.0), (0.7, 0.0)):
        moved = Haze(20.0, inhomogeneity=patchy, drift=(1.0, 2.0, 3.0), time=time)(s, 1).frames
        assert torch.equal(moved, Haze(20.0, inhomogeneity=patchy)(s, 1).frames)


def test_fine_waves_are_as_strong_as_turbulence_makes_them():
    """Amplitude follows the cube root of the wavelength, which spans the octaves."""
    air = air_of(3, 0.8, octaves=6, patch=64.0)
    fine = slice(13, None)  # behind the sums and differences of the three longest
    wavelength = 2 * math.pi / air.k[0, :, fine].norm(dim=0)
    amplitude = air.amplitude[0, fine]
    ratio = amplitude / wavelength ** (1 / 3)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-6, atol=0)
    assert amplitude.sum().item() == pytest.approx(0.2 * 0.8)
    octave = torch.floor(-torch.log2(wavelength / 64.0))
    assert octave.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(("octaves", "waves", "share"), [(1, 2, 1.0), (2, 3, 0.8)])
def test_the_longest_waves_multiply(octaves, waves, share):
    """The sums and differences of their wave vectors make the product, by its definition."""
    (draw,) = generators(3, 1, stream=1)
    direction, wavelength, phase = np.split(_draw_waves(draw, octaves).numpy(), [3, 4])
    k = direction * 2 * math.pi / (25.0 * wavelength)
    air = air_of(3, 0.7, octaves=octaves)
    points = np.random.default_rng(0).uniform(-100, 100, (500, 3))
    wave = np.cos(points @ k + phase)
    banks = np.prod(1 + 0.7 * wave[:, :waves], axis=1)
    expected = 1 + share * (banks - 1) + (1 - share) * 0.7 * wave[:, waves:].sum(1)
    assert density(points, air, math.inf) == pytest.approx(expected, abs=1e-4)


def test_full_inhomogeneity_is_banks_with_clear_air_between():
    """Over a way as long as the visibility one ray meets a multiple of what another one does."""
    s = scene(h=12, w=16, focal=16.0, depth=VISIBILITY)
    ratios = []
    for seed in range(8):
        t = Haze(VISIBILITY, inhomogeneity=1.0, octaves=5)(s, seed).record["haze.transmission"]
        even = Haze(VISIBILITY)(s, seed).record["haze.transmission"]
        path = (t.log() / even.log()).flatten()
        assert path.min() > 0
        ratios.append((path.max() / path.min()).item())
    assert np.median(ratios) > 4


@settings(derandomize=True, max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**9), octaves=st.integers(0, 8), strength=st.floats(0, 0.99))
def test_the_density_is_never_negative_and_one_on_the_average(seed, octaves, strength):
    air = air_of(seed, strength, octaves=octaves, patch=10.0)
    points = np.random.default_rng(seed).uniform(-500, 500, (4000, 3))
    rho = density(points, air, math.inf)
    assert rho.min() > 0
    assert rho.mean() == pytest.approx(1, abs=0.12)


def test_more_octaves_add_waves_and_the_default_has_six():
    draws = [generators(0, 1, stream=1)[0] for _ in range(3)]
    assert [_draw_waves(d, o).shape[1] for d, o in zip(draws, (0, 1, 5), strict=True)] == [6, 2, 10]


def test_heights_for_each_picture_and_batches_are_singles():
    singles = [scene(v=2, seed=i) for i in range(3)]
    height = torch.tensor([math.inf, 3.0, 20.0])
    together = Haze(20.0, 0.7, 0.8, scale_height=height, octaves=3)(batch_of(singles), 4)
    for i, s in enumerate(singles):
        alone = Haze(20.0, 0.7, 0.8, scale_height=float(height[i]), octaves=3)(s, 4 + i)
        torch.testing.assert_close(together.frames[i], alone.frames[0], rtol=0, atol=1e-5)
    assert together.record["haze.scale_height"].tolist() == height.tolist()
