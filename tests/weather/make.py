"""Small scenes for the tests of the weather."""

from __future__ import annotations

import numpy as np
import torch

from deweather.weather import Scene


def scene(
    b=1, v=1, h=9, w=13, *, depth=None, focal=50.0, baseline=0.2, seed=0, dtype=torch.float32
):
    """Random frames over random disparity, or over one depth in metres (a number or (H, W))."""
    draws = torch.Generator().manual_seed(seed)
    frames = torch.rand(b, v, 3, h, w, generator=draws, dtype=dtype)
    if depth is None:
        disparity = 0.2 + 5 * torch.rand(b, v, 1, h, w, generator=draws, dtype=dtype)
    else:
        distance = torch.as_tensor(depth, dtype=dtype).expand(b, v, 1, h, w)
        disparity = focal * baseline / distance
    ones = torch.ones(b, dtype=dtype)
    return Scene(frames, disparity, focal * ones, baseline * ones)


def batch_of(scenes):
    """One scene of several with the same sizes."""
    names = ("frames", "disparity", "focal_length", "baseline")
    return Scene(*(torch.cat([getattr(s, name) for s in scenes]) for name in names))


def photo(height=120, width=160, seed=0):
    """Something like a photograph, (H, W, 3), uint8: soft patches with texture."""
    import cv2

    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((5, 7, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), 1.0)
    return np.clip((0.6 * coarse + 0.8 * (fine - 0.5) + 0.2) * 255, 0, 255).astype(np.uint8)
