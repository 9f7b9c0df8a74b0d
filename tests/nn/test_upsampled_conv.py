"""Convolution of upsampled maps against upsampling first."""

import pytest
import torch
import torch.nn.functional as F

from deweather.nn.upsampled_conv import upsampled_conv


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 4), (3, 1)])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_as_if_enlarged(kernel, stride, factor):
    torch.manual_seed(0)
    side = 16 // factor
    x = torch.randn(2, 3, side, 2 * side, dtype=torch.float64)
    weight = torch.randn(4, 3, kernel, kernel, dtype=torch.float64)
    upsampled = x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    expected = F.conv2d(upsampled, weight, stride=stride, padding=1)
    torch.testing.assert_close(upsampled_conv(x, weight, factor, stride), expected)
