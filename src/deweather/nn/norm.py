"""Layer norm over the channels of a feature map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ChannelLayerNorm(nn.LayerNorm):
    """Normalises every pixel over its channels (NAFNet's `LayerNorm2d`).

    Runs on the channels-last view of the map, where the channels of a pixel are neighbours in
    memory: for a channels-last tensor both permutes are free.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x: (N, C, H, W) -> (N, C, H, W)."""
        y = x.permute(0, 2, 3, 1)
        y = F.layer_norm(y, self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)
