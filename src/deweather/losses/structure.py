"""Losses that compare neighbourhoods: structural similarity and edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from deweather.image.shapes import as_batch, check_same_shape
from deweather.losses.pixel import charbonnier
from deweather.metrics.protocols import Padding
from deweather.metrics.ssim import separable_filter, structural_similarity

_BINOMIAL = (0.05, 0.25, 0.4, 0.25, 0.05)
"""The generating kernel of the Laplacian pyramid (Burt and Adelson, 1983, a = 0.4)."""


def ssim_loss(restored: Tensor, clean: Tensor, *, padding: Padding = "zero") -> Tensor:
    """1 - structural similarity, the mean over everything, in [0, 2].

    APANet minimises it on synthetic rain with zeros beyond the border, so that windows there see dark
    pixels; protocols that leave the border out differ by up to 0.02.

    Args:
        restored: (..., C, H, W), values in [0, 1], not clamped.
        clean: the same shape.
        padding: see `deweather.metrics.Protocol`.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ, or are no pictures.
    """
    return 1 - structural_similarity(restored, clean, padding=padding).mean()


def _laplacian(pictures: Tensor) -> Tensor:
    """The finest level of a Laplacian pyramid of (N, C, H, W): what halving the size would lose."""
    planes = pictures.flatten(0, 1)[:, None]
    kernel = torch.tensor(_BINOMIAL, dtype=planes.dtype, device=planes.device)

    def smooth(x: Tensor) -> Tensor:
        return separable_filter(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel)

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
    check_same_shape(restored=restored, clean=clean)
    # Linear: the difference of the edges is the edges of the difference.
    edges = _laplacian(as_batch(restored - clean, "restored"))
    return charbonnier(edges, torch.zeros_like(edges), eps)
