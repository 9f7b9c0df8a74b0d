"""Synthetic disparity for single photographs: drawn, but plausible.

Nobody knows the depth of a photograph, but haze training needs one whose edges lie on the edges of
the picture and whose shape is that of the world: a ground that recedes to a horizon, things
standing on it, smooth fields. A guided filter (He et al., TPAMI 2013) moves the edges onto those of
the picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def guided_filter(guide: Array, source: Array, radius: int, eps: float) -> Array:
    """Filter `source` (H, W) so that its edges follow those of `guide` (H, W), both float32.

    Args:
        guide: grey picture in [0, 1].
        source: what is filtered.
        radius: of the box window, pixels.
        eps: variance of the guide below which it counts as flat.
    """
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(x: NDArray[Any]) -> Array:
        return cv2.blur(x, side, borderType=cv2.BORDER_REFLECT).astype(np.float32, copy=False)

    m, s = mean(guide), mean(source)
    a = (mean(guide * source) - m * s) / (mean(guide * guide) - m * m + eps)
    b = s - a * m
    return (mean(a) * guide + mean(b)).astype(np.float32, copy=False)


def smooth_field(rng: np.random.Generator, height: int, width: int, cells: int) -> Array:
    """A smooth random field (H, W) in about [0, 1] with `cells` bumps along the shorter side."""
    rows = max(2, round(cells * height / min(height, width)) + 1)
    cols = max(2, round(cells * width / min(height, width)) + 1)
    small = rng.random((rows, cols), dtype=np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return field.astype(np.float32, copy=False)


def synthetic_disparity(rng: np.random.Generator, picture: NDArray[np.uint8]) -> Array:
    """Draw a plausible relative disparity for a photograph.

    Args:
        rng: source of every draw.
        picture: (H, W, 3), uint8, sRGB.

    Returns:
        (H, W) in [0, 1]: 1 is nearest, 0 infinitely far.
    """
    h, w = picture.shape[:2]
    grey: Array = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    near = np.float32(rng.uniform(0.3, 1.0))
    far = near * np.float32(rng.uniform(0.02, 0.5))
    kind = rng.random()
    if kind < 0.45:
        field = _ground(rng, h, w)
    elif kind < 0.75:
        field = smooth_field(rng, h, w, int(rng.integers(1, 5)))
    else:
        field = 0.5 * _ground(rng, h, w) + 0.5 * smooth_field(rng, h, w, int(rng.integers(1, 4)))
    if rng.random() < 0.7:
        field = _things(rng, field)
    if rng.random() < 0.25:  # texture that follows brightness: foliage, rocks
        field = field + np.float32(rng.uniform(-0.3, 0.3)) * (grey - 0.5)
    disparity = far + (near - far) * np.clip(field, 0, 1)
    radius = max(2, round(min(h, w) * rng.uniform(0.03, 0.12)))
    disparity = guided_filter(grey, disparity.astype(np.float32), radius, 1e-3)
    if rng.random() < 0.5:
        # Not quite to infinity: a sky is itself mostly airlight, and what is gone cannot be
        # learned.
        disparity = disparity * (1 - np.float32(rng.uniform(0.4, 0.9)) * sky_likeness(picture))
    return np.clip(disparity, 0, 1).astype(np.float32)


def _ground(rng: np.random.Generator, h: int, w: int) -> Array:
    """Disparity of a ground plane: 0 at and above the horizon, linear in the rows below it."""
    horizon = rng.uniform(-0.6, 0.6)
    tilt = rng.uniform(-0.2, 0.2)
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :]
    return np.clip((y - horizon - tilt * x) / (1 - horizon), 0, 1).astype(np.float32)


def _things(rng: np.random.Generator, field: Array) -> Array:
    """Boxes and discs that stand in front of the field, each at one disparity."""
    h, w = field.shape
    field = field.copy()
    for _ in range(int(rng.integers(1, 6))):
        cx, foot = rng.uniform(0, w), rng.uniform(0.3, 1.1) * h
        wide, high = rng.uniform(0.05, 0.5) * w, rng.uniform(0.1, 0.8) * h
        row = int(np.clip(foot, 0, h - 1))
        value = float(np.clip(field[row, int(np.clip(cx, 0, w - 1))] + rng.uniform(0, 0.3), 0, 1))
        mask = np.zeros((h, w), np.uint8)
        if rng.random() < 0.5:
            corner = (int(cx - wide / 2), int(foot - high))
            cv2.rectangle(mask, corner, (int(cx + wide / 2), int(foot)), 1, -1)
        else:
            centre = (int(cx), int(foot - high / 2))
            axes = (max(1, int(wide / 2)), max(1, int(high / 2)))
            cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 1, -1)
        field[mask > 0] = np.maximum(field[mask > 0], value)
    return field


def sky_likeness(picture: NDArray[np.uint8]) -> Array:
    """How sky-like each pixel of (H, W, 3) is, in [0, 1]: bright, smooth, connected to the top."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    blurred = cv2.blur(grey, (5, 5))
    rough = cv2.blur(np.abs(grey - blurred), (9, 9))
    blue = picture[..., 2].astype(np.int16) >= picture[..., 0].astype(np.int16) - 6
    smooth = ((rough < 0.008) & (blurred > 0.35) & blue).astype(np.uint8)
    _, labels = cv2.connectedComponents(smooth)
    top = np.unique(labels[0][smooth[0] > 0])
    mask = np.isin(labels, top) & (smooth > 0)
    return np.clip(cv2.blur(mask.astype(np.float32), (5, 5)), 0, 1)
