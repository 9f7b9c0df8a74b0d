"""Layer norm over channels."""

import torch

from deweather.nn.norm import ChannelLayerNorm


def test_against_the_definition():
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(2, 5, 3, 4, generator=draws, dtype=torch.float64) * 3 + 1
    norm = ChannelLayerNorm(5, eps=1e-2).double()
    with torch.no_grad():
        norm.weight.copy_(torch.arange(1.0, 6.0))
        norm.bias.copy_(torch.arange(5.0) / 7)
    mean = x.mean(1, keepdim=True)
    variance = x.var(1, correction=0, keepdim=True)
    expected = (x - mean) / (variance + 1e-2).sqrt() * torch.arange(1.0, 6.0).view(1, 5, 1, 1)
    expected = expected + (torch.arange(5.0) / 7).view(1, 5, 1, 1)
    torch.testing.assert_close(norm(x), expected.double())


def test_every_pixel_is_normalised_by_itself():
    x = torch.rand(1, 4, 6, 6)
    y = x.clone()
    y[..., 3:, :] *= 9
    norm = ChannelLayerNorm(4)
    assert torch.equal(norm(x)[..., :3, :], norm(y)[..., :3, :])


def test_flat_pixels_stay_finite():
    assert torch.equal(ChannelLayerNorm(4)(torch.ones(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))


def test_channels_last_memory_is_kept():
    x = torch.rand(2, 8, 5, 7).contiguous(memory_format=torch.channels_last)
    assert ChannelLayerNorm(8)(x).is_contiguous(memory_format=torch.channels_last)
