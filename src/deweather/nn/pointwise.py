"""Linear layers over the channels of every token of a grid, or pixel of a map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TOKENS = 64
"""Least number of tokens that pay for putting the weights into the order that oneDNN wants."""

_MANY = 16
"""Maps from which on `conv2d` takes a quick kernel on one thread, too."""


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Make x Wᵀ + b of every token x, on CPUs as a 1x1 convolution.

    oneDNN, which convolves, uses the widest vectors of every processor; the BLAS that multiplies
    matrices in torch's builds only those of some, and takes twice the time on the others.

    Args:
        x: tokens (N, H, W, C), or (N, L, C), which are multiplied in any case.
        weight: (C', C).
        bias: (C',), or None.

    Returns:
        (N, H, W, C') or (N, L, C').
    """
    if not as_convolution(x):
        return F.linear(x, weight, bias)
    y = convolve_pointwise(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias)
    return y.permute(0, 2, 3, 1)


def as_convolution(x: Tensor) -> bool:
    """Whether `pointwise` convolves these tokens."""
    if _in_graph():  # first of all: what follows would break the graph in two
        return False
    return suits_onednn(x) and x.ndim == 4 and x.numel() >= _TOKENS * x.shape[-1]


def convolve_pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve maps by 1x1 as `conv2d` does, on CPUs always by a quick kernel.

    On one thread `conv2d` takes a slow one for fewer than 16 maps, forwards and backwards.

    Args:
        x: (N, C, H, W), best with channels last.
        weight: (C', C, 1, 1).
        bias: (C',), or None.

    Returns:
        (N, C', H, W).
    """
    if _in_graph() or not suits_onednn(x):
        return F.conv2d(x, weight, bias)
    n, c, h, w = x.shape
    if torch.get_num_threads() > 1 or n >= _MANY or n * h % _MANY:
        return F.conv2d(x, weight, bias)
    # As they lie in memory, a few maps are many lower ones.
    lower = x.permute(0, 2, 3, 1).reshape(_MANY, n * h // _MANY, w, c).permute(0, 3, 1, 2)
    y = F.conv2d(lower, weight, bias)
    return y.permute(0, 2, 3, 1).reshape(n, h, w, -1).permute(0, 3, 1, 2)


def suits_onednn(x: Tensor) -> bool:
    """Whether oneDNN convolves maps of this dtype on this device."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and x.is_cpu and x.dtype == torch.float32


def _in_graph() -> bool:
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


class Pointwise(nn.Linear):
    """A linear layer for tokens in their grid: (N, H, W, C) -> (N, H, W, C')."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every token of (N, H, W, C)."""
        return pointwise(x, self.weight, self.bias)


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution.

    Args:
        before: channels that come in.
        after: channels that go out.
        bias: whether there is one.
    """

    def __init__(self, before: int, after: int, *, bias: bool = True) -> None:
        super().__init__(before, after, 1, bias=bias)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Convolve maps: (N, C, H, W) -> (N, C', H, W).

        Args:
            x: maps.
            scale: C' factors of the result; weights are fewer than pixels, so these are multiplied.
        """
        weight, bias = self.weight, self.bias
        if scale is not None:
            weight = weight * scale.view(-1, 1, 1, 1)
            bias = None if bias is None else bias * scale.flatten()
        return convolve_pointwise(x, weight, bias)
