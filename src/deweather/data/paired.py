"""Batches of degraded and clean pictures from disk.

Batch k is a function of (seed, k) and the files alone, as in `deweather.data.scenes`: an
interrupted run goes on with the batches it would have seen. Every sample comes once before any
comes again. A picture that cannot be read is left out and named in its batch; one that has
disappeared is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from deweather.data.crops import Curriculum, Photometric, draw_window, mirrored
from deweather.data.pictures import Decoded, PictureSet
from deweather.errors import ConfigError, PairError, PictureError
from deweather.image.frames import to_frames

Array = NDArray[Any]

logger = logging.getLogger(__name__)

_TRIES = 100  # unreadable samples in a row after which something else must be wrong


@dataclass(frozen=True)
class PairBatch:
    """Degraded pictures and what they should look like.

    Attributes:
        degraded: (B, V, 3, H, W), sRGB in [0, 1].
        clean: the same shape; None in sets without ground truth.
        disparity: (B, V, 1, H, W), pixels, NaN where unknown; None if it is known of no sample.
        depth: likewise, metres.
        ids: of the samples.
        skipped: what was wrong with samples that should have been in this batch.
    """

    degraded: Tensor
    clean: Tensor | None
    disparity: Tensor | None = None
    depth: Tensor | None = None
    ids: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, sample: Decoded, name: str) -> PairBatch:
        """One sample of this id, as a batch of one."""

        def maps(values: Array | None) -> Tensor | None:
            if values is None:
                return None
            return torch.tensor(values.copy()).view(1, -1, 1, *sample.size)

        clean = to_frames(sample.clean) if sample.clean else None
        degraded = to_frames(sample.degraded)
        return cls(degraded, clean, maps(sample.disparity), maps(sample.depth), (name,))

    def to(self, device: torch.device | str) -> PairBatch:
        """The batch on another device."""
        tensors = {n: getattr(self, n) for n in ("degraded", "clean", "disparity", "depth")}
        return replace(self, **{n: t.to(device) for n, t in tensors.items() if t is not None})


class PairedBatches(Dataset[PairBatch]):
    """Batch k: random crops of the samples that are next in a shuffled order.

    Args:
        pictures: where they come from; of a layout with degraded pictures.
        curriculum: size and number of crops, by the number of the batch.
        scales: pictures are reduced by a factor between these before they are cropped.
        mirror: mirror half of the samples; the views of a pair swap places.
        quarter_turns: turn single pictures by 0, 90, 180 or 270 degrees.
        photometric: changes of colour.
        length: number of batches.
        seed: of the run.

    Raises:
        ConfigError: the set has no degraded pictures, or pairs were to be turned.
    """

    def __init__(
        self,
        pictures: PictureSet,
        *,
        curriculum: Curriculum,
        scales: tuple[float, float] = (1.0, 1.0),
        mirror: bool = True,
        quarter_turns: bool = False,
        photometric: Photometric | None = None,
        length: int,
        seed: int,
    ) -> None:
        """Keep the pictures and the sampling parameters."""
        if not pictures.layout.has("degraded"):
            raise ConfigError(
                f"layout {pictures.layout.name!r} holds clear pictures only; "
                "make a scene library of them and put weather in."
            )
        if quarter_turns and any(sample.views > 1 for sample in pictures.samples):
            raise ConfigError("quarter_turns would break rectified pairs; use it on singles().")
        if not 0 < scales[0] <= scales[1]:
            raise ConfigError(f"scales = {scales}; give the least and the largest factor.")
        self.pictures, self.curriculum, self.scales = pictures, curriculum, scales
        self.mirror, self.quarter_turns, self.photometric = mirror, quarter_turns, photometric
        self.length, self.seed = length, seed
        self._broken: dict[int, str] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> PairBatch:
        """Batch `index`.

        Raises:
            PictureError: a file is missing, or no picture can be read.
        """
        phase, first = self.curriculum.at(index)
        skipped: list[str] = []
        parts: list[PairBatch] = []
        for number in range(first, first + phase.batch):
            chosen, decoded = self._load(number, skipped)
            rng = np.random.default_rng([self.seed, number, 1])
            name = self.pictures.samples[chosen].id
            parts.append(PairBatch.of(self._augmented(decoded, phase.patch, rng), name))
        batch = replace(_joined(parts), skipped=tuple(skipped))
        if self.photometric is None:
            return batch
        rng = np.random.default_rng([self.seed, index, 2])
        frames = [batch.degraded] if batch.clean is None else [batch.degraded, batch.clean]
        changed = self.photometric(frames, rng)
        clean = None if batch.clean is None else changed[1]
        return replace(batch, degraded=changed[0], clean=clean)

    def _load(self, number: int, skipped: list[str]) -> tuple[int, Decoded]:
        """The sample of this number in the shuffled order, or the next one that can be read."""
        count = len(self.pictures)
        place = int(_order(self.seed, number // count, count)[number % count])
        for step in range(min(count, _TRIES)):
            chosen = (place + step) % count
            if chosen not in self._broken:
                try:
                    return chosen, self.pictures.load(chosen)
                except (PictureError, PairError) as error:
                    self._check_present(chosen, error)
                    self._broken[chosen] = str(error)
                    logger.warning("left out: %s", error)
            skipped.append(self._broken[chosen])
        raise PictureError(f"{len(skipped)} samples in a row cannot be used: {skipped[0]}")

    def _check_present(self, chosen: int, error: Exception) -> None:
        """Go on with the error where a file has disappeared: a disk, not a picture, is at fault."""
        sample = self.pictures.samples[chosen]
        files = [source.path for source in sample.pictures] + [*sample.disparity, *sample.depth]
        if any(file is not None and not file.exists() for file in files):
            raise error

    def _augmented(self, sample: Decoded, patch: int, rng: np.random.Generator) -> Decoded:
        window = draw_window(rng, *sample.size, patch, self.scales)
        mirror = self.mirror and rng.random() < 0.5
        turns = int(rng.integers(4)) if self.quarter_turns else 0

        def views(arrays: Iterable[Array], is_map: bool) -> Array:
            cut = window.of_map if is_map else window.of
            stack = np.stack([cut(array) for array in arrays])
            stack = mirrored(stack) if mirror else stack
            return np.rot90(stack, turns, axes=(1, 2))

        return Decoded(
            tuple(views(sample.degraded, False)),
            tuple(views(sample.clean, False)) if sample.clean else (),
            None
            if sample.disparity is None
            else views(sample.disparity, True) * np.float32(window.ratio),
            None if sample.depth is None else views(sample.depth, True),
        )


@lru_cache(maxsize=8)
def _order(seed: int, epoch: int, count: int) -> Array:
    """The shuffled order in which samples come in one pass through all."""
    return np.random.default_rng([seed, epoch, 0]).permutation(count)


def _joined(parts: Sequence[PairBatch]) -> PairBatch:
    """One batch of several; maps that some have not are unknown (NaN) there."""

    def maps(name: str) -> Tensor | None:
        values = [getattr(part, name) for part in parts]
        if all(value is None for value in values):
            return None
        unknown = torch.full_like(parts[0].degraded[:, :, :1], torch.nan)
        return torch.cat([unknown if value is None else value for value in values])

    clean = [part.clean for part in parts if part.clean is not None]
    return PairBatch(
        torch.cat([part.degraded for part in parts]),
        torch.cat(clean) if clean else None,
        maps("disparity"),
        maps("depth"),
        tuple(name for part in parts for name in part.ids),
    )
