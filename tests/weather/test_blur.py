"""Blurs: moments of their kernels."""

import math

import pytest
import torch

from deweather.weather.blur import convolve, disc_kernel, line_kernel, wide_blur

from .test_splat import moments


@pytest.mark.parametrize("sigma", [0.6, 2.0, 4.0, 4.1, 9.0, 17.0])
@pytest.mark.parametrize("at", [(100, 100), (97, 110)])
def test_a_point_becomes_a_gaussian_of_its_width(sigma, at):
    spot = torch.zeros(1, 1, 201, 223, dtype=torch.float64)
    spot[0, 0, at[0], at[1]] = 1
    total, cx, cy, vx, vy = moments(wide_blur(spot, sigma)[0, 0])
    assert total == pytest.approx(1, rel=1e-3)
    assert (cx, cy) == pytest.approx((at[1], at[0]), abs=1e-6)
    assert math.sqrt(vx) == pytest.approx(sigma, rel=0.06)
    assert math.sqrt(vy) == pytest.approx(sigma, rel=0.06)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 30.0, 400.0])
@pytest.mark.parametrize("size", [(1, 1), (9, 33)])
def test_flat_maps_stay_flat(sigma, size):
    flat = torch.full((2, 3, *size), 0.3)
    torch.testing.assert_close(wide_blur(flat, sigma), flat)


@pytest.mark.parametrize("radius", [1.5, 4.0, 7.3])
def test_a_disc_has_the_variance_of_a_disc(radius):
    kernel = disc_kernel(radius)
    total, _, _, vx, vy = moments(kernel)
    assert total == pytest.approx(1)
    assert vx == pytest.approx(radius**2 / 4, rel=0.12)
    assert vy == pytest.approx(vx)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 135.0])
@pytest.mark.parametrize("length", [3.0, 9.0])
def test_a_line_has_length_and_direction(angle, length):
    kernel = line_kernel(length, angle)
    total, cx, cy, vx, vy = moments(kernel)
    assert total == pytest.approx(1)
    assert (cx, cy) == pytest.approx((kernel.shape[1] // 2,) * 2, abs=1e-6)
    # Sharing points among pixels adds at most a quarter of a pixel² per axis.
    assert vx + vy == pytest.approx(length**2 / 12, abs=0.51)
    y, x = torch.meshgrid(*[torch.arange(len(kernel)) - len(kernel) // 2] * 2, indexing="ij")
    together = (kernel * x * y).sum().item()
    slope = math.sin(2 * math.radians(angle)) / 2 * length**2 / 12
    assert together == pytest.approx(slope, abs=0.05 * length**2 / 12 + 0.02)


def test_convolving_with_a_line_moves_nothing_and_keeps_flat_maps():
    flat = torch.full((1, 3, 8, 9), 0.4)
    torch.testing.assert_close(convolve(flat, line_kernel(5.0, 20.0)), flat)
    spot = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    spot[..., 20, 17] = 1
    _, cx, cy, *_ = moments(convolve(spot, disc_kernel(3.0))[0, 0])
    assert (cx, cy) == pytest.approx((17, 20), abs=1e-9)
