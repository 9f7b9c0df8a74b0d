"""The pictures of a data set, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deweather.data.cache import ArrayCache
from deweather.data.layouts import Layout, PictureFile, Sample
from deweather.data.listing import find_samples
from deweather.errors import PairError
from deweather.image import read_picture, split_side_by_side
from deweather.image.bit_depth import to_16_bit
from deweather.image.disparity import Quantity, read_map

Array = NDArray[Any]


@dataclass(frozen=True)
class Decoded:
    """One sample in memory: V arrays each, all of one height and width.

    Attributes:
        degraded: (H, W, 3), all uint8 or all uint16; none in sets of clear pictures.
        clean: likewise; none in sets without ground truth.
        disparity: (V, H, W), float32, pixels, NaN where unknown; None where there is no file.
        depth: likewise, metres.
    """

    degraded: tuple[Array, ...]
    clean: tuple[Array, ...]
    disparity: Array | None = None
    depth: Array | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = (self.degraded or self.clean)[0].shape[:2]
        return height, width


class PictureSet:
    """The samples of one data set, decoded when they are asked for.

    Attributes:
        samples: what there is.
        layout: its rule.
        cache: of decoded pictures and maps.
    """

    def __init__(self, samples: Sequence[Sample], layout: Layout, cache: ArrayCache) -> None:
        """Take samples of one layout."""
        self.samples, self.layout, self.cache = tuple(samples), layout, cache

    @classmethod
    def find(
        cls,
        root: str | Path,
        layout: Layout | str,
        split: str | None = None,
        cache_bytes: int = 1 << 30,
    ) -> PictureSet:
        """The samples in a folder.

        Args:
            root: the folder.
            layout: a rule, or its name.
            split: which samples; all if None.
            cache_bytes: how much of what is decoded each process keeps in memory.

        Raises:
            ConfigError: nothing in the folder fits, or nothing is of this split.
            PairError: pictures lack their partners.
        """
        listing = find_samples(root, layout)
        listing.check_complete()
        return cls(listing.of_split(split), listing.layout, ArrayCache(cache_bytes))

    def __len__(self) -> int:
        return len(self.samples)

    def singles(self) -> PictureSet:
        """The views of all pairs as samples of their own, for single-picture training."""
        parts = [
            Sample(
                f"{s.id}:{('left', 'right')[view]}" if s.views == 2 else s.id,
                s.split,
                s.degraded[view : view + 1],
                s.clean[view : view + 1],
                s.disparity[view : view + 1],
                s.depth[view : view + 1],
                s.camera,
            )
            for s in self.samples
            for view in range(s.views)
        ]
        return PictureSet(parts, self.layout, self.cache)

    def load(self, index: int) -> Decoded:
        """Decode sample `index`; borders are cut off.

        Raises:
            PictureError: a file is missing or cannot be read.
            PairError: the pictures differ in size.
        """
        sample = self.samples[index]
        degraded = _of_one_depth([self._picture(file) for file in sample.degraded])
        clean = _of_one_depth([self._picture(file) for file in sample.clean])
        if degraded and clean and self.layout.border:
            clean = tuple(self._without_border(c, degraded[0].shape) for c in clean)
        both = degraded + clean
        sizes = [picture.shape[:2] for picture in both]
        if len(set(sizes)) > 1:
            names = ", ".join(
                f"{file.path} ({w}x{h})"
                for file, (h, w) in zip(sample.pictures, sizes, strict=True)
            )
            raise PairError(f"pictures of one sample differ in size: {names}. Crop or remove them.")
        disparity = self._maps(sample.disparity, "disparity", sizes[0])
        return Decoded(degraded, clean, disparity, self._maps(sample.depth, "depth", sizes[0]))

    def _picture(self, file: PictureFile) -> Array:
        return self.cache.get(file, lambda: read_view(file))

    def _without_border(self, clean: Array, shape: tuple[int, ...]) -> Array:
        n = self.layout.border
        bordered = clean.shape[0] == shape[0] + 2 * n and clean.shape[1] == shape[1] + 2 * n
        return clean[n:-n, n:-n] if bordered else clean

    def _maps(
        self, files: tuple[Path | None, ...], quantity: Quantity, size: tuple[int, ...]
    ) -> Array | None:
        if not any(files):
            return None
        maps = np.full((len(files), *size), np.nan, np.float32)
        for view, file in enumerate(files):
            if file is not None:
                values = self.read_map(file, quantity)
                if values.shape != tuple(size):
                    raise PairError(
                        f"{file} has shape {values.shape}, the pictures {tuple(size)}. "
                        "Make them alike."
                    )
                maps[view] = values
        return maps

    def read_map(self, file: Path, quantity: Quantity) -> Array:
        """A disparity (pixels) or depth (metres) of this layout: (H, W), NaN where unknown.

        Raises:
            PictureError: the file cannot be read.
        """
        code = self.layout.map_code if quantity == "disparity" else None
        return self.cache.get((file, quantity), lambda: read_map(file, quantity, code))


def read_view(file: PictureFile) -> Array:
    """The pixels of a picture, or of one half of it: (H, W, 3), uint8 or uint16, sRGB.

    Raises:
        PictureError: the file is missing or cannot be read.
        PairError: a picture that should hold two views has an odd width.
    """
    pixels = read_picture(file.path).pixels
    if file.half is None:
        return pixels
    return split_side_by_side(pixels)[("left", "right").index(file.half)].copy()


def _of_one_depth(views: Sequence[Array]) -> tuple[Array, ...]:
    """The views, with 16 bits if any has them."""
    if len({view.dtype for view in views}) < 2:
        return tuple(views)
    return tuple(map(to_16_bit, views))
