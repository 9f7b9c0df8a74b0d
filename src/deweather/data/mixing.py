"""Several data sets as one: each batch is drawn from one of them by its weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch.utils.data import Dataset

from deweather.errors import ConfigError

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
