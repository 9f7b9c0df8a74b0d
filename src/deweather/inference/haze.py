"""A hazy picture -> how its colours are to be mapped, and the picture with that map applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import torch
from torch import Tensor

from deweather.image.frames import to_frames
from deweather.inference.filters import reduce_area
from deweather.inference.guided import (
    apply_affine,
    apply_affine_images,
    fit_affine,
    toward_identity,
)
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.stage import Pixels, Stage
from deweather.inference.thresholds import BLACKENED, HAZE, blackened, fade, rms

WORKING_PIXELS = 250_000
"""Pixels of the reduced picture: the network sees the whole scene, at a scale that it was trained on.
At 100,000 simulated haze comes off a little better, but skies of real photographs turn black."""


@dataclass(frozen=True)
class HazeDecision:
    """What is to be done about haze.

    Attributes:
        share: how much of the change is made: 0 none, 1 all that the network sees, more is beyond it.
        change: root mean square of the network's change, sRGB units.
        blackened: share of the pixels that it would turn from grey to black.
        size: height and width of the picture, pixels.
        maps: (V, 3, 4, h, w), float32, on the device of the network: the affine map of colour around
            each pixel of the reduced picture, see `deweather.inference.guided`, for a share of 1. They
            lie on the picture as a whole, so they can be applied to another frame of the scene, of
            any size. None where the share is 0.
    """

    share: float
    change: float
    blackened: float
    size: tuple[int, int]
    maps: Tensor | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def mean(decisions: Sequence[HazeDecision], weights: Sequence[float]) -> HazeDecision:
        """The decision whose change of a picture is the weighted mean of the changes of several.

        Args:
            decisions: on frames of one size.
            weights: one each, at least 0; they need not add up to 1.
        """
        parts = [w / sum(weights) for w in weights]
        share = sum(p * d.share for p, d in zip(parts, decisions, strict=True))
        maps: Tensor | None = None
        for part, decision in zip(parts, decisions, strict=True):
            if decision.maps is not None and share > 0:
                term = decision.maps * (part * decision.share / share)
                maps = term if maps is None else maps + term
        return HazeDecision(
            share,
            sum(p * d.change for p, d in zip(parts, decisions, strict=True)),
            sum(p * d.blackened for p, d in zip(parts, decisions, strict=True)),
            decisions[-1].size,
            maps,
        )


class HazeStage(Stage[HazeDecision]):
    """Takes haze out of pictures of any size at bounded cost.

    A large picture is reduced for the network; its answer is carried back by local colour-affine
    maps, see `deweather.inference.guided`. A small one takes the same way: the maps cannot follow the
    grid of JPEG blocks, which a network makes visible.
    """

    task: ClassVar[str] = "haze"

    def measure(self, views: Sequence[Pixels], hooks: Hooks = NO_HOOKS) -> HazeDecision:
        """Let the network see the reduced views, and fit the maps to its answer."""
        height, width = views[0].shape[:2]
        h, w = reduced_size(height, width)
        small = list(views)
        if (h, w) != (height, width):
            small = [cv2.resize(v, (w, h), interpolation=cv2.INTER_AREA) for v in views]
        return self._decide(to_frames(small), (height, width), hooks)[0]

    def apply(
        self, views: Sequence[Pixels], decision: HazeDecision, hooks: Hooks = NO_HOOKS
    ) -> bool:
        """Map the colours of the views in place, band by band."""
        changed = False
        if decision.maps is not None and decision.share > 0:
            maps = toward_identity(decision.maps, decision.share).cpu().numpy()
            changed = apply_affine(maps, views, lambda done, total: _tell(hooks, done, total))
        else:
            hooks.report(self.task, 1, 1)
        return changed

    def measure_images(self, images: Tensor, hooks: Hooks = NO_HOOKS) -> list[HazeDecision]:
        """`measure` for each sample of a batch."""
        height, width = images.shape[-2:]
        given = images.to(self.forward.device)
        reduced = reduce_area(given, *reduced_size(height, width))
        return self._decide(reduced, (height, width), hooks)

    def apply_images(
        self, images: Tensor, decisions: Sequence[HazeDecision], hooks: Hooks = NO_HOOKS
    ) -> Tensor:
        """`apply` for each sample of a batch."""
        hooks.check()
        given = images.to(self.forward.device)
        maps = {
            index: toward_identity(decision.maps, decision.share).to(given.device)
            for index, decision in enumerate(decisions)
            if decision.maps is not None and decision.share > 0
        }
        if not maps:
            return given.clone()
        hazy = given if len(maps) == len(given) else given[list(maps)]
        mapped = apply_affine_images(torch.cat(list(maps.values())), hazy.flatten(0, 1))
        if len(maps) == len(given):
            return mapped.view(given.shape)
        out = given.clone()
        out[list(maps)] = mapped.view(hazy.shape)
        return out

    def _decide(self, images: Tensor, size: tuple[int, int], hooks: Hooks) -> list[HazeDecision]:
        """Decisions of reduced images (B, V, 3, h, w) of pictures of this height and width."""
        restored = self.forward(images, hooks).clamp(0, 1)
        images = images.to(restored.device)
        changes = rms(restored - images).tolist()
        black = blackened(images, restored).tolist()
        shares = [self.strength] * len(changes)
        if self.skip_clear:
            shares = [
                self.strength * fade(c, HAZE) * (1 - fade(b, BLACKENED))
                for c, b in zip(changes, black, strict=True)
            ]
        found = [i for i, share in enumerate(shares) if share > 0]
        maps: dict[int, Tensor] = {}
        if found:
            pairs = (images[found].flatten(0, 1), restored[found].flatten(0, 1))
            fitted = fit_affine(*pairs)
            fitted = fitted.view(len(found), -1, *fitted.shape[1:])
            # Copies, for a part of a tensor is pickled with all of it.
            maps = dict(
                zip(found, (f.clone() if len(found) > 1 else f for f in fitted), strict=True)
            )
        return [
            HazeDecision(share, change, dark, size, maps.get(i))
            for i, (share, change, dark) in enumerate(zip(shares, changes, black, strict=True))
        ]


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of what the network is shown of a picture."""
    scale = min(1.0, (WORKING_PIXELS / (height * width)) ** 0.5)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _tell(hooks: Hooks, done: int, total: int) -> None:
    if done:
        hooks.report("haze", done, total)
    if done < total:
        hooks.check()
