"""A decoder's map and the encoder's of its size -> their sum, weighed channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SkipGate(nn.Module):
    """Adds to a decoder map a mixture of itself and the skip, chosen per channel.

    Args:
        channels: C of both maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 8, 4)
        self.skip = nn.Conv2d(channels, channels, 1)
        self.choose = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, 2 * channels, 1, bias=False),
        )

    def forward(self, y: Tensor, skip: Tensor) -> Tensor:
        """(N, C, H, W), twice -> (N, C, H, W)."""
        skip = self.skip(skip)
        scores = self.choose((y + skip).mean((2, 3), keepdim=True))
        own, other = scores.unflatten(1, (2, -1)).softmax(1).unbind(1)
        return torch.addcmul(y * (1 + own), skip, other)
