"""Integer samples between 8 and 16 bits: 65535 is 257 times 255."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deweather.image.picture import band_starts

Array = NDArray[Any]


def to_8_bit(samples: Array) -> Array:
    """Samples (H, W, ...) of uint16 rounded to the nearest uint8; those of uint8 as they are."""
    if samples.dtype == np.uint8:
        return samples
    out = np.empty(samples.shape, np.uint8)
    starts = band_starts(*samples.shape[:2])
    for y in starts:
        out[y : y + starts.step] = (samples[y : y + starts.step].astype(np.uint32) + 128) // 257
    return out


def to_16_bit(samples: Array) -> Array:
    """Samples of uint8 as the same share of uint16; those of uint16 as they are."""
    return samples if samples.dtype == np.uint16 else samples.astype(np.uint16) * np.uint16(257)
