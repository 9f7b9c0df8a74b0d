"""The two pictures that the reference figures of the metrics are about."""

from __future__ import annotations

import torch
from torch import Tensor

from ..formula import image


def restored_and_clean(batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """A picture by formula and the same under ripples, (B, 1, 3, H, W), float64; some leave [0, 1]."""
    clean = image(batch, 3, height, width)
    axes = (torch.arange(n, dtype=torch.float64) for n in (3, height, width))
    ch, y, x = torch.meshgrid(*axes, indexing="ij")
    return (clean + 0.08 * torch.sin(0.7 * x + 1.1 * y + ch) + 0.02)[:, None], clean[:, None]
