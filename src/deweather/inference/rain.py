"""A rainy picture -> how much of its streaks is to be taken out, and the picture without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from deweather.image.frames import from_frames, to_frames
from deweather.inference.forward import Forward
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.stage import Pixels, Stage
from deweather.inference.thresholds import STREAKS, WET, darkened_streaks, fade
from deweather.inference.tiled_images import restore_images_tiled
from deweather.inference.tiles import TILE, restore_tiled, store

_PROBE = 256  # side of the pieces that are looked at first, pixels
_PROBES = 3  # of them along each axis at most


@dataclass(frozen=True)
class RainDecision:
    """What is to be done about rain.

    Attributes:
        share: how much of the change is made: 0 none, 1 all that the network sees, more is beyond it.
        streaks: size of the streaks that were found, to be held against `thresholds.STREAKS`; None
            where the rain goes in any case and nobody looked.
        size: height and width of the picture, pixels.
    """

    share: float
    streaks: float | None
    size: tuple[int, int]

    @staticmethod
    def mean(decisions: Sequence[RainDecision], weights: Sequence[float]) -> RainDecision:
        """The weighted mean of decisions on frames of one size; weights need not add up to 1."""
        parts = [w / sum(weights) for w in weights]
        looked = [
            (p, d.streaks) for p, d in zip(parts, decisions, strict=True) if d.streaks is not None
        ]
        known = sum(p for p, _ in looked)
        return RainDecision(
            sum(p * d.share for p, d in zip(parts, decisions, strict=True)),
            sum(p * s for p, s in looked) / known if known > 0 else None,
            decisions[-1].size,
        )


class RainStage(Stage[RainDecision]):
    """Takes rain out of pictures of any size, in tiles.

    Args:
        forward: the network.
        skip_clear: leave pictures alone that hardly change. A large picture is judged by pieces
            spread over it, so a clear one costs little.
        strength: how much of what was found is taken out.
        tile: side of the tiles, pixels; None takes the default.
    """

    task: ClassVar[str] = "rain"

    def __init__(
        self,
        forward: Forward,
        *,
        skip_clear: bool = False,
        strength: float = 1.0,
        tile: int | None = None,
    ) -> None:
        super().__init__(forward, skip_clear=skip_clear, strength=strength)
        self.tile = tile or TILE

    def measure(self, views: Sequence[Pixels], hooks: Hooks = NO_HOOKS) -> RainDecision:
        """Look at pieces of the views, unless the rain goes in any case."""
        height, width = views[0].shape[:2]
        if not self.skip_clear:
            return RainDecision(self.strength, None, (height, width))
        pieces = torch.cat(
            [to_frames([v[place] for v in views]) for place in _places(height, width)]
        )
        return self._decide(pieces, self.forward(pieces, hooks), 1, (height, width))[0]

    def apply(
        self, views: Sequence[Pixels], decision: RainDecision, hooks: Hooks = NO_HOOKS
    ) -> bool:
        """Restore the views in place, tile by tile."""
        if decision.share == 0:
            hooks.report(self.task, 1, 1)
            return False
        return restore_tiled(self.forward, views, tile=self.tile, share=decision.share, hooks=hooks)

    def measure_images(self, images: Tensor, hooks: Hooks = NO_HOOKS) -> list[RainDecision]:
        """`measure` for each sample of a batch."""
        height, width = images.shape[-2:]
        if not self.skip_clear:
            return [RainDecision(self.strength, None, (height, width))] * len(images)
        places = _places(height, width)
        pieces = torch.stack([images[(..., *place)] for place in places], dim=1).flatten(0, 1)
        restored = self.forward(pieces, hooks)
        return self._decide(pieces, restored, len(images), (height, width))

    def apply_images(
        self, images: Tensor, decisions: Sequence[RainDecision], hooks: Hooks = NO_HOOKS
    ) -> Tensor:
        """`apply` for each sample of a batch."""
        found = [i for i, decision in enumerate(decisions) if decision.share > 0]
        given = images.to(self.forward.device)
        if not found:
            return given.clone()
        wet = given if len(found) == len(given) else given[found]
        restored = restore_images_tiled(self.forward, wet, tile=self.tile, hooks=hooks)
        return self._mixed(given, restored, decisions)

    def restore(self, views: Sequence[Pixels], hooks: Hooks = NO_HOOKS) -> bool:
        """Measure and apply; a picture that is seen whole in measuring is not shown twice."""
        if not self._seen_whole(*views[0].shape[:2]):
            return super().restore(views, hooks)
        images = to_frames(views)
        restored = self.forward(images, hooks)
        decisions = self._decide(images, restored, 1, views[0].shape[:2])
        changed = False
        if decisions[0].share > 0:
            mixed = self._mixed(images.to(restored.device), restored, decisions)
            values = from_frames(mixed, np.float32)
            for view, value in zip(views, values, strict=True):
                changed = store(view, value) or changed
        hooks.report(self.task, 1, 1)
        return changed

    def restore_images(self, images: Tensor, hooks: Hooks = NO_HOOKS) -> Tensor:
        """`restore` for a batch."""
        size = (images.shape[-2], images.shape[-1])
        if not self._seen_whole(*size):
            return super().restore_images(images, hooks)
        restored = self.forward(images, hooks)
        given = images.to(restored.device)
        decisions = self._decide(given, restored, len(images), size)
        found = [i for i, decision in enumerate(decisions) if decision.share > 0]
        return self._mixed(given, restored[found], decisions) if found else given.clone()

    def _seen_whole(self, height: int, width: int) -> bool:
        needs = self.forward.network.needs
        uncut = (
            needs.tile_overlap is None
            or max(height, width) <= self.tile - self.tile % needs.multiple
        )
        return self.skip_clear and uncut and max(height, width) <= _PROBE

    def _decide(
        self, pieces: Tensor, restored: Tensor, count: int, size: tuple[int, int]
    ) -> list[RainDecision]:
        """Decisions on `count` samples of this height and width, from equally many pieces of each."""
        pieces = pieces.to(restored.device)
        blocks = darkened_streaks(pieces, restored.clamp(0, 1)).view(count, -1)
        streaks = blocks.quantile(1 - WET, dim=1).tolist()
        return [RainDecision(self.strength * fade(s, STREAKS), s, size) for s in streaks]

    def _mixed(self, images: Tensor, restored: Tensor, decisions: Sequence[RainDecision]) -> Tensor:
        """Images with as much of the change as was decided; `restored` are those with any."""
        shares = images.new_tensor([d.share for d in decisions if d.share > 0]).view(-1, 1, 1, 1, 1)
        if len(shares) == len(images):
            return torch.lerp(images, restored, shares).clamp_(0, 1)
        out = images.clone()
        found = [i for i, decision in enumerate(decisions) if decision.share > 0]
        out[found] = torch.lerp(images[found], restored, shares).clamp_(0, 1)
        return out


def _places(height: int, width: int) -> list[tuple[slice, slice]]:
    """Where the pieces lie: rows and columns of each."""
    return [
        (slice(top, top + _PROBE), slice(left, left + _PROBE))
        for top in _starts(height)
        for left in _starts(width)
    ]


def _starts(length: int) -> list[int]:
    """Where the pieces begin along an axis: evenly spread, not overlapping unless they must."""
    count = min(_PROBES, max(1, length // _PROBE))
    if count == 1:
        return [max(length - _PROBE, 0) // 2]
    return [round(i) for i in np.linspace(0, length - _PROBE, count)]
