"""Carrying a restoration from a reduced picture to the full one by local colour-affine maps.

The inverse of Koschmieder's law is an affine map of colour, I -> (I - A)/t + A, and smooth except at
depth edges. So a network that takes haze out of a reduced picture has told everything: around each
reduced pixel the 3x3 matrix and offset that map its input to its output are fitted (the multi-channel
guided filter of He et al., TPAMI 2013, with the input as guide), and the same map, interpolated,
applied to the full picture, which keeps every detail that the reduction lost.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RADIUS = 2
"""Radius of the window in reduced pixels."""

EPS = 1e-4
"""Variance of colour below which a window counts as flat and only its offset is fitted."""

_BAND = 1 << 18  # pixels of the full picture worked on at once: their floats stay in the cache


def fit_affine(source: Array, target: Array, radius: int = RADIUS, eps: float = EPS) -> Array:
    """Fit target = M·source + o in a window around every pixel, then average overlapping windows.

    Args:
        source: (h, w, 3), the reduced picture that the network was given.
        target: (h, w, 3), what it gave back.
        radius: of the window, pixels.
        eps: regularisation of the colour covariance.

    Returns:
        (3, 4, h, w): for each output channel three factors and the offset.
    """
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(x: Array) -> Array:
        return np.asarray(cv2.blur(x, side, borderType=cv2.BORDER_REFLECT), np.float32)

    ms, mt = mean(source), mean(target)
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    second = mean(np.stack([source[..., i] * source[..., j] for i, j in pairs[:3]], axis=-1))
    third = mean(np.stack([source[..., i] * source[..., j] for i, j in pairs[3:]], axis=-1))
    moments = np.concatenate([second, third], axis=-1)
    rr, rg, rb, gg, gb, bb = (
        moments[..., k] - ms[..., i] * ms[..., j] for k, (i, j) in enumerate(pairs)
    )
    rr, gg, bb = rr + eps, gg + eps, bb + eps
    # Inverse of the symmetric covariance by its adjugate: a batched solver would take longer than
    # the network.
    c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    inverse = 1 / (rr * c00 + rg * c01 + rb * c02)
    maps = np.empty((3, 4, *source.shape[:2]), np.float32)
    for channel in range(3):
        cross = mean(source * target[..., channel, None]) - ms * mt[..., channel, None]
        x, y, z = cross[..., 0], cross[..., 1], cross[..., 2]
        factors = (
            (c00 * x + c01 * y + c02 * z) * inverse,
            (c01 * x + c11 * y + c12 * z) * inverse,
            (c02 * x + c12 * y + c22 * z) * inverse,
        )
        offset = mt[..., channel] - sum(f * ms[..., k] for k, f in enumerate(factors))
        for k, plane in enumerate((*factors, offset)):
            maps[channel, k] = mean(plane)
    return maps


def apply_affine(
    maps: Array, picture: NDArray[Any], *, check: Callable[[], None] = lambda: None
) -> bool:
    """Apply fitted maps, interpolated to the picture's size, band by band and in place.

    Args:
        maps: (3, 4, h, w) of `fit_affine`.
        picture: (H, W, 3), uint8, uint16, or floating in [0, 1]; becomes the result, clipped to its
            range.
        check: called between bands; what it raises ends the work, with the picture half done.

    Returns:
        Whether a pixel changed.
    """
    height, width = picture.shape[:2]
    integer = np.issubdtype(picture.dtype, np.integer)
    peak = float(np.iinfo(picture.dtype).max) if integer else 1.0
    scale = np.array([1, 1, 1, peak], np.float32)[None, :, None, None]  # offsets are in [0, 1]
    scaled = maps * scale
    rows = max(1, _BAND // width)

    def work(top: int) -> bool:
        changed = False
        band = picture[top : top + rows]
        colours = [np.ascontiguousarray(band[..., k], dtype=np.float32) for k in range(3)]
        for channel in range(3):
            *factors, value = _rows_of(scaled[channel], top, band.shape[0], height, width)
            for factor, colour in zip(factors, colours, strict=True):
                cv2.accumulateProduct(factor, colour, value)
            np.clip(value, 0, peak, out=value)
            if integer:
                np.rint(value, out=value)
            before = band[..., channel].copy()
            band[..., channel] = value
            changed = changed or not np.array_equal(before, band[..., channel])
        return changed

    # Bands share nothing, and numpy and OpenCV let go of the interpreter while they work.
    with ThreadPoolExecutor(max(1, min(cv2.getNumThreads(), 8))) as pool:
        bands = [pool.submit(work, top) for top in range(0, height, rows)]
        try:
            for band in bands:
                check()
                band.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return any(band.result() for band in bands)


def _rows_of(coarse: Array, top: int, rows: int, height: int, width: int) -> list[Array]:
    """Rows `top` to `top + rows` of planes (4, h, w) resized bilinearly to (height, width)."""
    h = coarse.shape[1]
    y = (np.arange(top, top + rows, dtype=np.float32) + 0.5) * (h / height) - 0.5
    y = np.clip(y, 0, h - 1)
    low = np.floor(y).astype(np.int64)
    high = np.minimum(low + 1, h - 1)
    share = (y - low)[None, :, None].astype(np.float32)
    between = coarse[:, low] * (1 - share) + coarse[:, high] * share
    return [cv2.resize(plane, (width, rows), interpolation=cv2.INTER_LINEAR) for plane in between]
