"""Structural similarity (Wang et al., Image quality assessment, TIP 2004)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from deweather.errors import FramesError
from deweather.image.shapes import as_batch, check_same_shape
from deweather.metrics.protocols import GAUSSIAN, REPORT, Padding, Protocol, Window


def ssim(restored: Tensor, clean: Tensor, protocol: Protocol = REPORT) -> Tensor:
    """Structural similarity, the mean over colours and views of each sample; 1 for equal pictures.

    Args:
        restored: (B, V, 3, H, W), sRGB in [0, 1]; values outside are clipped.
        clean: the same shape.
        protocol: how they are compared.

    Returns:
        (B,), float64.

    Raises:
        FramesError: the shapes differ, the values are not floating point, or the pictures are smaller
            than the window.
    """
    pair = protocol.prepare(restored, clean)
    a, b = (_reduced(x, protocol.reduce_to) for x in pair)
    # One view at a time: five moments of a large picture in float64 are many bytes.
    views = [
        structural_similarity(p, q, window=protocol.window, padding=protocol.padding).mean()
        for p, q in zip(a.flatten(0, 1), b.flatten(0, 1), strict=True)
    ]
    return torch.stack(views).view(a.shape[:2]).mean(1)


def structural_similarity(
    restored: Tensor,
    clean: Tensor,
    *,
    window: Window = GAUSSIAN,
    padding: Padding = "inside",
) -> Tensor:
    """Structural similarity of every channel, the mean over its windows; it has gradients.

    C1 = 0.01² and C2 = 0.03², for values in [0, 1].

    Args:
        restored: (..., C, H, W), not clipped.
        clean: the same shape.
        window: the neighbourhood.
        padding: see `Protocol`.

    Returns:
        (..., C), in the dtype of the pictures.

    Raises:
        FramesError: the shapes differ, are no pictures, or are smaller than the window.
    """
    check_same_shape(restored=restored, clean=clean)
    x, y = (as_batch(p, "restored").flatten(0, 1)[:, None] for p in (restored, clean))
    if padding != "zero" and min(x.shape[-2:]) < window.side:
        raise FramesError(
            f"pictures of {x.shape[-2]}x{x.shape[-1]} pixels are smaller than the window of "
            f"{window.side}; give larger ones, or a protocol that pads."
        )
    if padding != "inside":
        mode = "constant" if padding == "zero" else padding
        x, y = (F.pad(p, (window.side // 2,) * 4, mode=mode) for p in (x, y))
    moments = torch.cat([x, y, x * x, y * y, x * y])
    mx, my, xx, yy, xy = separable_filter(moments, _kernel(window, x)).chunk(5)
    count = window.side**2
    unbiased = count / (count - 1) if window.sample else 1.0
    covariance = unbiased * (xy - mx * my)
    variances = unbiased * (xx - mx**2 + yy - my**2)
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * mx * my + c1) * (2 * covariance + c2)
    values = alike / ((mx**2 + my**2 + c1) * (variances + c2))
    return values.mean((1, 2, 3)).view(restored.shape[:-2])


def separable_filter(planes: Tensor, kernel: Tensor) -> Tensor:
    """Filter planes (N, 1, H, W) by the outer product of a kernel (K,) with itself; the rest is cut."""
    return F.conv2d(F.conv2d(planes, kernel[:, None][None, None]), kernel[None, None, None])


def _kernel(window: Window, like: Tensor) -> Tensor:
    """The weights of a window along one axis; they add up to one."""
    # Made in float64: in float32 their sum is off by more than the rounding of the values.
    x = torch.arange(window.side, dtype=torch.float64, device=like.device) - window.side // 2
    flat = torch.ones_like(x)
    kernel = flat if window.sigma is None else torch.exp(-x.square() / (2 * window.sigma**2))
    return (kernel / kernel.sum()).to(like.dtype)


def _reduced(pictures: Tensor, shorter: int | None) -> Tensor:
    """Pictures (B, V, C, H, W) reduced by means of areas; see `Protocol.reduce_to`."""
    if shorter is None:
        return pictures
    h, w = pictures.shape[-2:]
    factor = max(1, round(min(h, w) / shorter))
    reduced = F.adaptive_avg_pool2d(pictures.flatten(0, 1), (h // factor, w // factor))
    return reduced.view(*pictures.shape[:3], *reduced.shape[-2:])
