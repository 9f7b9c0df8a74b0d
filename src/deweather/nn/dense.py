"""Dilated residual dense block: every layer reads all maps before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LAYERS = 5


class DilatedDenseBlock(nn.Module):
    """Five dilated 3x3 convolutions, each reading the input and all layers before it.

    A 1x1 convolution over everything and a ReLU make what is added to the input.

    The convolutions hold their weights as they are defined, over the concatenated maps. They are
    evaluated the other way round: a finished map is sent at once to all layers that will read it, and
    what arrives there is summed. Nothing is ever concatenated, and the few wide convolutions have
    channels that kernels like, whatever the number of channels of the input.

    Args:
        channels: C of the input.
        growth: channels of each layer.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.growth = growth
        self.layers = nn.ModuleList(
            nn.Conv2d(channels + i * growth, growth, 3, padding=2, dilation=2)
            for i in range(_LAYERS)
        )
        self.fuse = nn.Conv2d(channels + _LAYERS * growth, channels, 1)

    def _to_later(self, layer: int, start: int, stop: int) -> Tensor:
        """Weights from input channels [start, stop) to `layer` and all after it, in one tensor."""
        return torch.cat(
            [later.get_parameter("weight")[:, start:stop] for later in list(self.layers)[layer:]]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine x: (N, C, H, W) -> (N, C, H, W)."""
        g, stop = self.growth, x.shape[1]
        bias = torch.cat([layer.get_parameter("bias") for layer in self.layers])
        sums = F.conv2d(x, self._to_later(0, 0, stop), bias, padding=2, dilation=2)
        out = F.conv2d(x, self.fuse.weight[:, :stop], self.fuse.bias)
        for i in range(_LAYERS):
            start, stop = stop, stop + g
            y = F.relu(sums[:, i * g : (i + 1) * g])
            out.add_(F.conv2d(y, self.fuse.weight[:, start:stop]))
            if i + 1 < _LAYERS:
                weight = self._to_later(i + 1, start, stop)
                sums[:, (i + 1) * g :].add_(F.conv2d(y, weight, padding=2, dilation=2))
        return F.relu(out, inplace=True) + x
