"""Losses that compare pixels, in space or in frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.errors import FramesError


def _difference(restored: Tensor, clean: Tensor) -> Tensor:
    """Their difference; shapes that would broadcast are refused, because they are mistakes."""
    if restored.shape != clean.shape:
        raise FramesError(
            f"restored has shape {tuple(restored.shape)}, clean {tuple(clean.shape)}; "
            "a loss compares tensors of one shape."
        )
    return restored - clean


def charbonnier(restored: Tensor, clean: Tensor, eps: float = 1e-3) -> Tensor:
    """Mean of √(d² + ε²): an L1 that is smooth at zero (Charbonnier et al., ICIP 1994).

    Args:
        restored: any shape.
        clean: the same shape.
        eps: ε, in the units of the pictures.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ.
    """
    return torch.sqrt(_difference(restored, clean).square() + eps * eps).mean()


def frequency_l1(restored: Tensor, clean: Tensor) -> Tensor:
    """L1 of the real and imaginary parts of the 2-D FFT of the difference.

    The transform is real, over the last two axes, not normalised, so its half spectrum has
    ⌊W/2⌋ + 1 columns; the mean runs over real and imaginary parts of all bins.

    Args:
        restored: (..., H, W).
        clean: the same shape.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ.
    """
    spectrum = torch.fft.rfft2(_difference(restored, clean))
    return 0.5 * (spectrum.real.abs().mean() + spectrum.imag.abs().mean())
