"""Small stacks of convolutions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNormReLU(nn.Sequential):
    """Convolution that keeps the size, batch norm, ReLU: (N, C, H, W) -> (N, C', H, W).

    Args:
        before: C.
        after: C'.
        kernel: odd side of the convolution's kernel.
        dilation: distance in pixels of the kernel's taps.
    """

    def __init__(self, before: int, after: int, kernel: int, dilation: int = 1) -> None:
        pad = kernel // 2 * dilation
        super().__init__(
            nn.Conv2d(before, after, kernel, padding=pad, dilation=dilation),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )


class ResidualUnit(nn.Module):
    """x + conv(ReLU(conv(x))), both 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Refine x: (N, C, H, W) -> (N, C, H, W)."""
        return x + self.conv2(F.relu(self.conv1(x)))
