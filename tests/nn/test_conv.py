"""Small stacks of convolutions against what they are made of."""

import pytest
import torch
import torch.nn.functional as F

from deweather.nn.conv import ConvNormReLU, ResidualUnit


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 5)])
def test_conv_norm_relu_keeps_the_size(kernel, dilation):
    torch.manual_seed(0)
    layer = ConvNormReLU(3, 4, kernel, dilation).eval()
    layer[1].running_mean.normal_()
    layer[1].running_var.uniform_(0.5, 2)
    x = torch.randn(2, 3, 7, 6)
    y = F.conv2d(x, layer[0].weight, layer[0].bias, padding="same", dilation=dilation)
    mean, var = (t[:, None, None] for t in (layer[1].running_mean, layer[1].running_var))
    torch.testing.assert_close(layer(x), ((y - mean) / (var + 1e-5).sqrt()).clamp(min=0))


def test_residual_unit_adds_two_convolutions():
    torch.manual_seed(0)
    unit = ResidualUnit(3)
    x = torch.randn(1, 3, 5, 4)
    inner = F.conv2d(x, unit.conv1.weight, unit.conv1.bias, padding=1).clamp(min=0)
    outer = F.conv2d(inner, unit.conv2.weight, unit.conv2.bias, padding=1)
    torch.testing.assert_close(unit(x), x + outer)
