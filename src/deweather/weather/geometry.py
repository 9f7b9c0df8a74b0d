"""Disparity and camera of a scene from a file, stereo matching, or synthetic depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deweather.errors import PairError, PictureError
from deweather.image import Camera
from deweather.image.bit_depth import to_8_bit
from deweather.image.disparity import Quantity, read_map
from deweather.weather.depth import synthetic_disparity
from deweather.weather.matching import both_views, fill_by_colour, match
from deweather.weather.scene import FAR
from deweather.weather.streams import DrawStream

Array = NDArray[Any]

DISTANCE = 30.0
"""Median distance in metres of a scene of which only the shape is known: that of a street."""

FOCAL = 0.9
"""Focal length of an unknown camera in widths of the picture: 58 degrees, as of a usual lens."""

_SEARCH = 6  # matching looks for disparities up to the width divided by this
_IMAGINED = 0.1  # metres


@dataclass(frozen=True)
class PartialCamera:
    """A camera or a rectified pair of them, as far as it is known.

    Attributes:
        focal: focal length in pixels.
        baseline: in metres.
        distance: median distance of the scene in metres, where there is no baseline.
    """

    focal: float | None = None
    baseline: float | None = None
    distance: float | None = None


@dataclass(frozen=True)
class Geometry:
    """Disparity and camera of a scene.

    Attributes:
        disparity: (1, V, 1, H, W), pixels.
        camera: its focal length and baseline, given or assumed.
        source: where the disparity comes from, in words.
    """

    disparity: Tensor
    camera: Camera
    source: str


def find_geometry(
    views: Sequence[Array],
    known: PartialCamera,
    *,
    map_file: Path | None = None,
    quantity: Quantity = "disparity",
    seed: int = 0,
) -> Geometry:
    """Find or make up the disparity of one or two views (H, W, 3), uint8 or uint16.

    Args:
        views: the picture, or left and right.
        known: the camera; what is unknown is assumed.
        map_file: disparity or depth of the (left) picture; without it pairs are matched, and the
            depth of single pictures is synthetic.
        quantity: which of the two the file holds.
        seed: of a synthetic depth.

    Raises:
        PictureError: the file cannot be read or does not fit the picture.
        PairError: the pair cannot be matched.
    """
    focal = known.focal or FOCAL * views[0].shape[1]
    if map_file is not None and quantity == "depth":
        # Of a single camera any baseline will do: only depths count.
        camera = Camera(focal, known.baseline or _IMAGINED)
        left = camera.disparity(np.minimum(_read(map_file, "depth", views[0]), np.float32(FAR)))
        return Geometry(_tensor(_filled(left, views)), camera, "depth file")
    maps, source = _maps(views, map_file, seed)
    baseline = known.baseline
    if baseline is None:
        distance = known.distance or DISTANCE
        positive = maps[0][maps[0] > 0]
        baseline = distance * float(np.median(positive) if positive.size else 1.0) / focal
    return Geometry(_tensor(maps), Camera(focal, baseline), source)


def _maps(
    views: Sequence[Array], map_file: Path | None, seed: int
) -> tuple[NDArray[np.float32], str]:
    """Disparity (1 or 2, H, W) in pixels, and where it comes from."""
    if map_file is not None:
        return _filled(_read(map_file, "disparity", views[0]), views), "disparity file"
    if len(views) == 2:
        return _matched(views), "semi-global matching"
    rng = np.random.default_rng([seed, DrawStream.SYNTHETIC_DEPTH])
    synthetic = synthetic_disparity(rng, to_8_bit(views[0]))
    return synthetic[None] * np.float32(0.1 * views[0].shape[1]), "synthetic"


def _filled(left: NDArray[np.float32], views: Sequence[Array]) -> NDArray[np.float32]:
    """Disparity of each view (1 or 2, H, W) of the left one (H, W), with NaN where it is unknown."""
    left = np.nan_to_num(left, nan=0.0).astype(np.float32, copy=False)
    pictures = [to_8_bit(view) for view in views]
    if len(pictures) == 1:
        return fill_by_colour(left, pictures[0])[None]
    return both_views(left, pictures=(pictures[0], pictures[1]))


def _tensor(maps: Array) -> Tensor:
    """Disparity (1, V, 1, H, W) of maps (V, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))[None, :, None]


def _read(path: Path, quantity: Quantity, picture: Array) -> NDArray[np.float32]:
    values = read_map(path, quantity)
    if values.shape != picture.shape[:2]:
        raise PictureError(
            f"{path}: has {values.shape[1]}x{values.shape[0]} pixels, the picture "
            f"{picture.shape[1]}x{picture.shape[0]}. Give the {quantity} of this picture."
        )
    return values


def _matched(views: Sequence[Array]) -> NDArray[np.float32]:
    left, right = (to_8_bit(view) for view in views)
    maps = match(left, right, largest=max(16, left.shape[1] // _SEARCH))
    if not (maps > 0).any():
        raise PairError(
            "left and right could not be matched anywhere. Check that they are a rectified pair, "
            "or give --disparity FILE."
        )
    return maps
