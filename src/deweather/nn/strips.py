"""Horizontal strips of large maps."""

from __future__ import annotations

import torch
from torch import Tensor

_STRIP = {"cpu": 1 << 19, "other": 1 << 27}
"""Numbers of a feature map that are worked on at once when nothing is kept for gradients: on a CPU what
its cache holds, elsewhere what keeps the device busy."""


def split_rows(x: Tensor) -> tuple[Tensor, ...]:
    """Strips of tokens (N, H, W, C) that are worked on at once."""
    limit = _STRIP.get(x.device.type, _STRIP["other"])
    return torch.split(x, max(8, limit // (x.numel() // x.shape[1])), dim=1)
