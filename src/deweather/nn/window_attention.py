"""Attention inside square windows, with a bias made from the distances between pixels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 8
"""Side of a window in pixels."""

_CACHED_SCORES = 1 << 18
"""Scores that fit into the cache of a CPU core, 1 MiB in float32."""

_LOGARITHMS = (
    0.0,
    0.6931471824645996,
    1.0986123085021973,
    1.3862943649291992,
    1.6094379425048828,
    1.7917594909667969,
    1.9459102153778076,
    2.079441547393799,
)
"""ln(1 + n) in float32 for n = 0 … 7, as DCMPNet's weights were trained with. Written out because one
of them (n = 6) is not the nearest float32, and libraries differ in that place."""


def offsets() -> tuple[Tensor, Tensor]:
    """The distances that occur between two pixels of a window, and where each pair finds its own.

    Returns:
        (225, 2) rows and columns from -7 to 7 as sign(n) ln(1 + |n|), in float32; and (64, 64),
        for pixels i and j in row-major order, the row of that table which holds i - j.
    """
    reach = WINDOW - 1
    logarithms = torch.tensor(_LOGARITHMS, dtype=torch.float32)
    axis = torch.cat([-logarithms[1:].flip(0), logarithms])
    table = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).flatten(0, 1)
    side = torch.arange(WINDOW)
    row, column = side.repeat_interleave(WINDOW), side.repeat(WINDOW)
    rows = row[:, None] - row[None, :] + reach
    columns = column[:, None] - column[None, :] + reach
    return table, rows * len(axis) + columns


class DistanceBias(nn.Module):
    """What is added to the scores of a window's 64 x 64 pairs of pixels: an MLP of their distance.

    Only 225 distances occur, so the MLP runs on these and not on 4096 pairs. Its second layer has no
    bias: a constant per head would cancel in the softmax.

    Args:
        heads: of the attention.
        hidden: width of the MLP.
    """

    table: Tensor
    index: Tensor

    def __init__(self, heads: int, hidden: int) -> None:
        super().__init__()
        table, index = offsets()
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("index", index, persistent=False)
        self.hidden = nn.Linear(2, hidden)
        self.score = nn.Linear(hidden, heads, bias=False)

    def forward(self) -> Tensor:
        """The bias: (1, heads, 64, 64)."""
        table = self.table.to(self.hidden.weight.dtype)
        scores = self.score(F.relu(self.hidden(table)))
        return scores[self.index].permute(2, 0, 1)[None]


def window_attention(qkv: Tensor, bias: Tensor, shifted: bool) -> Tensor:
    """Attention of every pixel to the 8x8 window that it lies in; scores are never all in memory.

    The map is extended to whole windows by mirroring: to the right and downwards or, if shifted, by
    half a window to the left and upwards first, so that the windows lie across the borders of
    unshifted ones. Nothing is rolled around and nothing is masked.

    Args:
        qkv: (N, 3C, H, W), queries, keys and values; H and W at least 7.
        bias: (1, heads, 64, 64), added to the scores.
        shifted: where the windows lie.

    Returns:
        (N, C, H, W).

    Raises:
        RuntimeError: by torch, if a side below 7 is too short to mirror what is missing.
    """
    n, channels, h, w = qkv.shape
    heads, channels = bias.shape[1], channels // 3
    first = WINDOW // 2 if shifted else 0
    below, right = (-(h + first)) % WINDOW, (-(w + first)) % WINDOW
    if first or below or right:
        qkv = F.pad(qkv, (first, right, first, below), mode="reflect")
    rows, columns = (h + first + below) // WINDOW, (w + first + right) // WINDOW
    grid = (n, rows, WINDOW, columns, WINDOW, 3, heads, channels // heads)
    tokens = qkv.permute(0, 2, 3, 1).reshape(grid).transpose(2, 3)
    if _in_portions(qkv):
        out = qkv.new_empty(n, rows * WINDOW, columns * WINDOW, channels)
        for row in range(rows):
            strip = slice(row * WINDOW, (row + 1) * WINDOW)
            out[:, strip] = _attend(tokens[:, row : row + 1], bias, _products)
    else:
        out = _attend(tokens, bias, F.scaled_dot_product_attention)
    return out.permute(0, 3, 1, 2)[:, :, first : first + h, first : first + w]


def _in_portions(x: Tensor) -> bool:
    """Whether plain products, one row of windows after the other, beat the fused kernel.

    With so few tokens and channels the fused kernel of CPUs takes twice their time. It is kept for
    gradients, for graphs, where the loop would be written out, and for short dtypes, in which it sums
    with care.
    """
    exact = x.dtype in (torch.float32, torch.float64)
    return x.is_cpu and exact and not (torch.is_grad_enabled() or torch.compiler.is_compiling())


def _attend(tokens: Tensor, bias: Tensor, kernel: Callable[..., Tensor]) -> Tensor:
    """(N, rows, columns, 8, 8, 3, heads, c) -> what all heads find, (N, 8 rows, 8 columns, C)."""
    n, rows, columns, _, _, _, heads, c = tokens.shape
    windows = tokens.reshape(-1, WINDOW * WINDOW, 3, heads, c)
    q, k, v = (t.transpose(1, 2) for t in windows.unbind(2))  # (windows, heads, 64, c)
    out = kernel(q, k, v, attn_mask=bias.to(q.dtype)).transpose(1, 2)
    out = out.reshape(n, rows, columns, WINDOW, WINDOW, heads * c).transpose(2, 3)
    return out.reshape(n, rows * WINDOW, columns * WINDOW, heads * c)


def _products(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √c + mask) V, over as many windows at once as the cache holds the scores of."""
    query = query * query.shape[-1] ** -0.5
    windows = max(_CACHED_SCORES // attn_mask.numel(), 1)
    parts = zip(*(torch.split(t, windows) for t in (query, key, value)), strict=True)
    return torch.cat([(q @ k.mT).add_(attn_mask).softmax(-1) @ v for q, k, v in parts])
