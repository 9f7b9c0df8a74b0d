"""The demo's scenes: Middlebury's motorcycle in our own haze and rain, mono and stereo.

The pair ships with scikit-image (D. Scharstein et al., "High-resolution stereo datasets with
subpixel-accurate ground truth", GCPR 2014). It is kept out of all training and checking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deweather.errors import MissingExtraError
from deweather.image import Camera
from deweather.image.frames import to_frames
from deweather.weather import Compose, Haze, Operator, Rain, Scene, Sensor
from deweather.weather.matching import both_views

CAMERA = Camera(focal_length=994.978, baseline=0.193001)
"""Of scikit-image's quarter-size pictures, from its docstring."""

_OFFSET = 31
"""Pixels between the principal points of both cameras (31.086)."""

SEED = 20


@dataclass(frozen=True)
class DemoScene:
    """A scene and what the camera saw of it.

    Attributes:
        name: haze, rain or clear.
        weather: in words.
        truth: (1, 2, 3, H, W), without weather.
        seen: the same shape, rounded to 8 bits as in a file.
    """

    name: str
    weather: str
    truth: Tensor
    seen: Tensor


def motorcycle() -> Scene:
    """The clean pair with its measured disparity, about 500x710 pixels, 2 to 5 metres away.

    Middlebury's disparities are counted from principal points that lie `_OFFSET` pixels apart. The
    right picture is cropped by as much, so that disparity d means depth f·B/d.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        from skimage.data import stereo_motorcycle
    except ImportError as error:
        raise MissingExtraError("scikit-image", "demo") from error
    left, right, measured = stereo_motorcycle()  # type: ignore[no-untyped-call]
    known = np.where(np.isfinite(measured), measured + _OFFSET, 0).astype(np.float32)
    width = left.shape[1] - _OFFSET
    disparity = both_views(known[:, :width])
    frames = to_frames([left[:, :width], right[:, _OFFSET:]])
    return Scene.of(frames, torch.from_numpy(disparity)[None, :, None], CAMERA)


def demo_scenes() -> list[DemoScene]:
    """The motorcycle in haze, in rain with a little mist, and in clear air; always the same."""
    clean = motorcycle()
    grain = Sensor(noise=0.004)
    cases: list[tuple[str, str, Operator]] = [
        (
            "haze",
            "haze, visibility 12 m",
            Compose([Haze(visibility=12.0, airlight=(0.80, 0.82, 0.85), inhomogeneity=0.3), grain]),
        ),
        (
            "rain",
            "rain of 150 mm/h and thin mist",
            Compose([Haze(150.0, airlight=0.8), Rain(150.0, wind=1.5, brightness=2.0), grain]),
        ),
        ("clear", "clear air", Compose([])),
    ]
    scenes = []
    for name, words, operator in cases:
        seen = (operator(clean, SEED).frames * 255).round() / 255
        scenes.append(DemoScene(name, words, clean.frames, seen))
    return scenes
