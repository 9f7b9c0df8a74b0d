"""Convolution of a feature map upsampled by nearest neighbour, without copies of pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def upsampled_conv(x: Tensor, weight: Tensor, factor: int, stride: int) -> Tensor:
    """Upsample a map by nearest neighbour and convolve it, without making the upsampled map.

    Taps that fall on copies of one pixel are summed before they are applied.

    Args:
        x: (N, C, h, w), to be read as (N, C, factor h, factor w).
        weight: (C', C, k, k), applied with zero padding of 1.
        factor: how many copies of a pixel stand in a row, a power of two.
        stride: of the convolution, a power of two.

    Returns:
        (N, C', factor h / stride, factor w / stride).
    """
    if factor > stride:  # neighbouring results would need other sums
        x = F.interpolate(x, scale_factor=factor // stride, mode="nearest")
        factor = stride
    pixels = [(tap - 1) // factor for tap in range(weight.shape[-1])]
    for axis in (2, 3):
        taps = [
            weight.narrow(axis, pixels.index(p), pixels.count(p)).sum(axis)
            for p in sorted(set(pixels))
        ]
        weight = torch.stack(taps, axis)
    out = F.conv2d(x, weight, stride=stride // factor, padding=1)
    rows, columns = (n * factor // stride for n in x.shape[-2:])
    return out[..., :rows, :columns]
