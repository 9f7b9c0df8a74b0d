"""The basic block of NAFNet (Chen et al., "Simple Baselines for Image Restoration", 2204.04676)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deweather.nn.norm import ChannelLayerNorm
from deweather.nn.pointwise import PointwiseConv2d
from deweather.nn.pool import AveragePool, upsample_like


def simple_gate(x: Tensor) -> Tensor:
    """Multiply the two halves of the channels: (N, 2C, H, W) -> (N, C, H, W)."""
    a, b = x.chunk(2, dim=1)
    return a * b


class NAFBlock(nn.Module):
    """Depthwise mixing with simplified channel attention, then a gated channel MLP.

    Both halves are residual with a zero-initialised scale per channel, so a new block is the
    identity.

    Args:
        channels: C of the feature map.
        pool: how the channel attention averages the map.
    """

    def __init__(self, channels: int, pool: AveragePool) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels)
        self.expand = PointwiseConv2d(channels, 2 * channels)
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.pool = pool
        self.attention = PointwiseConv2d(channels, channels)
        self.project = PointwiseConv2d(channels, channels)
        self.norm2 = ChannelLayerNorm(channels)
        self.mlp_in = PointwiseConv2d(channels, 2 * channels)
        self.mlp_out = PointwiseConv2d(channels, channels)
        self.scale1 = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale2 = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Refine x: (N, C, H, W) -> (N, C, H, W)."""
        y = simple_gate(self.depthwise(self.expand(self.norm1(x))))
        y = y * upsample_like(self.attention(self.pool(y)), y)
        x = x + self.project(y, self.scale1)
        y = simple_gate(self.mlp_in(self.norm2(x)))
        return x + self.mlp_out(y, self.scale2)
