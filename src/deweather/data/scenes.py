"""Clean scenes for training: photographs with made-up depth, pairs with disparity, layered pairs.

Batch k of a run is a function of (seed, k) alone. So a run that was interrupted continues with the
very batches that it would have seen, and no sampler state needs to be saved.
"""

from __future__ import annotations

import contextlib
import logging
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from deweather.errors import ConfigError, PictureError
from deweather.weather.depth import made_up_disparity
from deweather.weather.layers import layered_pair
from deweather.weather.matching import both_views, match
from deweather.weather.scene import Scene
from deweather.weather.segments import segmented_disparity

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_LONGEST = 1280  # photographs are kept in memory at most this long
_LARGEST = 40  # pixels; disparity of what is nearest in a photograph with made-up depth
_FARTHEST = 0.01  # of it; what lies at infinity would vanish in any haze at all


@dataclass(frozen=True)
class StereoPictures:
    """A rectified pair (2, H, W, 3), uint8, with the disparity of both views (2, H, W), pixels."""

    pair: NDArray[np.uint8]
    disparity: NDArray[np.float16]


@dataclass
class SceneLibrary:
    """All clean pictures of a folder, in memory.

    Attributes:
        photos: (H, W, 3), uint8.
        pairs: rectified pairs with disparity.
    """

    photos: list[NDArray[np.uint8]]
    pairs: list[StereoPictures]

    @classmethod
    def read(cls, root: str | Path, *, guided: bool = False) -> SceneLibrary:
        """Read `root/mono/*`, `root/stereo_gt/*/` and `root/stereo/*/`; any may be missing.

        What cannot be read or does not fit is left out, with a warning that names it.

        Args:
            root: the folder.
            guided: fill holes of measured disparities up to the edges of the pictures, not along
                the rows.

        Raises:
            ConfigError: none of the three folders holds a picture.
            PictureError: nothing that is there can be used.
        """
        root = Path(root)
        broken: list[PictureError] = []
        photos = _usable(read_rgb, _pictures(root / "mono"), broken)
        pairs: list[StereoPictures] = []
        for kind in ("stereo_gt", "stereo"):
            folders = sorted(p for p in (root / kind).glob("*") if p.is_dir())
            pairs += _usable(partial(read_pair, guided=guided), folders, broken)
        if not photos and not pairs:
            if broken:
                raise broken[0]
            raise ConfigError(
                f"no pictures under {str(root)!r}; expected {root / 'mono'}/*.jpg, "
                f"{root / 'stereo_gt'}/SCENE/left.*, right.*, disparity.npz, or "
                f"{root / 'stereo'}/SCENE/left.*, right.*."
            )
        return cls(photos, pairs)


def _usable(
    read: Callable[[Path], _T], places: Iterable[Path], broken: list[PictureError]
) -> list[_T]:
    """All that can be read; the reasons of what cannot are added to `broken`."""
    found = []
    for place in places:
        try:
            found.append(read(place))
        except PictureError as error:
            logger.warning("left out: %s", error)
            broken.append(error)
    return found


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in _PICTURES)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3), uint8, at most 1280 pixels long."""
    picture = None
    with contextlib.suppress(FileNotFoundError, cv2.error):  # dead links; empty files
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise PictureError(f"{path}: cannot be read as a picture; remove or replace it.")
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    scale = _LONGEST / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return picture.astype(np.uint8, copy=False)


def read_pair(folder: Path, *, guided: bool = False) -> StereoPictures:
    """Read left.*, right.* and, where there is one, disparity.npz; else match the pair.

    `guided` fills the holes of disparity.npz up to the edges of the pictures.
    """
    sides: list[NDArray[np.uint8]] = []
    for side in ("left", "right"):
        found = [p for p in _pictures(folder) if p.stem == side]
        if not found:
            raise PictureError(f"{folder}: has no {side}.png (or .jpg, .webp); add it.")
        sides.append(read_rgb(found[0]))
    if sides[0].shape != sides[1].shape:
        raise PictureError(
            f"{folder}: left is {sides[0].shape}, right {sides[1].shape}; rectify them."
        )
    file = folder / "disparity.npz"
    if file.exists():
        pictures = (sides[0], sides[1]) if guided else None
        disparity = both_views(_read_disparity(file, sides[0].shape[:2]), pictures=pictures)
    else:
        disparity = match(sides[0], sides[1])
    # What lies at infinity would vanish in any haze at all, and nothing could be learned from it.
    floor = 0.3 * np.percentile(disparity[disparity > 0], 5) if (disparity > 0).any() else 0.0
    disparity = np.maximum(disparity, np.float32(floor))
    return StereoPictures(np.stack(sides), disparity.astype(np.float16))


def _read_disparity(file: Path, size: tuple[int, ...]) -> NDArray[np.float32]:
    """The left disparity for pictures of this size (H, W); both shrink together, 0 is unknown."""
    try:
        with np.load(file) as archive:
            left = archive["disparity"].astype(np.float32)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PictureError(f"{file}: holds no array 'disparity'; write it anew.") from error
    left[~np.isfinite(left)] = 0
    scale = min(1.0, _LONGEST / max(left.shape)) if left.ndim == 2 else 0.0
    if tuple(round(n * scale) for n in left.shape) != size:
        raise PictureError(f"{file}: has shape {left.shape}, the pictures {size}; make them alike.")
    if scale == 1:
        return left
    reduced = cv2.resize(left, size[::-1], interpolation=cv2.INTER_NEAREST)
    return (reduced * np.float32(scale)).astype(np.float32, copy=False)


class SceneBatches(Dataset[Scene]):
    """Batch k: `views` pictures of clean scenes, alternating single cameras and pairs.

    Args:
        library: where the pictures come from.
        patch: side of the square crops, pixels.
        views: pictures in a batch; a stereo batch has half as many pairs.
        stereo_share: share of stereo batches.
        layered_share: share of the stereo scenes that are cut from photographs.
        scales: each picture is reduced by a factor between these before it is cropped.
        length: number of batches.
        seed: of the run.
        segmented_share: share of the photographs whose made-up depth follows their own outlines.
    """

    def __init__(
        self,
        library: SceneLibrary,
        *,
        patch: int,
        views: int,
        stereo_share: float,
        layered_share: float,
        scales: tuple[float, float],
        length: int,
        seed: int,
        segmented_share: float = 0.0,
    ) -> None:
        """Keep the library and the sampling parameters."""
        self.clean, self.patch, self.views, self.length = library, patch, views, length
        self.stereo_share, self.layered_share = stereo_share, layered_share
        self.scales, self.seed, self.segmented_share = scales, seed, segmented_share
        if views < (2 if stereo_share > 0 else 1):
            raise ConfigError(f"views = {views}; give at least 1, or 2 where there are pairs.")
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
        count = self.views // 2 if stereo else self.views
        drawn = [self._stereo(rng) if stereo else self._mono(rng) for _ in range(count)]
        frames = torch.from_numpy(np.stack([d[0] for d in drawn])).permute(0, 1, 4, 2, 3)
        disparity = torch.from_numpy(np.stack([d[1] for d in drawn]).astype(np.float32))
        frames = photometric(frames.float() / 255, rng)
        focal = torch.from_numpy(self.patch * rng.uniform(1.5, 6.0, count)).float()
        # The baseline puts the median point between 3 and 60 metres.
        depth = torch.from_numpy(np.exp(rng.uniform(np.log(3), np.log(60), count))).float()
        median = disparity.flatten(1).median(1).values.clamp_min(0.25)
        return Scene(frames, disparity.unsqueeze(2), focal, depth * median / focal)

    def _mono(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        photo = self.clean.photos[int(rng.integers(len(self.clean.photos)))]
        crop, _ = self._crop(rng, [photo])
        disparity = self._made_up(rng, crop[0]) * _LARGEST
        if rng.random() < 0.5:
            crop, disparity = crop[:, :, ::-1], disparity[:, ::-1]
        return np.ascontiguousarray(crop), np.ascontiguousarray(disparity[None])

    def _made_up(self, rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Without a share nothing is drawn for it: the batches of older runs stay what they were.
        if self.segmented_share > 0 and rng.random() < self.segmented_share:
            return np.maximum(segmented_disparity(rng, picture), np.float32(_FARTHEST))
        return made_up_disparity(rng, picture)

    def _stereo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
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
            pair, disparity = mirror_pair(pair, disparity)
        return np.ascontiguousarray(pair), np.ascontiguousarray(disparity)

    def _crop(
        self,
        rng: np.random.Generator,
        views: Sequence[NDArray[np.uint8]],
        maps: Sequence[NDArray[np.float32]] = (),
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The same random crop of all views, reduced by a random factor, disparity with it."""
        h, w = views[0].shape[:2]
        low, high = self.scales
        factor = np.exp(rng.uniform(np.log(low), np.log(high)))
        side = int(min(max(self.patch, self.patch / factor), h, w))
        top, left = int(rng.integers(0, h - side + 1)), int(rng.integers(0, w - side + 1))
        window = (slice(top, top + side), slice(left, left + side))
        size = (self.patch, self.patch)
        how = cv2.INTER_AREA if side >= self.patch else cv2.INTER_CUBIC
        out = [cv2.resize(v[window], size, interpolation=how) for v in views]
        ratio = self.patch / side
        scaled = [
            cv2.resize(m[window], size, interpolation=cv2.INTER_NEAREST) * ratio for m in maps
        ]
        return np.stack(out), np.stack(scaled) if scaled else np.zeros(0, np.float32)


def mirror_pair(
    pair: NDArray[np.uint8], disparity: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Mirror both views (2, H, W, ...) and swap them: again a rectified pair with its disparity."""
    return pair[::-1, :, ::-1], disparity[::-1, :, ::-1]


def photometric(frames: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Change exposure and colour, the same in all views: (B, V, 3, H, W), sRGB.

    A quarter of the scenes is underexposed, down to 0.35, so that dull is not taken for hazy.
    """
    b = frames.shape[0]
    saturation = torch.from_numpy(rng.uniform(0.3, 1.6, (b, 1, 1, 1, 1))).float()
    grey = frames.mean(2, keepdim=True)
    frames = grey + (frames - grey) * saturation
    gamma = torch.from_numpy(np.exp(rng.uniform(-0.5, 0.5, (b, 1, 1, 1, 1)))).float()
    gain = torch.from_numpy(rng.uniform(0.9, 1.05, (b, 1, 3, 1, 1))).float()
    dim = np.where(rng.random((b, 1, 1, 1, 1)) < 0.25, rng.uniform(0.35, 0.9, (b, 1, 1, 1, 1)), 1)
    gain = gain * torch.from_numpy(dim).float()
    return ((frames.clamp_min(1e-4) ** gamma) * gain).clamp(0, 1)
