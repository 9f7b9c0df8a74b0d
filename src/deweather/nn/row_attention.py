"""Attention along image rows: where a rectified pair keeps its correspondences."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def row_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None
) -> Tensor:
    """Carry `value` onto the grid of `query`, each row attending to the same row.

    softmax(scale Q Kᵀ) V for every row by the fused kernel, so the (N, H, W, W) map never exists:
    memory grows with W, time with W².

    Args:
        query: (N, C, H, W), features of the view that receives.
        key: (N, C, H, W'), features of the view that gives.
        value: (N, C', H, W'), what is carried.
        scale: factor of the scores; None is 1 / √C.

    Returns:
        (N, C', H, W).
    """
    n, _, h, w = query.shape
    q, k, v = (
        t.permute(0, 2, 3, 1).reshape(n * h, 1, t.shape[3], t.shape[1]) for t in (query, key, value)
    )
    out = F.scaled_dot_product_attention(q, k, v, scale=scale)
    return out.reshape(n, h, w, value.shape[1]).permute(0, 3, 1, 2)
