"""The sRGB transfer curve (IEC 61966-2-1) on tensors: encoded values to light and back.

Physics happens in linear light, pictures are stored encoded. Both functions are elementwise, keep
shape, dtype and device, and have finite gradients everywhere: the power branch never sees the
values where its slope explodes, not even in the unused side of `torch.where`, where a slope of
infinity times 0 would be NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

ENCODED_KNEE = 0.04045
"""Below this encoded value the curve is a straight line."""

LINEAR_KNEE = 0.0031308
"""The same knee, in linear light."""


def srgb_to_linear(encoded: Tensor) -> Tensor:
    """Light of sRGB values; [0, 1] maps onto [0, 1], values outside extend the two branches."""
    line = encoded / 12.92
    power = ((encoded.clamp_min(ENCODED_KNEE) + 0.055) / 1.055) ** 2.4
    return torch.where(encoded <= ENCODED_KNEE, line, power)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Encoded sRGB values of light: the inverse of `srgb_to_linear`."""
    line = linear * 12.92
    power = 1.055 * linear.clamp_min(LINEAR_KNEE) ** (1 / 2.4) - 0.055
    return torch.where(linear <= LINEAR_KNEE, line, power)
