"""A map in chunks of rows -> the same chunks after channel attention.

What `AveragePool`, a 1x1 convolution and `upsample_like` do to a whole map, for inference: a chunk is
averaged while the cache holds it, and the factors of its pixels are made when it is multiplied.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.nn.pointwise import pointwise
from deweather.nn.pool import AveragePool


class ChunkedAttention(Protocol):
    """Is given all chunks of a map (1, C, H, W), then multiplies each.

    `top` is the first row of a chunk (1, C, rows, W) in the map.
    """

    def add(self, chunk: Tensor, top: int) -> None:
        """Count a chunk in."""

    def finish(self, attention: nn.Conv2d) -> None:
        """Make factors of the averages, after all chunks."""

    def attend(self, chunk: Tensor, top: int) -> Tensor:
        """Multiply a chunk by its factors, into new memory."""


def chunked_attention(pool: AveragePool, like: Tensor) -> ChunkedAttention:
    """Attention to a map of the size of `like` (1, C, H, W) that is averaged as by `pool`."""
    if pool.window is None:
        return _GlobalAttention(like)
    return _WindowAttention(like, pool.cell, pool.reach)


class _GlobalAttention:
    """One factor for each channel."""

    def __init__(self, like: Tensor) -> None:
        self.factors = like.new_zeros(1, like.shape[1], 1, 1)
        self.pixels = like.shape[2] * like.shape[3]

    def add(self, chunk: Tensor, top: int) -> None:
        self.factors += chunk.sum((2, 3), keepdim=True)

    def finish(self, attention: nn.Conv2d) -> None:
        self.factors = attention(self.factors / self.pixels)

    def attend(self, chunk: Tensor, top: int) -> Tensor:
        return chunk * self.factors


class _WindowAttention:
    """One factor for each channel and cell, interpolated between the centres of cells.

    Args:
        like: (1, C, H, W).
        cell: side in pixels; chunks begin and end where cells do.
        reach: of a window, in cells to each side of the middle one.
    """

    def __init__(self, like: Tensor, cell: int, reach: int) -> None:
        _, channels, height, width = like.shape
        self.cell, self.reach = cell, reach
        self.sums = like.new_empty(height // cell, width // cell, channels)
        self.rows = like.new_empty(0)  # of factors, once they are known: (cells along H + 2, W C)
        step = torch.arange(cell, device=like.device, dtype=like.dtype)
        self.shares = ((step if cell % 2 else step + 0.5) / cell)[:, None]

    def add(self, chunk: Tensor, top: int) -> None:
        cell, (_, channels, rows, width) = self.cell, chunk.shape
        sums = chunk.permute(0, 2, 3, 1).reshape(-1, cell, width * channels).sum(1)
        sums = sums.view(-1, width // cell, cell, channels).sum(2)
        self.sums[top // cell : (top + rows) // cell] = sums

    def finish(self, attention: nn.Conv2d) -> None:
        height, width, _ = self.sums.shape
        down, across = self._averaging(height), self._averaging(width)
        means = across @ (down @ self.sums.flatten(1)).view(1, *self.sums.shape)
        factors = pointwise(means, attention.weight[:, :, 0, 0], attention.bias)
        size = (height, width * self.cell)
        factors = factors.permute(0, 3, 1, 2)
        factors = F.interpolate(factors, size, mode="bilinear", align_corners=False)
        rows = factors.permute(0, 2, 3, 1).reshape(height, -1)
        self.rows = torch.cat([rows[:1], rows, rows[-1:]])

    def attend(self, chunk: Tensor, top: int) -> Tensor:
        _, channels, rows, width = chunk.shape
        first, stop = top // self.cell, (top + rows) // self.cell + 1
        above, below = self.rows[first:stop, None], self.rows[first + 1 : stop + 1, None]
        factors = torch.lerp(above, below, self.shares).view(1, -1, width, channels)
        # They begin at the centre of the cells above the chunk.
        skipped = (self.cell + 1) // 2
        return factors[:, skipped : skipped + rows].permute(0, 3, 1, 2).mul_(chunk)

    def _averaging(self, count: int) -> Tensor:
        """(count, count): makes averages over windows of sums of cells along an axis.

        A product with it is quicker than average pooling of a map with channels last.
        """
        unit = torch.eye(count, device=self.sums.device, dtype=self.sums.dtype)[None]
        side = 2 * self.reach + 1
        means = F.avg_pool1d(unit, side, 1, self.reach, count_include_pad=False)
        return means[0].mT / self.cell
