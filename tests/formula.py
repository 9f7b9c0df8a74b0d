"""Pictures by formula, so that published figures about them can be checked on any machine."""

from __future__ import annotations

import torch
from torch import Tensor


def image(batch: int, channels: int, height: int, width: int, shift: int = 0) -> Tensor:
    """Two sine waves inside [0, 1], (B, C, H, W), float64."""
    axes = [torch.arange(n, dtype=torch.float64) for n in (batch, channels, height, width)]
    b, ch, y, x = torch.meshgrid(*axes, indexing="ij")
    x = x + shift
    slow = torch.sin(0.05 * (x * (ch + 1) + (b + 1) * y * 0.7) + 0.3 * ch)
    return 0.5 + 0.35 * slow + 0.15 * torch.sin(0.9 * x - 0.61 * y + 1.7 * ch + b)
