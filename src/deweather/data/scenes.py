"""Batches of clean scenes: photographs with synthetic depth, pairs with disparity, layered pairs.

Batch k of a run is a function of (seed, k) alone. So a run that was interrupted continues with the
very batches that it would have seen, and no sampler state needs to be saved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from deweather.data.crops import Photometric, draw_window, mirrored
from deweather.data.scene_library import SceneLibrary
from deweather.errors import ConfigError
from deweather.weather.depth import synthetic_disparity
from deweather.weather.layers import layered_pair
from deweather.weather.scene import Scene
from deweather.weather.segments import segmented_disparity

Pictures = NDArray[np.uint8]
Maps = NDArray[np.float32]

_LARGEST = 40  # pixels; disparity of what is nearest in a photograph with synthetic depth
_FARTHEST = 0.01  # of it; what lies at infinity would vanish in any haze at all

COLOURS = Photometric(
    saturation=(0.3, 1.6),
    gamma=(float(np.exp(-0.5)), float(np.exp(0.5))),
    gain=(0.9, 1.05),
    dark=(0.35, 0.9),
    dark_share=0.25,
)
"""How clean scenes are varied. A quarter is underexposed, so that dull is not taken for hazy."""


class SceneBatches(Dataset[Scene]):
    """Batch k: so many pictures of clean scenes, of single cameras or of pairs.

    Args:
        library: where the pictures come from.
        patch: side of the square crops, pixels.
        batch_pictures: pictures in a batch; a stereo batch has half as many pairs.
        stereo_share: share of stereo batches.
        layered_share: share of the stereo scenes that are cut from photographs.
        scales: each picture is reduced by a factor between these before it is cropped.
        length: number of batches.
        seed: of the run.
        segmented_share: share of the photographs whose synthetic depth follows their own outlines.
    """

    def __init__(
        self,
        library: SceneLibrary,
        *,
        patch: int,
        batch_pictures: int,
        stereo_share: float,
        layered_share: float,
        scales: tuple[float, float],
        length: int,
        seed: int,
        segmented_share: float = 0.0,
    ) -> None:
        self.clean, self.patch, self.length = library, patch, length
        self.batch_pictures = batch_pictures
        self.stereo_share, self.layered_share = stereo_share, layered_share
        self.scales, self.seed, self.segmented_share = scales, seed, segmented_share
        if batch_pictures < (2 if stereo_share > 0 else 1):
            raise ConfigError(
                f"batch_pictures = {batch_pictures}; give at least 1, or 2 where there are pairs."
            )
        if stereo_share > 0 and not library.pairs and layered_share < 1:
            raise ConfigError("no stereo pairs to train on; set layered_share to 1.")
        if not library.photos and (stereo_share < 1 or layered_share > 0):
            raise ConfigError("no photographs to train on; add a folder mono/.")

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Scene:
        """Batch `index` as a Scene with frames (B, V, 3, patch, patch)."""
        rng = np.random.default_rng([self.seed, index])
        stereo = rng.random() < self.stereo_share
        count = self.batch_pictures // 2 if stereo else self.batch_pictures
        drawn = [self._stereo(rng) if stereo else self._mono(rng) for _ in range(count)]
        frames = torch.from_numpy(np.stack([d[0] for d in drawn])).permute(0, 1, 4, 2, 3)
        disparity = torch.from_numpy(np.stack([d[1] for d in drawn]).astype(np.float32))
        (frames,) = COLOURS([frames.float() / 255], rng)
        focal = torch.from_numpy(self.patch * rng.uniform(1.5, 6.0, count)).float()
        # The baseline puts the median point between 3 and 60 metres.
        depth = torch.from_numpy(np.exp(rng.uniform(np.log(3), np.log(60), count))).float()
        median = disparity.flatten(1).median(1).values.clamp_min(0.25)
        return Scene(frames, disparity.unsqueeze(2), focal, depth * median / focal)

    def _mono(self, rng: np.random.Generator) -> tuple[Pictures, Maps]:
        photo = self.clean.photos[int(rng.integers(len(self.clean.photos)))]
        crop, _ = self._crop(rng, [photo])
        disparity = self._synthetic(rng, crop[0])[None] * _LARGEST
        if rng.random() < 0.5:
            crop, disparity = mirrored(crop), mirrored(disparity)
        return np.ascontiguousarray(crop), np.ascontiguousarray(disparity)

    def _synthetic(self, rng: np.random.Generator, picture: Pictures) -> Maps:
        # Without a share nothing is drawn for it: the batches of older runs stay what they were.
        if self.segmented_share > 0 and rng.random() < self.segmented_share:
            return np.maximum(segmented_disparity(rng, picture), np.float32(_FARTHEST))
        return synthetic_disparity(rng, picture)

    def _stereo(self, rng: np.random.Generator) -> tuple[Pictures, Maps]:
        if rng.random() < self.layered_share:
            chosen = rng.integers(len(self.clean.photos), size=int(rng.integers(1, 5)))
            photos = [self.clean.photos[int(i)] for i in chosen]
            pair, disparity = layered_pair(
                rng, photos, self.patch, self.patch, rng.uniform(0.05, 0.4) * self.patch
            )
        else:
            source = self.clean.pairs[int(rng.integers(len(self.clean.pairs)))]
            maps = list(source.disparity.astype(np.float32))
            pair, disparity = self._crop(rng, list(source.pair), maps)
        if rng.random() < 0.5:
            pair, disparity = mirrored(pair), mirrored(disparity)
        return np.ascontiguousarray(pair), np.ascontiguousarray(disparity)

    def _crop(
        self, rng: np.random.Generator, views: Sequence[Pictures], maps: Sequence[Maps] = ()
    ) -> tuple[Pictures, Maps]:
        """The same random crop of all views, reduced by a random factor, disparity with it."""
        height, width = views[0].shape[:2]
        window = draw_window(rng, height, width, self.patch, self.scales)
        pictures = np.stack([window.of(view) for view in views])
        if not maps:
            return pictures, np.zeros(0, np.float32)
        return pictures, np.stack([window.of_map(m) for m in maps]) * np.float32(window.ratio)
