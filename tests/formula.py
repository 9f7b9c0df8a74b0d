"""Pictures and weights by formula, so that published figures about them can be checked on any machine."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor


def image(batch: int, channels: int, height: int, width: int, shift: int = 0) -> Tensor:
    """Two sine waves inside [0, 1], (B, C, H, W), float64."""
    axes = [torch.arange(n, dtype=torch.float64) for n in (batch, channels, height, width)]
    b, ch, y, x = torch.meshgrid(*axes, indexing="ij")
    x = x + shift
    slow = torch.sin(0.05 * (x * (ch + 1) + (b + 1) * y * 0.7) + 0.3 * ch)
    return 0.5 + 0.35 * slow + 0.15 * torch.sin(0.9 * x - 0.61 * y + 1.7 * ch + b)


def noise(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Values in [-1, 1) from the CRC of a name, float64; every operation rounded in this order."""
    c = zlib.crc32(key.encode()) / 2**32
    phase = (np.arange(1, math.prod(shape) + 1) * 12.9898 + c * 78.233) + seed * 37.719
    u = np.sin(phase) * 43758.5453
    return torch.from_numpy(2 * (u - np.floor(u)) - 1).reshape(shape)


def deviation(found: Tensor, figures: dict[str, Any]) -> float:
    """Largest distance from official samples, mean and standard deviation; relative above 1."""
    assert list(found.shape) == figures["shape"]
    flat = found.double().flatten()
    places, values = zip(*figures["samples"], strict=True)
    ours = torch.cat([flat[list(places)], flat.mean()[None], flat.std(correction=0)[None]])
    official = torch.tensor([*values, figures["mean"], figures["std"]], dtype=torch.float64)
    return ((ours - official).abs() / official.abs().clamp(min=1)).max().item()
