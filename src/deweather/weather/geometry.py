"""Where the things of a picture are: its disparity from a file, from matching, or made up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deweather.errors import ConfigError, PairError, PictureError
from deweather.image import Camera
from deweather.image.disparity import Quantity, read_map
from deweather.jobs.parameters import Settings
from deweather.weather.depth import made_up_disparity
from deweather.weather.matching import both_views, fill_by_colour, match
from deweather.weather.scene import FAR
from deweather.weather.streams import DrawStream

Array = NDArray[Any]

DISTANCE = 30.0
"""Median distance in metres of a scene of which only the shape is known: that of a street."""

_FOCAL = 0.9  # widths of the picture, 58 degrees: a camera with a usual lens
_SEARCH = 6  # matching looks for disparities up to the width divided by this
_IMAGINED = 0.1  # metres
_NEEDED = 256  # bytes per pixel and view at the peak: measured up to 220, with all options


@dataclass(frozen=True)
class Rig:
    """What is known of the camera and of where depth comes from.

    Attributes:
        focal: focal length in pixels.
        baseline: in metres.
        distance: median distance of the scene in metres, where there is no baseline.
        source: what the files beside the pictures hold; None where there are none.
    """

    focal: float | None = None
    baseline: float | None = None
    distance: float | None = None
    source: Quantity | None = None

    @classmethod
    def of(cls, given: Settings, source: Quantity | None) -> Rig:
        """The rig of what `--camera` was given."""
        numbers = {key: value for key, value in given.items() if isinstance(value, float)}
        return cls(source=source, **numbers)

    def check(self, views: int) -> None:
        """See that values are positive and do not contradict each other.

        Args:
            views: of each scene, 1 or 2.

        Raises:
            ConfigError: naming the key and what to give instead.
        """
        for key, value in self.settings().items():
            if not (isinstance(value, float) and 0 < value < float("inf")):
                raise ConfigError(f"--camera {key}={value}: give a positive number.")
        if self.baseline is not None and self.distance is not None:
            raise ConfigError("--camera: baseline and distance exclude each other.")
        if self.source == "depth" and self.distance is not None:
            raise ConfigError("--camera distance: --depth gives all distances already.")
        if self.source == "depth" and views == 2 and None in (self.focal, self.baseline):
            raise ConfigError("--depth of pairs needs --camera focal=PIXELS,baseline=METRES.")
        if self.source is None and views == 1 and self.baseline is not None:
            raise ConfigError(
                "--camera baseline: a single picture with made-up depth has none. Give "
                "distance=METRES, the median distance of the scene, or --disparity FILE."
            )

    def assumptions(self, views: int) -> list[str]:
        """What has to be assumed of scenes of one or two views, in plain sentences."""
        said = []
        if self.source is None and views == 1:
            said.append("The depth of the pictures is made up; --disparity or --depth give it.")
        if self.focal is None:
            said.append(
                f"The focal length is taken as {_FOCAL:g} widths of the picture; "
                "--camera focal=PIXELS gives it."
            )
        if self.source != "depth" and self.baseline is None and self.distance is None:
            key = "distance" if self.source is None and views == 1 else "baseline"
            said.append(
                f"The median distance is taken as {DISTANCE:.0f} m; --camera {key}=METRES gives "
                f"{'it' if key == 'distance' else 'the true one'}."
            )
        return said

    def settings(self) -> Settings:
        """What was given, by key."""
        values = (("focal", self.focal), ("baseline", self.baseline), ("distance", self.distance))
        return {key: value for key, value in values if value is not None}


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


def geometry_of(views: Sequence[Array], rig: Rig, map_file: Path | None, seed: int) -> Geometry:
    """Find or make up the disparity of one or two views (H, W, 3), uint8 or uint16.

    Args:
        views: the picture, or left and right.
        rig: the camera, as far as it is known.
        map_file: disparity or depth of the (left) picture, whichever `rig.source` says.
        seed: of a made-up depth.

    Raises:
        PictureError: the file cannot be read or does not fit the picture.
        PairError: the pair cannot be matched.
    """
    focal = rig.focal or _FOCAL * views[0].shape[1]
    if map_file is not None and rig.source == "depth":
        # Of a single camera any baseline will do: only depths count.
        camera = Camera(focal, rig.baseline or _IMAGINED)
        left = camera.disparity(np.minimum(_map(map_file, "depth", views[0]), np.float32(FAR)))
        return Geometry(_frames(_filled(left, views), views), camera, "depth file")
    maps, source = _maps(views, map_file, seed)
    baseline = rig.baseline
    if baseline is None:
        distance = rig.distance or DISTANCE
        known = maps[0][maps[0] > 0]
        baseline = distance * float(np.median(known) if known.size else 1.0) / focal
    return Geometry(_frames(maps, views), Camera(focal, baseline), source)


def _maps(
    views: Sequence[Array], map_file: Path | None, seed: int
) -> tuple[NDArray[np.float32], str]:
    """Disparity (1 or 2, H, W) in pixels, and where it comes from."""
    if map_file is not None:
        return _filled(_map(map_file, "disparity", views[0]), views), "disparity file"
    if len(views) == 2:
        return _matched(views), "semi-global matching"
    rng = np.random.default_rng([seed, DrawStream.SYNTHETIC_DEPTH])
    made_up = made_up_disparity(rng, _eight_bits(views[0]))
    return made_up[None] * np.float32(0.1 * views[0].shape[1]), "made up"


def _filled(left: NDArray[np.float32], views: Sequence[Array]) -> NDArray[np.float32]:
    """Disparity of each view (1 or 2, H, W) of the left one (H, W), with NaN where it is unknown."""
    left = np.nan_to_num(left, nan=0.0).astype(np.float32, copy=False)
    pictures = [_eight_bits(view) for view in views]
    if len(pictures) == 1:
        return fill_by_colour(left, pictures[0])[None]
    return both_views(left, pictures=(pictures[0], pictures[1]))


def _frames(maps: Array, views: Sequence[Array]) -> Tensor:
    """Disparity (1, V, 1, H, W) of maps (V, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))[None, :, None]


def _map(path: Path, quantity: Quantity, picture: Array) -> NDArray[np.float32]:
    values = read_map(path, quantity)
    if values.shape != picture.shape[:2]:
        raise PictureError(
            f"{path}: has {values.shape[1]}x{values.shape[0]} pixels, the picture "
            f"{picture.shape[1]}x{picture.shape[0]}. Give the {quantity} of this picture."
        )
    return values


def _matched(views: Sequence[Array]) -> NDArray[np.float32]:
    left, right = (_eight_bits(view) for view in views)
    maps = match(left, right, largest=max(16, left.shape[1] // _SEARCH))
    if not (maps > 0).any():
        raise PairError(
            "left and right could not be matched anywhere. Check that they are a rectified pair, "
            "or give --disparity FILE."
        )
    return maps


def _eight_bits(pixels: Array) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    return (pixels >> 8).astype(np.uint8)


def check_memory(views: Sequence[Array]) -> None:
    """Refuse pictures that the machine has no memory for, before it begins to swap.

    Raises:
        PictureError: it needs more than is free; the message says how much.
    """
    height, width = views[0].shape[:2]
    needed, free = _NEEDED * len(views) * height * width, _free_memory()
    if free is not None and needed > free:
        raise PictureError(
            f"{width}x{height} pixels in {len(views)} views need about {needed / 2**30:.1f} GiB of "
            f"memory, {free / 2**30:.1f} are free. Reduce the picture or crop it."
        )


def _free_memory() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            facts = dict(line.split(":", 1) for line in file)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
