"""One kind of weather: a decision measured on views, and its application to views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from deweather.inference.forward import Forward
from deweather.inference.hooks import NO_HOOKS, Hooks

Pixels = NDArray[Any]
Decision = TypeVar("Decision")


class Stage(ABC, Generic[Decision]):
    """Takes one kind of weather out: `measure` decides, `apply` does. Holds nothing of a picture.

    Views are one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1], worked on in place;
    images are tensors (B, V, 3, H, W), float32 in [0, 1], on any device, which are left as they are
    and come back on the device of the network. A decision is frozen and can be pickled. It may be
    measured on one frame of a video, averaged over time (`Decision.mean`), and applied to others.

    Args:
        forward: the network.
        skip_clear: leave pictures alone that hardly change, see `deweather.inference.thresholds`.
        strength: how much of what was found is taken out, 1 is all of it.
    """

    task: ClassVar[str]

    def __init__(
        self, forward: Forward, *, skip_clear: bool = False, strength: float = 1.0
    ) -> None:
        self.forward = forward
        self.skip_clear = skip_clear
        self.strength = strength

    @abstractmethod
    def measure(self, views: Sequence[Pixels], hooks: Hooks = NO_HOOKS) -> Decision:
        """Decide what is to be done with views, without changing them."""

    @abstractmethod
    def apply(self, views: Sequence[Pixels], decision: Decision, hooks: Hooks = NO_HOOKS) -> bool:
        """Do it in place; whether a pixel changed. After Cancelled the views may be half done."""

    @abstractmethod
    def measure_images(self, images: Tensor, hooks: Hooks = NO_HOOKS) -> list[Decision]:
        """Decide for each sample of a batch."""

    @abstractmethod
    def apply_images(
        self, images: Tensor, decisions: Sequence[Decision], hooks: Hooks = NO_HOOKS
    ) -> Tensor:
        """Restored images, in [0, 1]; samples in which nothing is to be done as they were."""

    def restore(self, views: Sequence[Pixels], hooks: Hooks = NO_HOOKS) -> bool:
        """Measure and apply; whether a pixel changed."""
        return self.apply(views, self.measure(views, hooks), hooks)

    def restore_images(self, images: Tensor, hooks: Hooks = NO_HOOKS) -> Tensor:
        """Measure and apply."""
        return self.apply_images(images, self.measure_images(images, hooks), hooks)
