"""Haze against Koschmieder's law and numerical integration through the air."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.errors import ConfigError, UnknownNameError
from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather import AIRLIGHTS, Haze, airlight_colour, extinction_of, koschmieder
from deweather.weather.air import _draw_waves, draw_air, optical_path
from deweather.weather.operator import generators

from .make import batch_of, scene


@pytest.mark.parametrize("visibility", [40.0, 500.0, 8000.0])
def test_transmission_at_the_visibility_is_five_percent(visibility):
    s = scene(h=3, w=3, depth=visibility, dtype=torch.float64)
    transmission = Haze(visibility)(s).record["haze.transmission"]
    assert transmission[0, 0, :, 1, 1].tolist() == pytest.approx([0.05] * 3, abs=1e-9)
    # Off the axis the way is longer by the secant of the angle.
    way = math.sqrt(1 + 2 / 50**2)
    assert transmission[0, 0, 0, 0, 0].item() == pytest.approx(0.05**way, abs=1e-9)


def test_extinction_of_known_visibilities():
    """WMO-No. 8: thick fog below 50 m, mist from 1 km; β = 2.996 / V."""
    beta = extinction_of(torch.tensor([50.0, 1000.0, math.inf]))
    assert beta.tolist() == pytest.approx([0.0599146, 0.00299573, 0.0], abs=1e-7)


@pytest.mark.parametrize(("convention", "left"), [("wmo", 0.05), ("koschmieder", 0.02)])
def test_conventions_of_visibility(convention, left):
    s = scene(h=3, w=3, depth=300.0, dtype=torch.float64)
    haze = Haze(300.0, convention=convention)(s).record
    assert haze["haze.transmission"][0, 0, 1, 1, 1].item() == pytest.approx(left, abs=1e-9)
    beta = extinction_of(torch.tensor(300.0), convention).item()
    assert beta == pytest.approx(-math.log(left) / 300, rel=1e-6)
    assert haze["haze.extinction"].item() == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize("convention", ["wmo", "koschmieder"])
def test_an_extinction_is_the_same_by_every_convention(convention):
    s = scene(h=3, w=3, depth=80.0, dtype=torch.float64)
    out = Haze(extinction=0.02, convention=convention)(s)
    assert out.record["haze.transmission"][0, 0, 0, 1, 1].item() == pytest.approx(math.exp(-1.6))
    same = Haze(out.record["haze.visibility"], convention=convention)(s)
    torch.testing.assert_close(same.frames, out.frames)


def test_no_extinction_is_clear_air():
    s = scene(v=2)
    torch.testing.assert_close(Haze(extinction=0.0)(s).frames, s.frames, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", AIRLIGHTS)
def test_airlight_by_name(name):
    s = scene(depth=math.inf)
    out = Haze(50.0, name)(s).frames[0, 0, :, 0, 0]
    assert out.tolist() == pytest.approx(airlight_colour(name), abs=1e-6)


@pytest.mark.parametrize("linear", [True, False])
def test_a_mirrored_pair_is_the_mirror_of_the_pair(linear):
    """With the air mirrored too, which even air and air in level layers is by itself."""
    s = scene(v=2, h=10, w=14, seed=4)
    haze = Haze(30.0, 0.6, linear=linear, scale_height=8.0, scattering=0.4)
    of_mirror = haze(s.mirrored(), 3).frames
    mirror_of = s.with_frames(haze(s, 3).frames).mirrored().frames
    torch.testing.assert_close(of_mirror, mirror_of, rtol=0, atol=1e-5)


@pytest.mark.parametrize("linear", [True, False])
def test_infinitely_far_is_the_colour_of_the_air(linear):
    s = scene(v=2, depth=math.inf)
    air = torch.tensor([0.7, 0.8, 0.9])
    out = Haze(100.0, air, linear=linear)(s).frames
    torch.testing.assert_close(out, air.view(3, 1, 1).expand_as(out), rtol=0, atol=1e-6)


def test_the_law_in_linear_light_and_in_srgb_values():
    s = scene(v=2, depth=30.0, dtype=torch.float64)
    t = torch.exp(-3.0 * s.depth() / 60 * s.rays().norm(dim=2, keepdim=True))
    visibility = -math.log(0.05) * 20
    encoded = Haze(visibility, 0.6, linear=False)(s).frames
    torch.testing.assert_close(encoded, s.frames * t + 0.6 * (1 - t))
    light = srgb_to_linear(s.frames) * t + srgb_to_linear(torch.tensor(0.6).double()) * (1 - t)
    torch.testing.assert_close(Haze(visibility, 0.6)(s).frames, linear_to_srgb(light))


def test_koschmieder_takes_an_airlight_for_each_picture():
    radiance = torch.zeros(2, 2, 3, 1, 1)
    air = torch.tensor([[0.2, 0.4, 0.6], [0.1, 0.3, 0.5]])
    out = koschmieder(radiance, torch.tensor(0.5), air)
    assert torch.allclose(out[:, 0, :, 0, 0], air / 2)
    assert torch.equal(out[:, 0], out[:, 1])


def test_angstrom_exponent():
    s = scene(depth=100.0, dtype=torch.float64)
    t = Haze(200.0, angstrom=1.3)(s).record["haze.transmission"]
    thickness = -t.log()[0, 0, :, 4, 6]
    ratio = (thickness / thickness[1]).tolist()
    assert ratio == pytest.approx([(0.55 / 0.61) ** 1.3, 1.0, (0.55 / 0.465) ** 1.3], rel=1e-6)


def density(points, waves, visibility, strength):
    """Relative density of the air at world points (N, 3): the sum of plane waves."""
    wavelength = waves[3] * visibility
    amplitude = strength * waves[3] / waves[3].sum()
    k = waves[:3] * 2 * np.pi / wavelength
    return 1 + (amplitude * np.cos(points @ k + waves[4])).sum(1)


@pytest.mark.parametrize("seed", [0, 1])
def test_patchy_air_against_integration_along_the_rays(seed):
    visibility, strength, baseline = 80.0, 0.9, 6.0
    s = scene(v=2, h=4, w=5, focal=6.0, baseline=baseline, seed=seed, dtype=torch.float64)
    waves = _draw_waves(generators(seed, 1, stream=1)[0]).double().numpy()
    air = draw_air(
        generators(seed, 1, stream=1),
        visibility=torch.tensor([visibility], dtype=torch.float64),
        strength=torch.tensor([strength], dtype=torch.float64),
        falloff=torch.zeros(1, dtype=torch.float64),
    )
    path = optical_path(s, air)
    ends = (s.rays() * s.depth())[0].numpy()  # (V, 3, H, W), from the camera
    share = (np.arange(20_000) + 0.5) / 20_000
    lowest = np.inf
    expected = np.empty((2, 4, 5))
    for view, y, x in np.ndindex(2, 4, 5):
        way = ends[view, :, y, x]
        points = np.array([view * baseline, 0, 0]) + share[:, None] * way
        along = density(points, waves, visibility, strength)
        expected[view, y, x] = along.mean() * np.linalg.norm(way)
        lowest = min(lowest, along.min())
    worst = np.abs(path[0, :, 0].numpy() / expected - 1).max()
    assert worst < 1e-6
    assert lowest > 0
    # Something to find: the air is far from even.
    even = (s.depth() * s.rays().norm(dim=2, keepdim=True))[0, :, 0].numpy()
    assert np.abs(expected / even - 1).max() > 0.05


def test_haze_uses_that_path():
    s = scene(v=2, dtype=torch.float64)
    t = Haze(30.0, inhomogeneity=0.8)(s, seed=7).record["haze.transmission"]
    one = torch.ones(1, dtype=torch.float64)
    draws = generators(7, 1, stream=1)
    path = optical_path(
        s, draw_air(draws, visibility=30 * one, strength=0.8 * one, falloff=0 * one)
    )
    torch.testing.assert_close(t, torch.exp(math.log(0.05) / 30 * path).expand_as(t))


def test_both_views_look_through_the_same_air():
    """With the cameras in one place, both views see the same; apart, the patches shift."""
    s = scene(h=8, w=8, depth=40.0, focal=20.0)
    for baseline, alike in ((1e-6, True), (5.0, False)):
        pair = scene(v=2, h=8, w=8, depth=40.0, focal=20.0, baseline=baseline)
        t = Haze(50.0, inhomogeneity=0.9)(pair).record["haze.transmission"]
        assert torch.allclose(t[:, 0], t[:, 1], atol=1e-4) is alike
        alone = Haze(50.0, inhomogeneity=0.9)(s).record["haze.transmission"]
        torch.testing.assert_close(t[:, 0], alone[:, 0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("inhomogeneity", [0.0, 0.7])
@pytest.mark.parametrize("linear", [True, False])
def test_clear_air_is_the_identity(inhomogeneity, linear):
    s = scene(v=2)
    out = Haze(math.inf, inhomogeneity=inhomogeneity, linear=linear)(s, seed=3).frames
    torch.testing.assert_close(out, s.frames, rtol=0, atol=1e-6)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(
    visibility=st.floats(5, 20_000),
    grey=st.floats(0, 1),
    inhomogeneity=st.floats(0, 0.99),
    seed=st.integers(0, 2**40),
)
def test_pictures_lie_between_scene_and_air(visibility, grey, inhomogeneity, seed):
    s = scene(v=2, seed=seed % 7)
    out = Haze(visibility, grey, inhomogeneity, linear=False)(s, seed).frames
    low, high = s.frames.clamp_max(grey), s.frames.clamp_min(grey)
    assert ((out >= low - 1e-5) & (out <= high + 1e-5)).all()


@settings(derandomize=True, max_examples=15, deadline=None)
@given(visibility=st.floats(5, 5000), seed=st.integers(0, 10**9))
def test_a_batch_is_its_singles(visibility, seed):
    singles = [scene(v=2, seed=i) for i in range(3)]
    haze = Haze(visibility, inhomogeneity=0.8)
    together = haze(batch_of(singles), seed).frames
    apart = torch.cat([haze(s, seed + i).frames for i, s in enumerate(singles)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-5)
    given_each = haze(batch_of(singles), [seed + i for i in range(3)]).frames
    assert torch.equal(given_each, together)


def test_the_seed_decides():
    s, haze = scene(), Haze(30.0, inhomogeneity=0.8)
    assert torch.equal(haze(s, 5).frames, haze(s, 5).frames)
    assert not torch.equal(haze(s, 5).frames, haze(s, 6).frames)


def test_parameters_for_each_picture():
    singles = [scene(seed=i) for i in range(2)]
    air = torch.tensor([[0.9, 0.8, 0.7], [0.5, 0.5, 0.6]])
    linear = torch.tensor([True, False])
    haze = Haze(torch.tensor([20.0, 400.0]), air, linear=linear)
    together = haze(batch_of(singles)).frames
    first = Haze(20.0, air[0])(singles[0]).frames
    second = Haze(400.0, air[1], linear=False)(singles[1]).frames
    torch.testing.assert_close(together, torch.cat([first, second]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Haze, "visibility = None and extinction = None; give one"),
        (lambda: Haze(100.0, extinction=0.1), "give one of them"),
        (lambda: Haze(extinction=-0.1), "extinction = -0.1"),
        (lambda: Haze(100.0, scale_height=0.0), "scale_height = 0.0"),
        (lambda: Haze(100.0, scattering=1.0), "scattering = 1.0"),
        (lambda: Haze(100.0, lamps=0.5), "lamps = 0.5"),
        (lambda: Haze(100.0, octaves=13), "octaves = 13"),
        (lambda: Haze(100.0, patch=0.0), "patch = 0.0"),
        (lambda: Haze(100.0, drift=(1.0, 2.0))(scene()), r"drift has shape \(2,\)"),
        (lambda: Haze(0.0), "visibility = 0.0"),
        (lambda: Haze(math.nan), "visibility = nan"),
        (lambda: Haze(100.0, inhomogeneity=1.1), "inhomogeneity = 1.1"),
        (lambda: Haze(100.0, 1.2)(scene()), "airlight = 1.2"),
        (lambda: Haze(100.0, (0.5, 0.5))(scene()), r"airlight has shape \(2,\)"),
        (lambda: Haze(torch.ones(3))(scene(b=2)), r"visibility has shape \(3,\)"),
    ],
)
def test_values_out_of_range_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_unknown_names_are_named():
    with pytest.raises(UnknownNameError, match=r"unknown convention 'who'.*'wmo'"):
        Haze(100.0, convention="who")
    with pytest.raises(UnknownNameError, match=r"unknown airlight 'smog yelow'.*'smog yellow'"):
        airlight_colour("smog yelow")
    with pytest.raises(UnknownNameError, match="unknown airlight"):
        Haze(100.0, "pink")
