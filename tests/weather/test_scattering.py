"""Glow and blur: energy, width, and what stays when nothing is scattered forward."""

import math

import pytest
import torch

from deweather.weather import Haze
from deweather.weather.scattering import _LOBES, brightened, forward_scattered

from .make import batch_of, scene


def point(thickness, focal=60.0, size=201, share=0.5):
    """What arrives spread of a point of radiance 1: (H, W)."""
    radiance = torch.zeros(1, 1, 3, size, size, dtype=torch.float64)
    radiance[..., size // 2, size // 2] = 1
    tau = torch.full_like(radiance, thickness)
    f, length = (torch.tensor([v], dtype=torch.float64) for v in (share, focal))
    return forward_scattered(radiance, tau, f, length)[0, 0, 1]


@pytest.mark.parametrize("thickness", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_nothing_of_the_scattered_light_is_lost(thickness, share):
    expected = math.exp(-(1 - share) * thickness) - math.exp(-thickness)
    assert point(thickness, share=share).sum().item() == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("thickness", [0.01, 2.0, 8.0, 20.0])
def test_the_spread_grows_with_the_root_of_the_number_of_scatterings(thickness):
    spread = point(thickness)
    x = torch.arange(201, dtype=torch.float64) - 100
    variance = (spread.sum(0) * x * x).sum() / spread.sum()
    forward = 0.5 * thickness
    times = forward / -math.expm1(-forward)
    of_one = sum((lobe * 60.0) ** 2 for lobe in _LOBES) / 2 / 3
    # Blurs of four widths stand for all, shared between neighbours: the root is met within 15 %.
    assert math.sqrt(variance) == pytest.approx(math.sqrt(times * of_one), rel=0.15)


def test_an_even_scene_stays_even():
    s = scene(v=2, h=40, w=50, depth=30.0, focal=200.0)
    grey = s.with_frames(torch.full_like(s.frames, 0.5))
    haze = Haze(60.0, 0.8, scattering=0.5, linear=False)(grey)
    # The secant of the angle is all that varies.
    tau = -haze.record["haze.transmission"].log()
    expected = 0.5 * torch.exp(-0.5 * tau) + 0.8 * (1 - torch.exp(-0.5 * tau))
    torch.testing.assert_close(haze.frames, expected, rtol=0, atol=2e-3)


def test_infinitely_far_is_the_airlight_and_clear_air_the_identity():
    s = scene(v=2, depth=math.inf)
    out = Haze(100.0, 0.6, scattering=0.6, lamps=4.0)(s).frames
    torch.testing.assert_close(out, torch.full_like(out, 0.6), rtol=0, atol=1e-6)
    s = scene(v=2, depth=20.0)
    out = Haze(math.inf, scattering=0.6, lamps=4.0)(s).frames
    torch.testing.assert_close(out, s.frames, rtol=0, atol=1e-6)


def test_a_lamp_glows():
    s = scene(h=61, w=61, depth=30.0, focal=200.0)
    dark = torch.zeros_like(s.frames)
    dark[..., 30, 30] = 1.0
    glow = [
        Haze(40.0, 0.0, scattering=0.5, lamps=lamps)(s.with_frames(dark)).frames[0, 0, 1]
        for lamps in (1.0, 30.0)
    ]
    assert glow[0][30, 36] > 0
    assert glow[1][30, 36] > glow[0][30, 36] * 3
    ring = [glow[1][30, 30 + r].item() for r in (2, 6, 12, 24)]
    assert ring == sorted(ring, reverse=True)


def test_only_white_pixels_are_lamps():
    radiance = torch.tensor([0.0, 0.5, 0.8, 0.9, 1.0]).expand(1, 1, 3, 1, 5)
    out = brightened(radiance, torch.tensor([5.0]))[0, 0, 0, 0]
    assert out.tolist() == pytest.approx([0.0, 0.5, 0.8, 0.9 * 2.0, 5.0], rel=1e-5)


def test_parameters_for_each_picture_and_batches_are_singles():
    singles = [scene(v=2, h=30, w=33, focal=50.0 + 100 * i, seed=i) for i in range(3)]
    share = torch.tensor([0.0, 0.3, 0.7])
    together = Haze(15.0, scattering=share)(batch_of(singles), 1).frames
    for i, s in enumerate(singles):
        alone = Haze(15.0, scattering=float(share[i]))(s, 1 + i).frames
        torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-5)
