"""A restoration of a reduced picture -> one of the full picture, by local colour-affine maps.

The inverse of Koschmieder's law is an affine map of colour, I -> (I - A)/t + A, and smooth except at
depth edges. So a network that takes haze out of a reduced picture has told everything: around each
reduced pixel the 3x3 matrix and offset that map its input to its output are fitted (the multi-channel
guided filter of He et al., TPAMI 2013, with the input as guide), and the same map, interpolated,
applied to the full picture, which keeps every detail that the reduction lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deweather.inference.filters import box_mean

Array = NDArray[np.float32]
Step = Callable[[int, int], None]

RADIUS = 2
"""Radius of the window in reduced pixels."""

EPS = 1e-4
"""Variance of colour below which a window counts as flat and only its offset is fitted."""

_BAND = 1 << 18  # pixels of the full picture worked on at once: their floats stay in the cache
_GPU_BAND = 1 << 24


def fit_affine(source: Tensor, target: Tensor, radius: int = RADIUS, eps: float = EPS) -> Tensor:
    """Fit target = M·source + o in a window around every pixel, then average overlapping windows.

    Args:
        source: (N, 3, h, w), float32, the reduced pictures that the network was given.
        target: the same shape, what it gave back.
        radius: of the window, pixels.
        eps: regularisation of the colour covariance.

    Returns:
        (N, 3, 4, h, w): for each output channel three factors and the offset.
    """
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    products = source.new_empty(len(source), 6, *source.shape[-2:])
    for k, (i, j) in enumerate(pairs):
        torch.mul(source[:, i], source[:, j], out=products[:, k])
    ms, mt, covariance = (box_mean(x, radius) for x in (source, target, products))
    for k, (i, j) in enumerate(pairs):
        covariance[:, k] -= ms[:, i] * ms[:, j]
    rr, rg, rb, gg, gb, bb = covariance.unbind(1)
    for variance in (rr, gg, bb):
        variance.add_(eps)
    # Inverse of the symmetric covariance by its adjugate: a batched solver would take longer than
    # the network.
    c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    inverse = 1 / (rr * c00 + rg * c01 + rb * c02)
    rows = ((c00, c01, c02), (c01, c11, c12), (c02, c12, c22))
    maps = source.new_empty(len(source), 3, 4, *source.shape[-2:])
    for channel in range(3):
        one = slice(channel, channel + 1)
        cross = box_mean(source * target[:, one], radius)
        cross -= ms * mt[:, one]
        *factors, offset = maps[:, channel].unbind(1)
        for factor, row in zip(factors, rows, strict=True):
            _sum_of_products(row, cross.unbind(1), factor)
            factor.mul_(inverse)
        _sum_of_products(factors, ms.unbind(1), offset)
        torch.sub(mt[:, channel], offset, out=offset)
    return box_mean(maps, radius)


def _sum_of_products(factors: Sequence[Tensor], values: Sequence[Tensor], out: Tensor) -> None:
    torch.mul(factors[0], values[0], out=out)
    for factor, value in zip(factors[1:], values[1:], strict=True):
        out += factor * value


def toward_identity(maps: Tensor, share: float) -> Tensor:
    """Maps (..., 3, 4, h, w) that make a share of the change of others; above 1 more than it."""
    if share == 1:
        return maps
    out = maps * share
    for channel in range(3):
        out[..., channel, channel, :, :] += 1 - share
    return out


def apply_affine(maps: Array, views: Sequence[NDArray[Any]], step: Step = lambda *_: None) -> bool:
    """Apply fitted maps, interpolated to the size of the views, band by band and in place.

    Args:
        maps: (V, 3, 4, h, w), see `fit_affine`.
        views: V arrays (H, W, 3), uint8, uint16, or floating in [0, 1]; they become the result,
            clipped to their range.
        step: called before the first and after each band with the numbers of bands done and of all;
            what it raises ends the work, with the views half done.

    Returns:
        Whether a pixel changed.
    """
    rows = max(1, _BAND // views[0].shape[1])
    tops = range(0, views[0].shape[0], rows)
    total, changed = len(views) * len(tops), False
    step(0, total)
    # Bands share nothing, and numpy and OpenCV let go of the interpreter while they work.
    with ThreadPoolExecutor(max(1, min(cv2.getNumThreads(), 8))) as pool:
        bands = [
            pool.submit(_apply_to_band, scaled, view, top, rows)
            for scaled, view in zip(map(_scaled, maps, views), views, strict=True)
            for top in tops
        ]
        try:
            for done, band in enumerate(bands, 1):
                changed = band.result() or changed
                step(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return changed


def _peak(picture: NDArray[Any]) -> float:
    return float(np.iinfo(picture.dtype).max) if np.issubdtype(picture.dtype, np.integer) else 1.0


def _scaled(maps: Array, picture: NDArray[Any]) -> Array:
    """Maps whose offsets are in the range of the picture."""
    return maps * np.array([1, 1, 1, _peak(picture)], np.float32)[None, :, None, None]


def _apply_to_band(maps: Array, picture: NDArray[Any], top: int, rows: int) -> bool:
    """Map the colours of some rows of a picture in place; whether a pixel changed."""
    height, width = picture.shape[:2]
    changed = False
    band = picture[top : top + rows]
    colours = [band[..., k].astype(np.float32) for k in range(3)]  # copies: the band changes
    for channel in range(3):
        *factors, value = _rows_of(maps[channel], top, band.shape[0], height, width)
        for factor, colour in zip(factors, colours, strict=True):
            cv2.accumulateProduct(factor, colour, value)
        np.clip(value, 0, _peak(picture), out=value)
        if np.issubdtype(picture.dtype, np.integer):
            np.rint(value, out=value)
        before = band[..., channel].copy()
        band[..., channel] = value
        changed = changed or not np.array_equal(before, band[..., channel])
    return changed


def _rows_of(coarse: Array, top: int, rows: int, height: int, width: int) -> list[Array]:
    """Rows `top` to `top + rows` of planes (4, h, w) resized bilinearly to (height, width)."""
    low, high, share = _rows_between(coarse.shape[1], top, rows, height)
    weight = share[None, :, None]
    between = coarse[:, low] * (1 - weight) + coarse[:, high] * weight
    return [cv2.resize(plane, (width, rows), interpolation=cv2.INTER_LINEAR) for plane in between]


def _rows_between(
    coarse: int, top: int, rows: int, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Which of `coarse` rows lie above and below each of some of `height` rows, and how far down."""
    y = (np.arange(top, top + rows, dtype=np.float32) + 0.5) * (coarse / height) - 0.5
    y = np.clip(y, 0, coarse - 1)
    low = np.floor(y).astype(np.int64)
    return low, np.minimum(low + 1, coarse - 1), (y - low).astype(np.float32)


def apply_affine_images(maps: Tensor, images: Tensor) -> Tensor:
    """`apply_affine` for tensors on their device.

    Args:
        maps: (N, 3, 4, h, w), see `fit_affine`.
        images: (N, 3, H, W), float32 in [0, 1], on the same device.

    Returns:
        New images, clipped to [0, 1].
    """
    height, width = images.shape[-2:]
    if maps.shape[-2:] == (height, width):
        return _mapped(maps, images)
    out = torch.empty_like(images)
    pixels = _BAND if images.device.type == "cpu" else _GPU_BAND
    rows = max(1, pixels // (width * len(images)))
    for top in range(0, height, rows):
        band = images[..., top : top + rows, :]
        low, high, share = (
            torch.from_numpy(x).to(maps.device)
            for x in _rows_between(maps.shape[-2], top, band.shape[-2], height)
        )
        between = maps[..., low, :] * (1 - share[:, None]) + maps[..., high, :] * share[:, None]
        wide = F.interpolate(
            between.flatten(1, 2), (band.shape[-2], width), mode="bilinear", align_corners=False
        )
        out[..., top : top + rows, :] = _mapped(wide.view(-1, 3, 4, *wide.shape[-2:]), band)
    return out


def _mapped(maps: Tensor, images: Tensor) -> Tensor:
    value = maps[:, :, 3].clone()
    for k in range(3):
        value += maps[:, :, k] * images[:, k : k + 1]
    return value.clamp_(0, 1)
