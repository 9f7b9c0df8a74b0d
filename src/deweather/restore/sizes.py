"""Padding frames to the sizes that a network takes."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.models import Needs, Network


def padded_forward(network: Network, frames: Tensor) -> Tensor:
    """Restore frames (B, V, 3, H, W) of any size from 1x1 up; same shape out.

    The right and lower borders are mirrored (repeated where the picture is too small to mirror) up to
    the network's multiple and cut off again.
    """
    h, w = frames.shape[-2:]
    tall, wide = padded_size(h, w, network.needs)
    if (tall, wide) == (h, w):
        return network(frames).image
    padded = mirrored(frames, (tall, wide))
    return network(padded).image[..., :h, :w]


def padded_size(height: int, width: int, needs: Needs) -> tuple[int, int]:
    """The least height and width that the network takes and the picture fits in."""
    size = []
    for n in (height, width):
        least = max(n, needs.minimum)
        size.append(-(-least // needs.multiple) * needs.multiple)
    return size[0], size[1]


def mirrored(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Extend (..., H, W) to `size` by mirroring its lower and right borders."""
    rows = _mirror_index(frames.shape[-2], size[0], frames.device)
    columns = _mirror_index(frames.shape[-1], size[1], frames.device)
    return frames.index_select(-2, rows).index_select(-1, columns)


def _mirror_index(length: int, size: int, device: torch.device) -> Tensor:
    """0, 1, …, length-1, length-2, …, 0, 1, …: works for any length, unlike reflect padding."""
    if length == 1:
        return torch.zeros(size, dtype=torch.long, device=device)
    period = 2 * (length - 1)
    index = torch.arange(size, device=device) % period
    return torch.where(index < length, index, period - index)
