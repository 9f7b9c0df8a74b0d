"""A set of clear pictures -> scenes in memory: photographs, and rectified pairs with disparity."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.data.cache import ArrayCache
from deweather.data.calibration import read_calibration
from deweather.data.layouts import Sample
from deweather.data.listing import find_samples
from deweather.data.ordered import map_in_order
from deweather.data.pictures import Decoded, PictureSet
from deweather.errors import ConfigError, PairError, PictureError
from deweather.image.bit_depth import to_8_bit
from deweather.weather.matching import both_views, match

logger = logging.getLogger(__name__)

Array = NDArray[Any]

LAYOUT = "clear-scenes"
"""Of the folders that `SceneLibrary.read` takes: mono/, stereo/ and stereo_gt/."""

_LONGEST = 1280  # pixels; larger pictures are reduced to it before they are kept
_WORKERS = 4  # threads that decode and match: a scene each is in memory at its full size


@dataclass(frozen=True)
class StereoPictures:
    """A rectified pair and the disparity of both views.

    Attributes:
        pair: (2, H, W, 3), uint8, sRGB, left and right.
        disparity: (2, H, W), float16, pixels; known everywhere, above 0.
        id: of the sample.
    """

    pair: NDArray[np.uint8]
    disparity: NDArray[np.float16]
    id: str = ""


@dataclass
class SceneLibrary:
    """Clear pictures in memory.

    Attributes:
        photos: (H, W, 3), uint8, sRGB.
        pairs: those with a measured disparity first.
    """

    photos: list[NDArray[np.uint8]]
    pairs: list[StereoPictures]

    @classmethod
    def read(cls, root: str | Path, *, guided: bool = False) -> SceneLibrary:
        """Read a folder of layout `clear-scenes`: mono/, stereo/ and stereo_gt/, any may be missing.

        What cannot be read or lacks its partner is left out, with a warning that names it.

        Args:
            root: the folder.
            guided: see `of`.

        Raises:
            ConfigError: no sample lies in the folder.
            PictureError, PairError: nothing that is there can be used.
        """
        listing = find_samples(root, LAYOUT)
        for unmatched in listing.unmatched:
            logger.warning("left out: %s: %s", unmatched.files[0], unmatched.missing)
        pictures = PictureSet(listing.samples, listing.layout, ArrayCache(0))
        return cls.of(pictures, guided=guided)

    @classmethod
    def of(
        cls, pictures: PictureSet, *, longest: int = _LONGEST, guided: bool = False
    ) -> SceneLibrary:
        """The clean pictures of a set as scenes.

        Pairs without disparity are matched. Of several degraded versions of a scene the clean
        pictures are taken once. Where disparity is not 0 at infinity (Middlebury's `doffs`), it is
        made so, and the right view is cut on the left by as many pixels. What cannot be read or does
        not fit is left out, with a warning that names it.

        Args:
            pictures: a set with clean pictures.
            longest: larger pictures are reduced to this many pixels.
            guided: fill holes of measured disparities up to the edges of the pictures, and not along
                the rows.

        Raises:
            ConfigError: the set has no clean pictures.
            PictureError, PairError: no sample can be used; says why the first cannot.
        """
        if not pictures.layout.has("clean"):
            raise ConfigError(
                f"layout {pictures.layout.name!r} has no clean pictures to make scenes of."
            )
        reader = _Reader(pictures, longest, guided)
        workers = min(_WORKERS, os.cpu_count() or 1)
        photos: list[NDArray[np.uint8]] = []
        measured: list[StereoPictures] = []
        matched: list[StereoPictures] = []
        said: dict[str, PictureError | PairError] = {}  # many samples may share a clean picture
        for found in map_in_order(reader.read, reader.scenes(), workers):
            for error in found.errors:
                if str(error) not in said:
                    logger.warning("left out: %s", error)
                    said[str(error)] = error
            if isinstance(found.scene, StereoPictures):
                (measured if found.measured else matched).append(found.scene)
            elif found.scene is not None:
                photos.append(found.scene)
        if not photos and not measured and not matched:
            raise next(iter(said.values()))
        return cls(photos, measured + matched)


@dataclass(frozen=True)
class _Found:
    """A scene, or None, and what was wrong with versions of it."""

    scene: NDArray[np.uint8] | StereoPictures | None
    measured: bool
    errors: tuple[PictureError | PairError, ...]


class _Reader:
    """Reads scenes of a set, one at a time; threads may share it."""

    def __init__(self, pictures: PictureSet, longest: int, guided: bool) -> None:
        # Each picture is asked for once, so nothing is kept, and no cache is shared by threads.
        self.pictures = PictureSet(pictures.samples, pictures.layout, ArrayCache(0))
        self.longest, self.guided = longest, guided

    def scenes(self) -> list[list[int]]:
        """The numbers of the samples that show each scene."""
        versions: dict[object, list[int]] = {}
        for index, sample in enumerate(self.pictures.samples):
            versions.setdefault(sample.clean, []).append(index)
        return list(versions.values())

    def read(self, versions: Sequence[int]) -> _Found:
        """The scene, by the first version that can be read."""
        errors: list[PictureError | PairError] = []
        for index in versions:
            sample = self.pictures.samples[index]
            try:
                decoded, offset = self.pictures.load(index), self._offset(sample)
            except (PictureError, PairError) as error:
                errors.append(error)
                continue
            measured = decoded.disparity is not None
            if sample.views == 2:
                pair = self._pair(sample.id, decoded, offset)
                return _Found(pair, measured, tuple(errors))
            factor = min(1.0, self.longest / max(decoded.size))
            photo = _reduced(to_8_bit(decoded.clean[0]), factor, cv2.INTER_AREA)
            return _Found(photo, measured, tuple(errors))
        return _Found(None, False, tuple(errors))

    def _offset(self, sample: Sample) -> int:
        """Whole pixels by which disparities fall short of being 0 at infinity."""
        form = self.pictures.layout.camera_format
        if sample.camera is None or form is None:
            return 0
        return round(read_calibration(sample.camera, form).offset)

    def _pair(self, name: str, decoded: Decoded, offset: int) -> StereoPictures:
        width = decoded.size[1] - abs(offset)
        factor = min(1.0, self.longest / max(decoded.size[0], width))
        columns = slice(max(-offset, 0), None), slice(max(offset, 0), None)  # of left and right
        left, right = (
            _reduced(to_8_bit(picture)[:, part][:, :width], factor, cv2.INTER_AREA)
            for picture, part in zip(decoded.clean, columns, strict=True)
        )
        if decoded.disparity is None:
            disparity = match(left, right)
        else:
            known = []
            for values, part in zip(decoded.disparity, columns, strict=True):
                small = _reduced(values[:, part][:, :width], factor, cv2.INTER_NEAREST)
                known.append(np.nan_to_num((small + np.float32(offset)) * np.float32(factor)))
            other = known[1] if known[1].any() else None
            disparity = both_views(known[0], other, pictures=(left, right) if self.guided else None)
        # What lies at infinity would vanish in any haze at all, and nothing could be learned from it.
        known_ones = disparity[disparity > 0]
        floor = 0.3 * np.percentile(known_ones, 5) if known_ones.size else 0.0
        near = np.maximum(disparity, np.float32(floor))
        return StereoPictures(np.stack([left, right]), near.astype(np.float16), name)


def _reduced(array: Array, factor: float, how: int) -> Array:
    if factor == 1:
        return np.ascontiguousarray(array)
    return cv2.resize(np.ascontiguousarray(array), None, fx=factor, fy=factor, interpolation=how)
