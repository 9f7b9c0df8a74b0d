"""Losses of a picture alone: closed forms, brute force, properties."""

import pytest
import torch

from deweather.errors import ConfigError, FramesError
from deweather.losses import dark_channel_loss, total_variation, total_variation_squared


def picture(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_total_variation_of_a_ramp_is_its_slope():
    ramp = torch.arange(8, dtype=torch.float64).mul(0.05).expand(2, 3, 6, 8)
    assert total_variation(ramp).item() == pytest.approx(0.05, abs=1e-12)
    assert total_variation_squared(ramp).item() == pytest.approx(2 * 0.05**2, abs=1e-12)
    steeper = ramp + 0.1 * torch.arange(6, dtype=torch.float64)[:, None]
    assert total_variation(steeper).item() == pytest.approx(0.15, abs=1e-12)
    assert total_variation_squared(steeper).item() == pytest.approx(0.025, abs=1e-12)


@pytest.mark.parametrize("shape", [(3, 1, 5), (3, 5, 1), (4, 4), (3, 0, 4)])
def test_total_variation_needs_neighbours(shape):
    for loss in (total_variation, total_variation_squared):
        with pytest.raises(FramesError):
            loss(torch.zeros(shape))


def brute_force(x, window, channels):
    """Least value of three channels in the window around each pixel, by definition."""
    half, (h, w) = window // 2, x.shape[-2:]
    total = 0.0
    for c in channels:
        for i in range(h):
            for j in range(w):
                top, left = max(i - half, 0), max(j - half, 0)
                total += 1 - x[c : c + 3, top : i + half + 1, left : j + half + 1].min().item()
    return -total / (len(channels) * h * w)


@pytest.mark.parametrize("window", [1, 3, 7, 35])
def test_dark_channel_by_its_definition(window):
    x = picture(6, 7, 9)
    mixed = dark_channel_loss(x, window, across_views=True).item()
    assert dark_channel_loss(x, window).item() == pytest.approx(brute_force(x, window, (0, 3)))
    assert mixed == pytest.approx(brute_force(x, window, range(4)))
    assert dark_channel_loss(x.unflatten(0, (2, 3)), window, across_views=True) != mixed


def test_dark_channel_is_least_where_some_colour_is_black():
    x = picture(2, 3, 12, 12)
    hazy = x * 0.4 + 0.6
    x[:, 0] = 0
    assert dark_channel_loss(x).item() == -1
    assert dark_channel_loss(hazy) > -0.4 - 1e-12


def test_dark_channel_gradient_falls_on_the_darkest():
    x = picture(1, 3, 5, 5).requires_grad_()
    dark_channel_loss(x).backward()  # every window holds the whole picture
    assert x.grad.count_nonzero() == 1
    assert x.grad.flatten()[x.argmin()].item() == pytest.approx(1)


def test_dark_channel_refuses_what_it_cannot_mean():
    for window in (0, -3, 4):
        with pytest.raises(ConfigError, match=str(window)):
            dark_channel_loss(picture(3, 5, 5), window)
    with pytest.raises(FramesError, match="multiple of 3"):
        dark_channel_loss(picture(4, 5, 5))
