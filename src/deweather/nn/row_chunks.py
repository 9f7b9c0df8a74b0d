"""Chunks of a large feature map along its height, small enough for the cache."""

from __future__ import annotations

import torch
from torch import Tensor

_LIMIT = {"cpu": 1 << 19, "other": 1 << 27}
"""Numbers of a feature map that are worked on at once when nothing is kept for gradients: on a CPU what
its cache holds, elsewhere what keeps the device busy."""


def chunk_rows(x: Tensor) -> tuple[Tensor, ...]:
    """Split tokens (N, H, W, C) along H into chunks that are worked on at once, 8 rows at least."""
    limit = _LIMIT.get(x.device.type, _LIMIT["other"])
    return torch.split(x, max(8, limit // (x.numel() // x.shape[1])), dim=1)
