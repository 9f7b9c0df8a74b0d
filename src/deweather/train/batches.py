"""Numbered batches: what a run sees at a step is a function of the step, on any number of devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from deweather.data import PairBatch
from deweather.errors import ConfigError
from deweather.train.recipe import Recipe
from deweather.weather import Scene


@dataclass(frozen=True)
class Batch:
    """What a step works on, or one device's part of it.

    Attributes:
        number: of the batch in the run.
        seeds: of the weather, one for each sample.
        samples: clean scenes, or pictures that are degraded already, beside their truth.
        real: (B, V, 3, H, W), pictures without truth, or None.
    """

    number: int
    seeds: tuple[int, ...]
    samples: Scene | PairBatch
    real: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the pictures are."""
        return frames_of(self.samples).device

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        real = None if self.real is None else self.real.to(device)
        return replace(self, samples=self.samples.to(device), real=real)

    def part(self, index: int, count: int) -> Batch:
        """One of `count` equal parts of the samples.

        Raises:
            ConfigError: they cannot be parted equally.
        """
        if count == 1:
            return self
        own = share(len(self.seeds), index, count)
        real = self.real
        if real is not None:
            real = real[share(real.shape[0], index, count)]
        return Batch(self.number, self.seeds[own], _cut(self.samples, own), real)


def frames_of(samples: Scene | PairBatch) -> Tensor:
    """The pictures (B, V, 3, H, W) of clean scenes, or the degraded ones of pairs."""
    return samples.frames if isinstance(samples, Scene) else samples.degraded


def _cut(samples: Scene | PairBatch, own: slice) -> Scene | PairBatch:
    """These samples of scenes or pairs."""
    values = {field.name: getattr(samples, field.name) for field in fields(samples)}
    cut: dict[str, Any] = {k: t[own] for k, t in values.items() if isinstance(t, Tensor)}
    return replace(samples, **cut)


def share(samples: int, index: int, count: int) -> slice:
    """The samples of device `index` of `count`: equal parts, or a mean would weigh them unequally.

    Raises:
        ConfigError: there are none.
    """
    if samples % count:
        raise ConfigError(
            f"{samples} samples in a batch on {count} devices; set data.batch_pictures (half of it are "
            f"pairs) and loss.real_batch_pictures so that {count} divides them."
        )
    size = samples // count
    return slice(index * size, (index + 1) * size)


class Stream(Dataset[Batch]):
    """All batches of a run by their number, in parts for several devices.

    Args:
        recipe: its seed and length.
        dataset: scenes or pairs by the number of the batch.
        real: pictures without truth by the number of the batch, if the loss wants them.
        index: of this device among `count`.
        count: devices.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset[Scene | PairBatch],
        real: Dataset[PairBatch] | None = None,
        *,
        index: int = 0,
        count: int = 1,
    ) -> None:
        """Keep the dataset."""
        self.dataset, self.real, self.index, self.count = dataset, real, index, count
        self.seed = recipe.seed
        self.length = recipe.steps * recipe.optimizer.accumulate
        data = recipe.data
        self.seeds_each = max(
            [data.batch_pictures, *(phase.batch_pictures for phase in data.phases)]
        )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        """Batch `number`, this device's part; numbers past the end are batches, too."""
        samples = self.dataset[number]
        first = (self.seed << 40) + number * self.seeds_each
        seeds = tuple(range(first, first + frames_of(samples).shape[0]))
        real = None if self.real is None else self.real[number].degraded
        return Batch(number, seeds, samples, real).part(self.index, self.count)


class _From(Sampler[int]):
    """The numbers from `start` to the end, in order."""

    def __init__(self, start: int, end: int) -> None:
        self.numbers = range(start, end)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def batches_from(stream: Stream, start: int, workers: int) -> DataLoader[Batch]:
    """Load the batches from number `start` on, in order, by `workers` processes (0: this one)."""
    return DataLoader(
        stream,
        batch_size=None,
        sampler=_From(start, len(stream)),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
