"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.metrics.protocols import REPORT, Protocol


def psnr(restored: Tensor, clean: Tensor, protocol: Protocol = REPORT) -> Tensor:
    """PSNR in dB, the mean over the views of each sample.

    Args:
        restored: (B, V, 3, H, W), sRGB in [0, 1]; values outside are clipped.
        clean: the same shape.
        protocol: how they are compared; each view gets at most `protocol.cap`.

    Returns:
        (B,), float64.

    Raises:
        FramesError: the shapes differ, or the values are not floating point.
    """
    a, b = protocol.prepare(restored, clean)
    mse = (a - b).square().mean((2, 3, 4))
    return (-10 * torch.log10(mse)).clamp_max(protocol.cap).mean(1)
