"""Crops, mirrors and changes of colour that leave a pair a rectified pair.

All views of a sample, degraded and clean, are cut by one window, so that a row stays a row in both
views; disparity in pixels scales with the pictures. Whatever is random is drawn from the generator
that is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deweather.errors import ConfigError

Array = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """A square of a picture, and the side in pixels that it is resized to."""

    top: int
    left: int
    side: int
    patch: int

    @property
    def ratio(self) -> float:
        """By how much the cut is enlarged; below 1 where it is reduced."""
        return self.patch / self.side

    def of(self, picture: Array) -> Array:
        """Cut a picture (H, W, 3), uint8 or uint16: (patch, patch, 3)."""
        cut = self._cut(picture)
        if self.side == self.patch:
            return cut
        how = cv2.INTER_AREA if self.ratio < 1 else cv2.INTER_CUBIC
        return cv2.resize(cut, (self.patch, self.patch), interpolation=how)

    def of_map(self, values: Array) -> Array:
        """Cut a map (H, W) of disparities or depths, nearest neighbours: (patch, patch)."""
        cut = self._cut(values)
        if self.side == self.patch:
            return cut
        return cv2.resize(cut, (self.patch, self.patch), interpolation=cv2.INTER_NEAREST)

    def _cut(self, values: Array) -> Array:
        return values[self.top : self.top + self.side, self.left : self.left + self.side]


def draw_window(
    rng: np.random.Generator,
    height: int,
    width: int,
    patch: int,
    scales: tuple[float, float] = (1.0, 1.0),
) -> Window:
    """A random window of a picture that is reduced by a random factor before it is cut.

    Args:
        rng: of the draw.
        height: of the picture, pixels.
        width: of the picture, pixels.
        patch: side of the result, pixels. Pictures that are smaller are enlarged.
        scales: least and largest factor, drawn evenly in the logarithm.
    """
    factor = float(np.exp(rng.uniform(np.log(scales[0]), np.log(scales[1]))))
    side = min(max(1, round(patch / factor)), height, width)
    top, left = (int(rng.integers(0, n - side + 1)) for n in (height, width))
    return Window(top, left, side, patch)


def mirrored(views: Array) -> Array:
    """Mirror views (V, H, W, ...) and, of a pair, swap them: again a rectified pair."""
    return views[::-1, :, ::-1]


@dataclass(frozen=True)
class Phase:
    """What batches look like for a while.

    Attributes:
        patch: side of the crops, pixels.
        batch: samples in a batch.
        until: the number of the batch at which the next phase begins; None for the last.
    """

    patch: int
    batch: int
    until: int | None = None


@dataclass(frozen=True)
class Curriculum:
    """Phases one after the other: small patches first, large ones later.

    Raises:
        ConfigError: a phase but the last has no end, ends do not grow, or a size is not positive.
    """

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        ends = [phase.until for phase in self.phases]
        known = [0, *(end for end in ends[:-1] if end is not None)]
        if (
            not ends
            or ends[-1] is not None
            or len(known) < len(ends)
            or known != sorted(set(known))
        ):
            raise ConfigError(
                f"phases end at {ends}; give growing numbers of batches, and None for the last."
            )
        for phase in self.phases:
            if phase.patch < 1 or phase.batch < 1:
                raise ConfigError(f"{phase}; give a positive patch and batch.")

    @classmethod
    def constant(cls, patch: int, batch: int) -> Curriculum:
        """One phase for all batches."""
        return cls((Phase(patch, batch),))

    def at(self, index: int) -> tuple[Phase, int]:
        """The phase of a batch, and how many samples all batches before it hold."""
        start, before = 0, 0
        for phase in self.phases:
            if phase.until is None or index < phase.until:
                break
            before += (phase.until - start) * phase.batch
            start = phase.until
        return phase, before + (index - start) * phase.batch


@dataclass(frozen=True)
class Photometric:
    """Random changes of colour, the same in degraded and clean pictures.

    Attributes:
        saturation: least and largest factor on the difference from grey.
        gamma: least and largest exponent on sRGB values, drawn evenly in the logarithm.
        gain: least and largest factor, drawn for each colour channel.
        dark: least and largest factor of samples that are underexposed.
        dark_share: how many are.
        separate: draw for each view, as two cameras with exposures of their own; else both views
            change alike.
    """

    saturation: tuple[float, float] = (1.0, 1.0)
    gamma: tuple[float, float] = (1.0, 1.0)
    gain: tuple[float, float] = (1.0, 1.0)
    dark: tuple[float, float] = (1.0, 1.0)
    dark_share: float = 0.0
    separate: bool = False

    def __post_init__(self) -> None:
        for name in ("saturation", "gamma", "gain", "dark"):
            low, high = getattr(self, name)
            if not 0 <= low <= high or (name == "gamma" and low == 0):
                raise ConfigError(f"{name} from {low} to {high}; give a range of positive numbers.")

    def __call__(self, frames: Sequence[Tensor], rng: np.random.Generator) -> list[Tensor]:
        """Change all of these frames (B, V, 3, H, W) alike; they stay in [0, 1]."""
        b, v = frames[0].shape[:2]
        v = v if self.separate else 1

        def draw(span: tuple[float, float], channels: int = 1) -> Tensor:
            return torch.from_numpy(rng.uniform(*span, (b, v, channels, 1, 1))).float()

        saturation, gain = draw(self.saturation), draw(self.gain, 3)
        gamma = draw((float(np.log(self.gamma[0])), float(np.log(self.gamma[1])))).exp()
        if self.dark_share > 0:
            gain = torch.where(draw((0.0, 1.0)) < self.dark_share, gain * draw(self.dark), gain)
        out = []
        for image in frames:
            grey = image.mean(2, keepdim=True)
            vivid = (grey + (image - grey) * saturation).clamp_min(1e-4)
            out.append((vivid**gamma * gain).clamp(0, 1))
        return out
