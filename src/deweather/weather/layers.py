"""Stereo scenes cut from photographs: textured planes at chosen disparities, exact in both views.

Each layer is a photograph on a plane whose disparity is linear in the left picture,
d = a + b·x + c·y. A row keeps its row, so the right view is the left one resampled along x:
x_left = (x + a + c·y)/(1 - b). Nearer layers cover farther ones, which gives true occlusions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.weather.depth import smooth_field

Photo = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Plane:
    """Disparity d = a + b·x + c·y in left coordinates."""

    a: float
    b: float
    c: float

    def left_x(self, x: Array, y: Array) -> Array:
        """Where the point that the right view sees at (x, y) lies in the left view."""
        return ((x + self.a + self.c * y) / (1 - self.b)).astype(np.float32)

    def disparity(self, x: Array, y: Array) -> Array:
        """Disparity at (x, y) of the left view."""
        return (self.a + self.b * x + self.c * y).astype(np.float32)


def layered_pair(
    rng: np.random.Generator,
    photos: Sequence[Photo],
    height: int,
    width: int,
    largest: float = 40.0,
) -> tuple[NDArray[np.uint8], Array]:
    """Render a stereo scene: the first photograph behind, shapes cut from the others in front.

    Args:
        rng: source of every draw.
        photos: one or more pictures (H', W', 3), uint8; each is resized to cover what it has to.
        height: rows of the result.
        width: columns of the result.
        largest: largest disparity in pixels.

    Returns:
        The pair (2, H, W, 3), uint8, and the disparity of each view (2, H, W), float32, pixels.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    margin = int(largest) + 2
    levels = np.sort(rng.uniform(0.02, 1.0, len(photos))) * largest * 0.9
    pair = np.zeros((2, height, width, 3), np.uint8)
    depth = np.zeros((2, height, width), np.float32)
    for i, photo in enumerate(photos):
        slant = 0.08 * largest * rng.uniform(-1, 1, 2)
        b, c = slant[0] / width, (slant[1] + (0.3 * levels[i] if i == 0 else 0)) / height
        # Everywhere on the texture the disparity stays between 0 and `largest`.
        corners = [b * u + c * v for u in (0, width + margin) for v in (0, height)]
        a = levels[i] - b * width / 2 - c * height / 2
        a = max(min(a, largest - max(corners)), -min(corners))
        plane = _Plane(float(a), float(b), float(c))
        texture = _cover(rng, photo, height, width + margin)
        shape = None if i == 0 else _shape(rng, height, width + margin)
        for view in range(2):
            left_x = x if view == 0 else plane.left_x(x, y)
            colour = cv2.remap(texture, left_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            disparity = plane.disparity(left_x, y)
            if shape is None:
                pair[view], depth[view] = colour, disparity
                continue
            cover = cv2.remap(shape, left_x, y, cv2.INTER_LINEAR)[..., None]
            pair[view] = np.round(cover * colour + (1 - cover) * pair[view]).astype(np.uint8)
            depth[view] = np.where(cover[..., 0] > 0.5, disparity, depth[view])
    return pair, depth


def _cover(rng: np.random.Generator, photo: Photo, height: int, width: int) -> Photo:
    """A random cut of the photograph, resized to (height, width)."""
    h, w = photo.shape[:2]
    largest = min(h / height, w / width)
    scale = largest if largest <= 1 else rng.uniform(1.0, largest)
    ch, cw = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
    cut = photo[top : top + ch, left : left + cw]
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return cv2.resize(cut, (width, height), interpolation=how).astype(np.uint8, copy=False)


def _shape(rng: np.random.Generator, height: int, width: int) -> Array:
    """Soft mask (H, W) in [0, 1] of a box, a polygon or a blob."""
    kind = rng.random()
    cx, cy = rng.uniform(0, width), rng.uniform(0.2, 1.0) * height
    size = rng.uniform(0.15, 0.5) * min(height, width)
    if kind < 0.3:
        field = smooth_field(rng, height, width, int(rng.integers(2, 6)))
        return np.clip((field - rng.uniform(0.55, 0.75)) * 40 + 0.5, 0, 1).astype(np.float32)
    corners = 4 if kind < 0.6 else int(rng.integers(5, 14))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = size * rng.uniform(0.5, 1.2, corners)
    points = np.stack([cx + radius * np.cos(angle), cy + radius * np.sin(angle)], axis=1)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return mask.astype(np.float32) / np.float32(255)
