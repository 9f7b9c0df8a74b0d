"""Chunks of a large feature map along its height, small enough for the cache."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_LIMIT = {"cpu": 1 << 19, "other": 1 << 27}
"""Numbers of a feature map that are worked on at once when nothing is kept for gradients: on a CPU what
its cache holds, elsewhere what keeps the device busy."""


def chunk_rows(x: Tensor) -> tuple[Tensor, ...]:
    """Split tokens (N, H, W, C) along H into chunks that are worked on at once, 8 rows at least."""
    limit = _LIMIT.get(x.device.type, _LIMIT["other"])
    return torch.split(x, max(8, limit // (x.numel() // x.shape[1])), dim=1)


def row_chunks(x: Tensor, multiple: int) -> Iterator[tuple[int, int]]:
    """First row, and row after the last, of chunks of a map (1, C, H, W), about equally high.

    Args:
        x: what is worked on, or something like it.
        multiple: of rows that every chunk has, but for the last one.
    """
    height = x.shape[2]
    limit = _LIMIT.get(x.device.type, _LIMIT["other"])
    most = max(limit * height // x.numel() // multiple, 1) * multiple
    count = -(-height // most)
    rows = -(-height // (count * multiple)) * multiple
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
