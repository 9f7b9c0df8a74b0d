"""Losses that compare neighbourhoods: structural similarity and edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from deweather.losses.pixel import charbonnier
from deweather.losses.shapes import maps, same_shape

WINDOW = 11
"""Side of the window of `ssim` in pixels."""

SIGMA = 1.5
"""Standard deviation of the window of `ssim` in pixels."""

_BINOMIAL = (0.05, 0.25, 0.4, 0.25, 0.05)
"""The generating kernel of the Laplacian pyramid (Burt and Adelson, 1983, a = 0.4)."""


def _separable(planes: Tensor, kernel: Tensor) -> Tensor:
    """Filter planes (N, 1, H, W) by the outer product of a kernel with itself; the rest is cut."""
    return F.conv2d(F.conv2d(planes, kernel[:, None][None, None]), kernel[None, None, None])


def _gaussian(like: Tensor) -> Tensor:
    """The window of `ssim` along one axis; it adds up to one."""
    # Made in float64: in float32 its sum is off by more than the loss's own rounding.
    x = torch.arange(WINDOW, dtype=torch.float64, device=like.device) - WINDOW // 2
    kernel = torch.exp(-x.square() / (2 * SIGMA**2))
    return (kernel / kernel.sum()).to(like.dtype)


def ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Structural similarity (Wang et al., TIP 2004), mean over everything; 1 for equal pictures.

    Gaussian 11x11 window, σ = 1.5, per channel; C1 = 0.01², C2 = 0.03² for values in [0, 1]. Beyond the
    border there are zeros, so windows there see dark pixels, as in APANet's loss; evaluation
    protocols that leave the border out differ from this by up to 0.02.

    Args:
        restored: (..., C, H, W), values in [0, 1], not clamped.
        clean: the same shape.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ, or are no pictures.
    """
    same_shape(restored=restored, clean=clean)
    x = maps(restored, "restored").flatten(0, 1)[:, None]
    y = maps(clean, "clean").flatten(0, 1)[:, None]
    moments = torch.cat([x, y, x * x, y * y, x * y])
    padded = F.pad(moments, (WINDOW // 2,) * 4)
    mx, my, xx, yy, xy = _separable(padded, _gaussian(x)).chunk(5)
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    return (alike / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2))).mean()


def ssim_loss(restored: Tensor, clean: Tensor) -> Tensor:
    """1 - `ssim`: what APANet minimises on synthetic rain; in [0, 2]."""
    return 1 - ssim(restored, clean)


def _laplacian(pictures: Tensor) -> Tensor:
    """The finest level of a Laplacian pyramid of (N, C, H, W): what halving the size would lose."""
    planes = pictures.flatten(0, 1)[:, None]
    kernel = torch.tensor(_BINOMIAL, dtype=planes.dtype, device=planes.device)

    def smooth(x: Tensor) -> Tensor:
        return _separable(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel)

    kept = torch.zeros_like(planes)
    # Every fourth pixel is kept, and the factor 4 keeps the mean.
    kept[..., ::2, ::2] = 4 * smooth(planes)[..., ::2, ::2]
    return planes - smooth(kept)


def edge_loss(restored: Tensor, clean: Tensor, eps: float = 1e-3) -> Tensor:
    """Charbonnier loss between the edges of two pictures (Jiang et al., CVPR 2020).

    Edges are the finest level of a Laplacian pyramid, borders repeated.

    Args:
        restored: (..., C, H, W).
        clean: the same shape.
        eps: ε of the Charbonnier loss, in the units of the pictures.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ, or are no pictures.
    """
    same_shape(restored=restored, clean=clean)
    # Linear: the difference of the edges is the edges of the difference.
    edges = _laplacian(maps(restored - clean, "restored"))
    return charbonnier(edges, torch.zeros_like(edges), eps)
