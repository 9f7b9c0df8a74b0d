"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.errors import FramesError

PSNR_PROTOCOL = "psnr_rgb_uint8_rounded"
"""Both pictures rounded to 8 bit (half to even), MSE over RGB and the frame, mean over views."""


def psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """PSNR in dB by the protocol `psnr_rgb_uint8_rounded`.

    Args:
        restored: (B, V, 3, H, W), sRGB in [0, 1]; values outside are clipped.
        clean: the same shape.

    Returns:
        (B,): the mean over the views of each sample; inf where both are equal in any view.

    Raises:
        FramesError: the shapes differ, or the values are not floating point.
    """
    if restored.shape != clean.shape or restored.ndim != 5:
        raise FramesError(
            f"psnr got {tuple(restored.shape)} and {tuple(clean.shape)}; "
            "expected two tensors of one shape (B, V, 3, H, W)."
        )
    for frames in (restored, clean):
        if not frames.is_floating_point():
            raise FramesError(f"psnr got {frames.dtype}; expected floating point in [0, 1].")
    a, b = ((x.clamp(0, 1).double() * 255).round() for x in (restored, clean))
    mse = (a - b).square().mean((2, 3, 4))
    return (10 * torch.log10(255.0**2 / mse)).mean(1)
