"""Losses that compare pixels, in space or in frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.image.shapes import check_same_shape


def _difference(restored: Tensor, clean: Tensor) -> Tensor:
    check_same_shape(restored=restored, clean=clean)
    return restored - clean


def l1(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of one shape, else FramesError."""
    return _difference(restored, clean).abs().mean()


def mse(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean squared difference of two tensors of one shape, else FramesError."""
    return _difference(restored, clean).square().mean()


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


def l1_and_frequency(restored: Tensor, clean: Tensor, weight: float = 0.1) -> Tensor:
    """`l1` plus `weight` times `frequency_l1`: what PSIDNet minimises for each of its outputs.

    Args:
        restored: (..., H, W).
        clean: the same shape.
        weight: of the frequency term.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ.
    """
    return l1(restored, clean) + weight * frequency_l1(restored, clean)
