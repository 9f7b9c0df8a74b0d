"""Linear layers over the channels of every token of a grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TOKENS = 64
"""Least number of tokens that pay for putting the weights into the order that oneDNN wants."""


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
    return F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)


def as_convolution(x: Tensor) -> bool:
    """Whether `pointwise` convolves these tokens."""
    if torch.compiler.is_compiling():  # first of all: what follows would break the graph in two
        return False
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    suited = available and x.is_cpu and x.dtype == torch.float32 and x.ndim == 4
    return suited and x.numel() >= _TOKENS * x.shape[-1]


class Pointwise(nn.Linear):
    """A linear layer for tokens in their grid: (N, H, W, C) -> (N, H, W, C')."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every token of (N, H, W, C)."""
        return pointwise(x, self.weight, self.bias)
