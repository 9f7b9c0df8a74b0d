"""Attention along image rows: where a rectified pair keeps its correspondences."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_COLUMNS = 64
"""Columns of a row that are compared at once where products are plain."""

_SCORES = 1 << 20
"""Scores that are stored at once where they are steep and products are plain."""

_EXPONENT = 40.0
"""Bound of scores within which exponentials and their sums and products stay far from the ends of
float32."""


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


def one_way_row_attention(
    left: Tensor, right: Tensor, left_value: Tensor, right_value: Tensor
) -> tuple[Tensor, Tensor]:
    """Attention along rows where disparities are >= 0: each view reads the other one.

    Left column i sees the right columns j <= i, and right column j the left columns i >= j, both by
    a softmax of the same scores, products of features divided by √C.

    Args:
        left: (B, H, W, C), features of the left view.
        right: (B, H, W, C), features of the right view.
        left_value: (B, H, W, C'), what the left view gives.
        right_value: (B, H, W, C'), what the right view gives.

    Returns:
        What the left and what the right view receives, (B, H, W, C') each.
    """
    exact = left.dtype in (torch.float32, torch.float64)
    if left.is_cpu and exact and not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
        rows = (t.flatten(0, 1) for t in (left, right, left_value, right_value))
        to_left, to_right = _one_way_products(*rows)
        return to_left.view_as(left_value), to_right.view_as(left_value)
    # Rows play the part of heads, so the fused kernel never stores (B, H, W, W).
    to_left = F.scaled_dot_product_attention(left, right, right_value, is_causal=True)
    # Right column j sees left columns i >= j; in mirrored rows these come first.
    query, key, value = right.flip(2), left.flip(2), left_value.flip(2)
    return to_left, F.scaled_dot_product_attention(query, key, value, is_causal=True).flip(2)


def _one_way_products(
    left: Tensor, right: Tensor, left_value: Tensor, right_value: Tensor
) -> tuple[Tensor, Tensor]:
    """`one_way_row_attention` of a few rows (R, W, C) by plain products.

    The fused kernel of CPUs computes the hidden half of the scores, too, and both halves twice.
    """
    width = left.shape[1]
    left = left * left.shape[2] ** -0.5
    largest = torch.linalg.vector_norm(left, dim=2).amax()
    largest = largest * torch.linalg.vector_norm(right, dim=2).amax()
    if not largest < _EXPONENT:
        return _steep_one_way_products(left, right, left_value, right_value)
    # Nothing can overflow, so both softmaxes share their exponentials, and none keeps the others waiting.
    to_left = torch.empty_like(right_value)
    to_right = torch.zeros_like(left_value)
    sums = left.new_zeros(*left.shape[:2], 1)
    # The same memory all along stays in the cache.
    scratch = left.new_empty(left.shape[0] * min(_COLUMNS, width) * width)
    product = left.new_empty(left_value.numel())
    for start in range(0, width, _COLUMNS):
        own = slice(start, start + _COLUMNS)
        seen = slice(start + _COLUMNS)
        columns, others = left[:, own].shape[1], right[:, seen].shape[1]
        risen = scratch[: len(left) * columns * others].view(-1, columns, others)
        torch.bmm(left[:, own], right[:, seen].mT, out=risen).exp_()
        risen[:, :, own].tril_()
        read = torch.bmm(risen, right_value[:, seen], out=_part(product, to_left[:, own]))
        torch.div(read, risen.sum(2, keepdim=True), out=to_left[:, own])
        given = _part(product, to_right[:, seen])
        to_right[:, seen] += torch.bmm(risen.mT, left_value[:, own], out=given)
        sums[:, seen] += risen.sum(1).unsqueeze(2)
    return to_left, to_right.div_(sums)


def _steep_one_way_products(
    left: Tensor, right: Tensor, left_value: Tensor, right_value: Tensor
) -> tuple[Tensor, Tensor]:
    """The same for any scores: (R, W, C), `left` is scaled; a few rows after the other."""
    width = left.shape[1]
    hidden = left.new_full((width, width), -torch.inf).triu(1)
    to_left, to_right = torch.empty_like(right_value), torch.empty_like(left_value)
    step = max(1, _SCORES // width**2)
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        scores = torch.bmm(left[rows], right[rows].mT).add_(hidden)
        torch.bmm(scores.softmax(2), right_value[rows], out=to_left[rows])
        torch.bmm(scores.softmax(1).mT, left_value[rows], out=to_right[rows])
    return to_left, to_right


def _part(memory: Tensor, like: Tensor) -> Tensor:
    """The beginning of flat memory in the shape of another tensor."""
    return memory[: like.numel()].view(like.shape)
