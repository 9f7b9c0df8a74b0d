"""Several data sets as one, and clear sets as scenes for weather made on the fly."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from deweather.data.calibration import read_calibration
from deweather.data.layouts import Sample
from deweather.data.pictures import Decoded, PictureSet
from deweather.data.scenes import SceneLibrary, StereoPictures
from deweather.errors import ConfigError, PairError, PictureError
from deweather.weather.matching import both_views, match

logger = logging.getLogger(__name__)

Array = NDArray[Any]
Batch_co = TypeVar("Batch_co", covariant=True)


class MixedBatches(Dataset[Batch_co]):
    """Batch k of one of several sets, which is drawn by weight from (seed, k) alone.

    Each set gives its own batch of number k, so a set must be a function of that number too.

    Args:
        sets: with their weights, which need not add up to 1.
        length: number of batches; no set may be shorter.
        seed: of the run.

    Raises:
        ConfigError: there are no sets, a weight is not positive, or a set is too short.
    """

    def __init__(
        self, sets: Sequence[tuple[Dataset[Batch_co], float]], *, length: int, seed: int
    ) -> None:
        """Keep the sets and their weights."""
        if not sets:
            raise ConfigError("no sets to mix; give at least one.")
        weights = np.array([weight for _, weight in sets], float)
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            raise ConfigError(f"weights of the sets are {weights.tolist()}; give positive numbers.")
        for number, (batches, _) in enumerate(sets):
            held = len(batches)  # type: ignore[arg-type]  # torch leaves it out of the type
            if held < length:
                raise ConfigError(f"set {number} has {held} batches; give it {length}.")
        self.sets = [batches for batches, _ in sets]
        self.shares = weights / weights.sum()
        self.length, self.seed = length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Batch_co:
        """Batch `index` of the set drawn for it."""
        return self.sets[self.chosen(index)][index]

    def chosen(self, index: int) -> int:
        """The number of the set that batch `index` comes from."""
        rng = np.random.default_rng([self.seed, index, 3])
        return int(rng.choice(len(self.sets), p=self.shares))


def scene_library(pictures: PictureSet, longest: int = 1280) -> SceneLibrary:
    """The clean pictures of a set, in memory, as scenes: pairs with disparity, or photographs.

    Where there is no disparity the pair is matched. Of several degraded versions of a scene the
    clean pictures are taken once. Where disparity is not 0 at infinity (Middlebury's `doffs`), it
    is made so, and the right view is cut on the left by as many pixels. What cannot be read or does
    not fit is left out, with a warning that names it.

    Args:
        pictures: a set with clean pictures.
        longest: larger pictures are reduced to this many pixels.

    Raises:
        ConfigError: the set has no clean pictures.
        PictureError: no sample can be used, and files of the first cannot be read.
        PairError: no sample can be used, and pictures of the first differ in size.
    """
    if not pictures.layout.has("clean"):
        raise ConfigError(
            f"layout {pictures.layout.name!r} has no clean pictures to make scenes of."
        )
    library = SceneLibrary([], [])
    taken: set[object] = set()
    broken: dict[str, PictureError | PairError] = {}
    for index, sample in enumerate(pictures.samples):
        if sample.clean in taken:
            continue
        try:
            decoded, offset = pictures.load(index), _offset(pictures, sample)
        except (PictureError, PairError) as error:
            if str(error) not in broken:  # many samples may share a clean picture
                logger.warning("left out: %s", error)
                broken[str(error)] = error
            continue
        taken.add(sample.clean)
        clean = [_eight_bits(picture) for picture in decoded.clean]
        if sample.views == 1:
            factor = min(1.0, longest / max(decoded.size))
            library.photos.append(_reduced(clean[0], factor, cv2.INTER_AREA))
        else:
            library.pairs.append(_pair(clean, decoded, offset, longest))
    if not taken:
        raise next(iter(broken.values()))
    return library


def _offset(pictures: PictureSet, sample: Sample) -> int:
    """Whole pixels by which disparities fall short of being 0 at infinity."""
    form = pictures.layout.camera_format
    if sample.camera is None or form is None:
        return 0
    return round(read_calibration(sample.camera, form).offset)


def _pair(clean: list[Array], decoded: Decoded, offset: int, longest: int) -> StereoPictures:
    width = decoded.size[1] - abs(offset)
    factor = min(1.0, longest / max(decoded.size[0], width))
    columns = slice(max(-offset, 0), None), slice(max(offset, 0), None)  # of left and right view
    left, right = (
        _reduced(picture[:, part][:, :width], factor, cv2.INTER_AREA)
        for picture, part in zip(clean, columns, strict=True)
    )
    if decoded.disparity is None:
        disparity = match(left, right)
    else:
        known = []
        for values, part in zip(decoded.disparity, columns, strict=True):
            small = _reduced(values[:, part][:, :width], factor, cv2.INTER_NEAREST)
            known.append(np.nan_to_num((small + np.float32(offset)) * np.float32(factor)))
        disparity = both_views(known[0], known[1] if known[1].any() else None)
    # What lies at infinity would vanish in any haze at all, and nothing could be learned from it.
    floor = 0.3 * np.percentile(disparity[disparity > 0], 5) if (disparity > 0).any() else 0.0
    disparity = np.maximum(disparity, np.float32(floor))
    return StereoPictures(np.stack([left, right]), disparity.astype(np.float16))


def _reduced(array: Array, factor: float, how: int) -> Array:
    if factor == 1:
        return np.ascontiguousarray(array)
    return cv2.resize(np.ascontiguousarray(array), None, fx=factor, fy=factor, interpolation=how)


def _eight_bits(picture: Array) -> Array:
    """A picture of 16 bits as one of 8: 65535 is 257 times 255."""
    return picture if picture.dtype == np.uint8 else ((picture + 128.0) / 257).astype(np.uint8)
