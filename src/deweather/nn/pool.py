"""Average pooling for channel attention, over the whole map or over a local window.

A network whose channel attention pools the whole map gives a tile another answer than the picture
around it. With a window of fixed size the answer depends on the neighbourhood alone, so tiles agree
with the whole once they overlap by more than the windows reach (the idea of test-time local
converters, Chu et al., arXiv 2112.04491; the cell grid below is our own, because it stays cheap at
any window size).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class AveragePool(nn.Module):
    """Means of a feature map for channel attention: (N, C, H, W) -> (N, C, h, w).

    Args:
        window: side of the averaging window in pixels of this map; None averages the whole map
            and gives h = w = 1. A window is rounded to an odd number of cells, so that it has a
            centre; outside the map nothing is counted.
        cell: side of the grid cells in pixels of this map. H and W are multiples of it. Tiles agree
            with the whole picture only if they start on this grid.
    """

    def __init__(self, window: int | None, cell: int) -> None:
        super().__init__()
        self.window = window
        self.cell = cell

    @property
    def reach(self) -> int:
        """Cells to each side of the middle one that a window covers."""
        return 0 if self.window is None else self.window // (2 * self.cell)

    def forward(self, x: Tensor) -> Tensor:
        """Average x: (N, C, H, W) -> (N, C, 1, 1), or (N, C, H / cell, W / cell) with a window."""
        if self.window is None:
            return x.mean((2, 3), keepdim=True)
        cells = F.avg_pool2d(x, self.cell) if self.cell > 1 else x
        side = 2 * self.reach + 1
        return F.avg_pool2d(cells, side, stride=1, padding=self.reach, count_include_pad=False)


def upsample_like(attention: Tensor, like: Tensor) -> Tensor:
    """Bring pooled attention (N, C, h, w) to the size of the map `like` (N, C', H, W).

    A single cell stays (N, C, 1, 1) and broadcasts; a grid is interpolated between cell centres.
    """
    if attention.shape[-2:] == (1, 1) or attention.shape[-2:] == like.shape[-2:]:
        return attention
    size = (like.shape[-2], like.shape[-1])
    return F.interpolate(attention, size=size, mode="bilinear", align_corners=False)
