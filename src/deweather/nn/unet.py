"""A plain U-Net with batch norm and bilinear enlargement (after Ronneberger et al., 1505.04597)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NormedConv(nn.Module):
    """3x3 convolution, batch norm, ReLU.

    Outside of training the norm is folded into the convolution at each call: weights are few beside
    pixels. The convolution has no bias, since the norm would take it away again.

    Args:
        before: channels that come in, all maps together.
        after: channels that go out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, *maps: Tensor) -> Tensor:
        """Convolve what would be the concatenation of maps: (N, C, H, W), … -> (N, C', H, W)."""
        weight, bias, norm = self.conv.weight, None, self.norm
        if not self.training:
            mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
            scale = norm.weight * torch.rsqrt(variance + norm.eps)
            weight = weight * scale.view(-1, 1, 1, 1)
            bias = norm.bias - mean * scale
        # Each map meets its part of the weights: a concatenation would hold the largest maps twice.
        weights = torch.split(weight, [m.shape[1] for m in maps], dim=1)
        y = F.conv2d(maps[0], weights[0], bias, padding=1)
        for m, part in zip(maps[1:], weights[1:], strict=True):
            y.add_(F.conv2d(m, part, padding=1))
        return F.relu(norm(y) if self.training else y, inplace=True)


class DoubleConv(nn.Module):
    """Two normed convolutions; the first may read several maps.

    Args:
        before: channels that come in, all maps together.
        after: channels that go out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = NormedConv(before, after)
        self.second = NormedConv(after, after)

    def forward(self, *maps: Tensor) -> Tensor:
        """(N, C, H, W), … -> (N, C', H, W)."""
        return self.second(self.first(*maps))


class UNet(nn.Module):
    """Four levels down by maxima, four up by bilinear enlargement, skips beside.

    Args:
        width: channels at full resolution; 2, 4, 8 and 8 times as many on the levels below.
        channels: of the result at full resolution.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        down = [width * scale for scale in (1, 2, 4, 8, 8)]
        up = [width * scale for scale in (8, 4, 2, 1, 1)]
        self.encoders = nn.ModuleList(DoubleConv(a, b) for a, b in pairwise([3, *down]))
        self.decoders = nn.ModuleList(
            DoubleConv(skip + a, b)
            for skip, (a, b) in zip(reversed(down[:-1]), pairwise(up), strict=True)
        )
        self.picture = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See pictures: (N, 3, H, W), sides of 16 at least -> what the decoder holds.

        Returns:
            (N, 2 width, ⌊H/4⌋, ⌊W/4⌋), (N, width, ⌊H/2⌋, ⌊W/2⌋) and (N, channels, H, W).
        """
        skips: list[Tensor] = []
        for i, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        x = skips.pop()
        seen = []
        for decoder in self.decoders:
            skip = skips.pop()
            size = (2 * x.shape[-2], 2 * x.shape[-1])
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
            if (
                size != skip.shape[-2:]
            ):  # an odd side lost a pixel on the way down; zeros replace it
                x = F.pad(x, (0, skip.shape[-1] - size[1], 0, skip.shape[-2] - size[0]))
            x = decoder(skip, x)
            seen.append(x)
        return seen[1], seen[2], self.picture(seen[3])
