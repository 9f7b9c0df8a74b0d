"""KA-Net's removal block: its random features, its gates, what a fresh one does."""

import math

import pytest
import torch

from deweather.nn.degradation_removal import (
    DegradationRemoval,
    DualAttention,
    FourierFeatures,
    draw_fourier,
)


def test_fourier_features_by_pixel():
    features = FourierFeatures(2, 8, seed=3, redraw=False)
    x = torch.randn(2, 2, 3, 5, generator=torch.Generator().manual_seed(0))
    out = features(x)
    for n, i, j, o in [(0, 0, 0, 0), (1, 2, 4, 7), (1, 1, 3, 2)]:
        angle = features.frequencies[o] @ x[n, :, i, j] + features.phases[o]
        torch.testing.assert_close(out[n, o, i, j], math.sqrt(2 / 8) * torch.cos(angle))


def test_fourier_features_are_normal_and_uniform():
    frequencies, phases = draw_fourier(64, 4096, seed=0)
    assert frequencies.mean().item() == pytest.approx(0, abs=0.01)
    assert frequencies.std().item() == pytest.approx(1, abs=0.01)
    assert frequencies.pow(4).mean().item() == pytest.approx(3, abs=0.1)
    assert 0 <= phases.min() < 0.1
    assert 6.2 < phases.max() < 2 * math.pi
    assert phases.mean().item() == pytest.approx(math.pi, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_fresh_pixel_gate_lets_every_picture_through(seed):
    torch.manual_seed(seed)
    first = DualAttention(16).pixel_gate[0]
    assert all(bool((p >= 0).all()) and bool(p.any()) for p in first.parameters())


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 2)])
def test_the_block_keeps_the_shape_and_reaches_every_parameter(size):
    torch.manual_seed(0)
    block = DegradationRemoval(16, seed=1, redraw=False)
    x = torch.randn(2, 16, *size)
    out = block(x)
    assert out.shape == x.shape
    out.square().sum().backward()
    assert [name for name, p in block.named_parameters() if p.grad is None] == []
