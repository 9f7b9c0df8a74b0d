"""Haze and streaks made without this package: what restores them may change, what makes them not."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

Array = NDArray[Any]


def scenes(height: int, width: int) -> tuple[Array, Array]:
    """The left and right view of the motorcycle, cut out and enlarged to a size, float in [0, 1]."""
    left, right, _ = skimage.data.stereo_motorcycle()
    cut = [cv2.resize(v[40:440, 100:700], (width, height), interpolation=cv2.INTER_AREA)
           for v in (left, right)]  # fmt: skip
    return cut[0].astype(np.float32) / 255, cut[1].astype(np.float32) / 255


def hazy(picture: Array, air: float = 0.8) -> Array:
    """Koschmieder's law with a transmission that falls towards the upper edge."""
    t = np.linspace(0.3, 0.8, picture.shape[0], dtype=np.float32)[:, None, None]
    return picture * t + air * (1 - t)


def rainy(picture: Array, seed: int = 0, amount: float = 0.004) -> Array:
    """Slanted bright streaks of 15 pixels."""
    rng = np.random.default_rng(seed)
    drops = (rng.random(picture.shape[:2]) < amount).astype(np.float32)
    line = cv2.line(np.zeros((15, 15), np.float32), (5, 14), (9, 0), 0.5, 1)
    streaks = np.clip(cv2.filter2D(drops, -1, line), 0, 0.6)[..., None]
    return picture * (1 - streaks) + streaks
