"""Blurs of any width, and of the shapes that lenses and motion make."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def wide_blur(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, C, H, W) with any `sigma` in pixels; borders are replicated.

    Wide ones are made on a reduced picture, where they cost no more than narrow ones.
    """
    if sigma <= 0:
        return maps
    n, c, h, w = maps.shape
    flat = maps.reshape(n * c, 1, h, w)
    reduced = 1
    while sigma / reduced > 4:
        reduced *= 2
    if reduced > 1:
        # On both sides alike, so that a mirrored picture (of even size) is blurred to the mirror.
        x0, y0 = (-w % reduced) // 2, (-h % reduced) // 2
        more = (x0, -w % reduced - x0, y0, -h % reduced - y0)
        flat = _reduce(F.pad(flat, more, mode="replicate"), reduced)
        # Each way between the sizes blurs by the variance of the triangle that it weighs with.
        sigma = math.sqrt(sigma**2 - 2 * (reduced**2 / 6 + 1 / 12)) / reduced
    reach = max(1, math.ceil(3 * sigma))
    x = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    flat = F.pad(flat, (reach, reach, reach, reach), mode="replicate")
    flat = F.conv2d(F.conv2d(flat, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    if reduced > 1:
        size = (flat.shape[2] * reduced, flat.shape[3] * reduced)
        flat = F.interpolate(flat, size=size, mode="bilinear", align_corners=False)
        flat = flat[..., y0 : y0 + h, x0 : x0 + w]
    return flat.reshape(n, c, h, w)


def _reduce(flat: Tensor, factor: int) -> Tensor:
    """Make (N, 1, H, W) `factor` (even) times smaller by triangles, which move nothing.

    Plain averages would shift a point to the middle of its block; this is the transpose of bilinear
    enlargement and keeps every centroid.
    """
    offset = torch.arange(2 * factor, device=flat.device, dtype=flat.dtype) - factor + 0.5
    triangle = (1 - offset.abs() / factor) / factor
    flat = F.pad(flat, (factor // 2,) * 4, mode="replicate")
    flat = F.conv2d(flat, triangle.view(1, 1, 1, -1), stride=(1, factor))
    return F.conv2d(flat, triangle.view(1, 1, -1, 1), stride=(factor, 1))


def disc_kernel(radius: float) -> Tensor:
    """Disc of `radius` pixels, the image of a point out of focus: (K, K), sums to 1, double."""
    reach = math.ceil(radius)
    x = torch.arange(-reach, reach + 1, dtype=torch.float64)
    distance = torch.hypot(x[:, None], x[None, :])
    kernel = (radius + 0.5 - distance).clamp(0, 1)
    return kernel / kernel.sum()


def line_kernel(length: float, angle: float) -> Tensor:
    """Line of `length` pixels, the image of a moving point: (K, K), sums to 1, double.

    The angle is in degrees from the horizontal, positive downwards.
    """
    reach = math.ceil(length / 2) + 1
    kernel = torch.zeros(2 * reach + 1, 2 * reach + 1, dtype=torch.float64)
    points = max(1, math.ceil(4 * length))
    place = ((torch.arange(points, dtype=torch.float64) + 0.5) / points - 0.5) * length
    x = place * math.cos(math.radians(angle)) + reach
    y = place * math.sin(math.radians(angle)) + reach
    left, top = x.floor(), y.floor()
    for dy, share_y in ((0, 1 - (y - top)), (1, y - top)):
        for dx, share_x in ((0, 1 - (x - left)), (1, x - left)):
            kernel.index_put_(
                (top.long() + dy, left.long() + dx), share_y * share_x, accumulate=True
            )
    return kernel / points


def convolve(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (N, C, H, W) with an odd kernel (K, K) that is its own mirror; borders replicated."""
    n, c, h, w = maps.shape
    reach = kernel.shape[0] // 2
    flat = F.pad(maps.reshape(n * c, 1, h, w), (reach,) * 4, mode="replicate")
    return F.conv2d(flat, kernel.to(maps)[None, None]).view(n, c, h, w)
