"""The camera of a rectified stereo rig: depth from disparity and disparity from depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from deweather.errors import ConfigError

Value = TypeVar("Value")
"""A float, a numpy array or a torch tensor; the result is of the same kind."""


@dataclass(frozen=True)
class Camera:
    """A rectified pair of pinhole cameras, or one of them where only the focal length matters.

    Attributes:
        focal_length: in pixels of the picture at hand; see `scaled`.
        baseline: distance between the two optical centres, in metres.
    """

    focal_length: float
    baseline: float

    def __post_init__(self) -> None:
        for name, value, unit in (
            ("focal_length", self.focal_length, "pixels"),
            ("baseline", self.baseline, "metres"),
        ):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"camera {name} is {value!r}; give a positive number of {unit}.")

    def depth(self, disparity: Value) -> Value:
        """Depth in metres of a disparity in pixels, Z = f·B/d; disparity 0 is infinitely far."""
        return _ratio(self.focal_length * self.baseline, disparity)

    def disparity(self, depth: Value) -> Value:
        """Disparity in pixels of a depth in metres, d = f·B/Z; infinite depth has disparity 0."""
        return _ratio(self.focal_length * self.baseline, depth)

    def scaled(self, factor: float) -> Camera:
        """The same rig seen in a picture resized by `factor`: the focal length in pixels scales."""
        if not (math.isfinite(factor) and factor > 0):
            raise ConfigError(f"camera scale factor is {factor!r}; give a positive number.")
        return Camera(self.focal_length * factor, self.baseline)


def _ratio(numerator: float, value: Any) -> Any:
    """`numerator / value` where 0 (of either sign) gives +infinity without a warning."""
    if isinstance(value, int | float) and value == 0:
        return math.inf
    with np.errstate(divide="ignore", over="ignore"):
        return numerator / (value + 0.0)  # -0.0 + 0.0 is +0.0
