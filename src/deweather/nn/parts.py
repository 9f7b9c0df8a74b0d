"""Feature maps -> a grid of equal parts of them, as a batch, and back."""

from __future__ import annotations

from torch import Tensor


def cut_parts(x: Tensor, rows: int, columns: int) -> Tensor:
    """Cut maps into a grid of parts, all pictures of a part adjacent.

    (N, C, H, W) -> (rows columns N, C, H / rows, W / columns), channels last in memory.
    """
    if rows == columns == 1:
        return x
    n, _, h, w = x.shape
    parts = x.permute(0, 2, 3, 1).reshape(n, rows, h // rows, columns, w // columns, -1)
    return parts.permute(1, 3, 0, 2, 4, 5).flatten(0, 2).permute(0, 3, 1, 2)


def join_parts(x: Tensor, rows: int, columns: int) -> Tensor:
    """Put the parts of `cut_parts` together again."""
    if rows == columns == 1:
        return x
    n, _, h, w = x.shape
    parts = x.permute(0, 2, 3, 1).reshape(rows, columns, n // (rows * columns), h, w, -1)
    return parts.permute(2, 0, 3, 1, 4, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
