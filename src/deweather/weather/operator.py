"""What all weather shares: an operator is called with a scene and a seed and returns `Degraded`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from deweather.errors import ConfigError
from deweather.weather.scene import Scene

Parameter = float | Tensor
"""A physical parameter: one number for the batch, or a tensor with one for each picture."""


@dataclass
class Degraded:
    """Frames in bad weather, and how they came about.

    Attributes:
        frames: (B, V, 3, H, W), sRGB in [0, 1].
        record: every parameter and map that made them, by `operator.name`.
    """

    frames: Tensor
    record: dict[str, Tensor] = field(default_factory=dict)


class Operator(Protocol):
    """Bad weather, or a camera: a seeded map from a scene to degraded frames.

    Picture i of a batch draws from seed + i, so a batch of N equals N single calls with those
    seeds; a sequence gives each picture its own seed.
    """

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Degrade the scene's frames."""
        ...


class Compose:
    """Operators one after another, each on what the one before left: far to near, then camera."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        """Take the operators in the order in which the light meets them."""
        self.operators = list(operators)

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Degrade the scene by each operator in turn; the records are merged."""
        record: dict[str, Tensor] = {}
        for operator in self.operators:
            degraded = operator(scene, seed)
            record.update(degraded.record)
            scene = scene.with_frames(degraded.frames)
        return Degraded(scene.frames, record)


def generators(seed: int | Sequence[int], batch: int, stream: int) -> list[torch.Generator]:
    """One CPU generator a picture; `stream` keeps the draws of different operators apart."""
    seeds = [seed + i for i in range(batch)] if isinstance(seed, int) else list(seed)
    if len(seeds) != batch:
        raise ConfigError(f"{len(seeds)} seeds for a batch of {batch}; give one each, or one int.")
    return [torch.Generator().manual_seed(_mixed(s, stream)) for s in seeds]


def _mixed(seed: int, stream: int) -> int:
    """Hash seed and stream to 32 bits, all that torch's CPU generator looks at (SplitMix64)."""
    z = (seed * 1024 + stream + 1) * 0x9E3779B97F4A7C15
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z &= (1 << 64) - 1
        z = (z ^ (z >> shift)) * factor
    z &= (1 << 64) - 1
    return (z >> 32) ^ (z & 0xFFFFFFFF)


def per_picture(value: Parameter, scene: Scene, name: str) -> Tensor:
    """Bring a parameter to (B,) on the scene's device."""
    b = scene.frames.shape[0]
    tensor = torch.as_tensor(value, dtype=scene.frames.dtype, device=scene.frames.device)
    if tensor.ndim == 0:
        tensor = tensor.expand(b)
    if tuple(tensor.shape) != (b,):
        raise ConfigError(f"{name} has shape {tuple(tensor.shape)}; give a number or ({b},).")
    return tensor


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Raise ConfigError unless the condition holds."""
    if not condition:
        raise ConfigError(f"{name} = {value!r}; expected {expected}.")
