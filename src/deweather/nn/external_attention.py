"""Attention of pixels to a learned memory, after Guo et al., arXiv 2105.02358."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deweather.nn.pointwise import pointwise
from deweather.nn.row_chunks import chunk_rows

_EXPONENT = 40.0
"""Bound of scores within which exponentials and their sums stay far from the ends of float32."""

_ROUNDING = 2.0**-24
"""What float32 rounds features of the size of 1 by."""


class ExternalAttention(nn.Module):
    """Attention of pixels to a small learned memory instead of to each other (arXiv 2105.02358).

    The weights of each slot are a softmax over all pixels, then divided by their sum over the slots.
    Residual, on normalised tokens; the zero-initialised scale makes a new one the identity.

    Args:
        channels: C of the tokens.
        slots: S, entries of the memory.
        epsilon: added to the sum over the slots.
    """

    def __init__(self, channels: int, slots: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.norm = nn.LayerNorm(channels, bias=False)
        self.keys = nn.Parameter(0.001 * torch.randn(slots, channels))
        self.values = nn.Parameter(0.001 * torch.randn(channels, slots))
        self.scale = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Read the memory: (N, H, W, C) -> (N, H, W, C)."""
        scores = pointwise(self.norm(x), self.keys)
        weights = scores.flatten(1, 2).softmax(1).view_as(scores)
        sums = self.epsilon + weights.sum(3, keepdim=True)
        return torch.addcmul(x, self.scale, pointwise(weights, self.values) / sums)

    def most(self) -> Tensor:
        """Bound of what is added to a feature, whatever the picture: weights are at most 1 each."""
        share = min(1.0, len(self.keys) / self.epsilon)
        return share * (self.scale * self.values.abs().amax(1)).abs().amax()

    def in_place(self, x: Tensor, scratch: Tensor) -> None:
        """Do the same to x, in strips: the only map of H W S numbers, of one picture, is `scratch`.

        In float32 on CPUs nothing is done where what is added would be lost in rounding, as with an
        `epsilon` of 1e9.

        Args:
            x: (N, H, W, C); overwritten.
            scratch: H W S numbers at least; overwritten.
        """
        if x.is_cpu and x.dtype == torch.float32 and self.most() <= _ROUNDING:
            return
        # A normalised token is √C long at most, so a score has a bound that no pixel can pass. On other
        # devices than CPUs its value would have to be waited for, or is not there at all.
        bound = torch.linalg.vector_norm(self.norm.weight * self.keys, dim=1).amax()
        harmless = x.is_cpu and bool(bound * math.sqrt(self.keys.shape[1]) < _EXPONENT)
        for picture in torch.split(x, 1):
            strips = chunk_rows(picture)
            shape = (*picture.shape[:3], len(self.keys))
            rows = strips[0].shape[1]
            risen = torch.split(scratch[: math.prod(shape)].view(shape), rows, dim=1)
            peaks, sums = [], []
            for strip, up in zip(strips, risen, strict=True):
                scores = pointwise(self.norm(strip), self.keys)
                if harmless:
                    torch.exp(scores, out=up)
                else:
                    peaks.append(scores.amax((0, 1, 2)))
                    torch.sub(scores, peaks[-1], out=up).exp_()
                sums.append(up.sum((0, 1, 2)))
            # What else the softmax does is done to the memory: a factor per strip and slot.
            lowered = torch.ones_like(torch.stack(sums))
            if peaks:
                lowered = (torch.stack(peaks) - torch.stack(peaks).amax(0)).exp()
            factors = lowered / (lowered * torch.stack(sums)).sum(0)
            for strip, up, factor in zip(strips, risen, factors, strict=True):
                read = pointwise(up, self.scale[:, None] * self.values * factor)
                strip.addcdiv_(read, self.epsilon + torch.matmul(up, factor)[..., None])
