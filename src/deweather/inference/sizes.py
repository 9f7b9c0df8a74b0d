"""Padding frames to the sizes that a network takes."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.models import Needs, Network


def padded_forward(network: Network, frames: Tensor) -> Tensor:
    """Restore frames (B, V, 3, H, W) of any size from 1x1 up; same shape out."""
    h, w = frames.shape[-2:]
    return network(padded(frames, network.needs)).image[..., :h, :w]


def padded(frames: Tensor, needs: Needs) -> Tensor:
    """Extend (..., H, W), from 1x1 up, to the right and downwards to a size that the network takes."""
    sizes = padded_size(frames.shape[-2], frames.shape[-1], needs)
    for axis, size in zip((-2, -1), sizes, strict=True):
        if size > frames.shape[axis]:
            index = _index(frames.shape[axis], size, needs).to(frames.device)
            frames = frames.index_select(axis, index)
    return frames


def padded_size(height: int, width: int, needs: Needs) -> tuple[int, int]:
    """The least height and width that the network takes and the picture fits in."""
    size = []
    for n in (height, width):
        least = max(n, needs.minimum)
        size.append(-(-least // needs.multiple) * needs.multiple)
    return size[0], size[1]


def _index(length: int, size: int, needs: Needs) -> Tensor:
    """Which of `length` pixels stands at each of `size` places.

    Mirrored 0, 1, …, length-1, length-2, …, 0, 1, …, which works for any length, unlike torch's
    reflect padding.
    """
    index = torch.arange(size)
    if needs.padding == "replicate" or length == 1:
        return index.clamp_max(length - 1)
    period = 2 * (length - 1)
    index = index % period
    return torch.minimum(index, period - index)
