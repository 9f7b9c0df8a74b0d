"""The U-Net: folded norms, sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deweather.nn.unet import NormedConv, UNet


def unsettled(module):
    """Batch norms with statistics and weights other than those of a fresh one."""
    draws = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                tensor.data = 0.5 + torch.rand(tensor.shape, generator=draws)
    return module.double()


@pytest.mark.parametrize("training", [False, True])
def test_folded_or_not_against_the_definition(training):
    torch.manual_seed(0)
    layer = unsettled(NormedConv(5, 4)).train(training)
    a, b = (torch.randn(2, n, 6, 7, dtype=torch.float64) for n in (2, 3))
    expected = F.relu(layer.norm(layer.conv(torch.cat([a, b], 1))))
    torch.testing.assert_close(layer(a, b), expected)


def test_training_moves_the_statistics_and_evaluation_does_not():
    layer = NormedConv(2, 3)
    x = torch.rand(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    layer(x)
    assert layer.norm.num_batches_tracked == 1
    moved = layer.norm.running_mean.clone()
    layer.eval()(x)
    assert moved.any()
    assert torch.equal(layer.norm.running_mean, moved)


@pytest.mark.parametrize(("h", "w"), [(16, 16), (28, 44), (31, 17)])
def test_sizes_of_what_is_seen(h, w):
    quarter, half, full = UNet(2, 5).eval()(torch.zeros(2, 3, h, w))
    assert quarter.shape == (2, 4, h // 4, w // 4)
    assert half.shape == (2, 2, h // 2, w // 2)
    assert full.shape == (2, 5, h, w)
