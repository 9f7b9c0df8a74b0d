"""Synthetic disparity whose steps lie on the outlines that the photograph itself has.

The picture is cut into regions by a watershed of its gradient (Meyer 1992; OpenCV's implementation).
Each lies on the ground, stands upright where it meets the ground (the pop-up rule of Hoiem et al.,
SIGGRAPH 2005), or is sky. Unlike `depth.synthetic_disparity`, nothing that is drawn cuts through a thing
of the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.weather.depth import Array, guided_filter, sky_likeness

_SIDE = 256  # pixels of the longer side at which regions are found


def segments(rng: np.random.Generator, picture: NDArray[np.uint8], count: int) -> NDArray[np.int32]:
    """Cut a picture (H, W, 3) into at most `count` regions: labels (H, W) from 0.

    Regions grow from evenly scattered places until they meet where the picture changes most.
    """
    h, w = picture.shape[:2]
    scale = min(1.0, _SIDE / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = cv2.bilateralFilter(small, 7, 30, 5)
    rows = max(1, round((count * size[1] / size[0]) ** 0.5))
    columns = max(1, count // rows)
    markers = np.zeros((size[1], size[0]), np.int32)
    for i in range(rows * columns):
        v, u = (i // columns + rng.random()) / rows, (i % columns + rng.random()) / columns
        markers[int(v * size[1]), int(u * size[0])] = i + 1
    labels = cv2.watershed(small, markers)
    # Lines between regions (-1, and OpenCV's one-pixel frame) go to the nearest region.
    line = (labels <= 0).astype(np.uint8)
    if line.all():
        return np.zeros((h, w), np.int32)
    _, nearest = cv2.distanceTransformWithLabels(
        line, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(nearest.max() + 1, np.int32)
    table[nearest[line == 0]] = labels[line == 0]
    _, labels = np.unique(table[nearest], return_inverse=True)
    labels = labels.reshape(size[1], size[0]).astype(np.int32)
    return cv2.resize(labels, (w, h), interpolation=cv2.INTER_NEAREST).astype(np.int32)


def segmented_disparity(rng: np.random.Generator, picture: NDArray[np.uint8]) -> Array:
    """Draw a plausible relative disparity for a photograph, region by region.

    Args:
        rng: source of every draw.
        picture: (H, W, 3), uint8, sRGB.

    Returns:
        (H, W), float32, in [0, 1]: 1 is nearest, 0 infinitely far (the sky).
    """
    h, w = picture.shape[:2]
    labels = segments(rng, picture, int(rng.integers(12, 60)))
    sky = sky_likeness(picture)
    horizon, tilt = rng.uniform(0.0, 0.6), rng.uniform(-0.1, 0.1)
    far, upright = rng.uniform(0.02, 0.15), rng.uniform(0.3, 0.8)
    y = np.linspace(0, 1, h)[:, None]
    x = np.linspace(-0.5, 0.5, w)[None, :]
    ground = np.clip((y - horizon - tilt * x) / (1 - horizon), 0, 1)
    disparity = far + (1 - far) * ground
    for label in range(int(labels.max()) + 1):
        inside = labels == label
        where = np.nonzero(inside)
        turn = rng.uniform(-0.15, 0.15)
        stands = rng.random() < upright
        if len(where[0]) == 0 or not stands:
            continue
        foot = disparity[where[0].max(), where[1][where[0].argmax()]]
        # A wall that is seen at an angle: its disparity is linear across.
        across = (where[1] - where[1].mean()) / w
        disparity[inside] = foot * (1 + turn * across)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    smooth = guided_filter(grey, disparity.astype(np.float32), 2, 1e-3)
    return np.clip(smooth * (1 - sky), 0, 1).astype(np.float32)
