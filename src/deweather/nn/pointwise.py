"""Linear layers over the channels of every token of a grid, or pixel of a map."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TOKENS = 64
"""Least number of tokens that pay for putting the weights into the order that oneDNN wants."""

_PLACES = ([0, 0], [1, 1], [1, 1], 1)
"""Padding, stride, dilation and groups of a 1x1 convolution."""


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
    convolve = F.conv2d if torch.is_grad_enabled() else convolve_pointwise  # it has no gradients
    return convolve(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)


def as_convolution(x: Tensor) -> bool:
    """Whether `pointwise` convolves these tokens."""
    if torch.compiler.is_compiling():  # first of all: what follows would break the graph in two
        return False
    return _has_onednn(x) and x.ndim == 4 and x.numel() >= _TOKENS * x.shape[-1]


def convolve_pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve maps by 1x1, without gradients.

    `conv2d` takes a slow kernel if it has one thread and fewer than 16 maps.

    Args:
        x: (N, C, H, W), channels last.
        weight: (C', C, 1, 1).
        bias: (C',), or None.

    Returns:
        (N, C', H, W).
    """
    if _has_onednn(x):
        return torch.mkldnn_convolution(x, weight, bias, *_PLACES)
    return F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


def add_pointwise_(total: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Add a 1x1 convolution to maps in place, without gradients.

    Args:
        total: (N, C', H, W), channels last.
        x: (N, C, H, W), channels last.
        weight: (C', C, 1, 1).
        bias: (C',).
    """
    if _has_onednn(x):
        # What torch's own compiler gives its graphs for CPUs: the sum is made while in registers.
        operators: Any = torch.ops.mkldnn
        add = operators._convolution_pointwise_.binary
        add(total, x, weight, bias, *_PLACES, "add", 1.0, None, [], None)
    else:
        total += convolve_pointwise(x, weight, bias)


def _has_onednn(x: Tensor) -> bool:
    """Whether oneDNN convolves maps of this dtype on this device."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and x.is_cpu and x.dtype == torch.float32


class Pointwise(nn.Linear):
    """A linear layer for tokens in their grid: (N, H, W, C) -> (N, H, W, C')."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every token of (N, H, W, C)."""
        return pointwise(x, self.weight, self.bias)
